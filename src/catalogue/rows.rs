//! One row of the catalogue, and how it is read from YAML.

use super::wording::Wording;
use super::{Category, Condition};
use crate::yaml::{Mistakes, Node};

/// A documented error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The business code, or the HTTP status under [`Category::Http`].
    pub code: u32,
    /// Where the documentation lists it.
    pub category: Category,
    /// What to do about it.
    pub condition: Condition,
    /// The HTTP statuses the API answers with, where known.
    pub http: Vec<u32>,
    /// The documented text.
    pub message: String,
    /// What the documentation says to do.
    pub solution: String,
    /// The table that brought the row.
    pub table: String,
    /// Texts that identify the row alone.
    pub wordings: Vec<Wording>,
    /// Texts that confirm its code, but that others print too.
    pub weak: Vec<Wording>,
    /// The documented text, to be compared with.
    pub documented: Wording,
    /// Whether the API answers with free text under this code.
    pub free_text: bool,
    given: Given,
}

/// Which keys an override wrote; the others keep the value of the row beneath.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one per key that an override may leave out
struct Given {
    category: bool,
    condition: bool,
    http: bool,
    free_text: bool,
}

const KEYS: [&str; 10] =
    ["code", "category", "condition", "http", "message", "solution", "table", "wordings", "weak", "free_text"];

impl Row {
    /// Whether this row, written as an override, means `old`: the same code, within the business codes or within the
    /// HTTP table; and there, where several rows share a status, the same condition.
    pub fn replaces(&self, old: &Row) -> bool {
        let same_table = (self.category == Category::Http) == (old.category == Category::Http);
        let same_row = self.category != Category::Http || !self.given.condition || self.condition == old.condition;
        self.code == old.code && same_table && same_row
    }

    /// Whether the row says all that a series needs.
    pub fn is_complete(&self) -> bool {
        self.given.category && self.given.condition
    }

    /// This override laid over the row that it means.
    pub(super) fn over(self, old: &Row) -> Row {
        let text = |new: String, old: &String| if new.is_empty() { old.clone() } else { new };
        let more = |new: Vec<Wording>, old: &Vec<Wording>| old.iter().cloned().chain(new).collect();
        let given = self.given;
        let message = text(self.message, &old.message);
        Row {
            code: self.code,
            category: if given.category { self.category } else { old.category },
            condition: if given.condition { self.condition } else { old.condition },
            http: if given.http { self.http } else { old.http.clone() },
            documented: Wording::parse(&message),
            message,
            solution: text(self.solution, &old.solution),
            table: old.table.clone(),
            wordings: more(self.wordings, &old.wordings),
            weak: more(self.weak, &old.weak),
            free_text: if given.free_text { self.free_text } else { old.free_text },
            given,
        }
    }
}

/// Reads a list of rows; a row with a mistake is left out and the mistake noted.
pub fn read_rows(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<Row> {
    node.list(mistakes).iter().filter_map(|item| read_row(item, mistakes)).collect()
}

/// Reads one row.
pub fn read_row(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<Row> {
    let mut section = node.section(mistakes)?;
    let code = section.need("code", mistakes).and_then(|n| read_code(&n, mistakes));
    let category = section.take("category").map(|n| read_name(&n, Category::parse, Category::ALL, mistakes));
    let condition = section.take("condition").map(|n| read_name(&n, Condition::parse, Condition::ALL, mistakes));
    let http = section.take("http").map(|n| {
        let statuses = n.list(mistakes);
        statuses.iter().filter_map(|s| s.number(100, mistakes)).filter_map(|s| u32::try_from(s).ok()).collect()
    });
    let mut text = |name: &str, mistakes: &mut Mistakes| section.take(name).and_then(|n| n.text(mistakes));
    let (message, solution) = (text("message", mistakes), text("solution", mistakes));
    let table = text("table", mistakes);
    let mut wordings = |name: &str, mistakes: &mut Mistakes| {
        let texts = section.take(name).map(|n| n.texts(mistakes)).unwrap_or_default();
        texts.iter().map(|t| Wording::parse(t)).collect()
    };
    let (strong, weak) = (wordings("wordings", mistakes), wordings("weak", mistakes));
    let free_text = section.take("free_text").and_then(|n| n.boolean(mistakes));
    section.finish(&KEYS, mistakes);
    let given = Given {
        category: category.is_some(),
        condition: condition.is_some(),
        http: http.is_some(),
        free_text: free_text.is_some(),
    };
    Some(Row {
        code: code?,
        category: category.unwrap_or(Some(Category::Unknown))?,
        condition: condition.unwrap_or(Some(Condition::Unspecified))?,
        http: http.unwrap_or_default(),
        documented: Wording::parse(message.as_deref().unwrap_or_default()),
        message: message.unwrap_or_default(),
        solution: solution.unwrap_or_default(),
        table: table.unwrap_or_else(|| "reference".to_string()),
        wordings: strong,
        weak,
        free_text: free_text.unwrap_or(false),
        given,
    })
}

fn read_code(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<u32> {
    let text = node.text(mistakes)?;
    let code = text.parse().ok().filter(|c| (100..=99_999).contains(c));
    if code.is_none() {
        mistakes.add(node, format!("`{text}` is no code; it must be a number from 100 to 99999"));
    }
    code
}

fn read_name<T: Copy + std::fmt::Display>(
    node: &Node<'_>,
    parse: fn(&str) -> Option<T>,
    all: &[T],
    mistakes: &mut Mistakes,
) -> Option<T> {
    let text = node.text(mistakes)?;
    let value = parse(&text);
    if value.is_none() {
        let known: Vec<String> = all.iter().map(ToString::to_string).collect();
        mistakes.add(node, format!("`{text}` is not one of {}", known.join(", ")));
    }
    value
}
