//! The catalogue: every error that the API documents, read from `catalogue.yaml` and the user's overrides.

mod labels;
mod rows;
mod wording;

use std::collections::HashMap;

pub use labels::{Category, Condition};
pub use rows::{Row, read_row, read_rows};
pub use wording::{Agreement, Wording, normalise, normalise_mapped};

use crate::yaml::{Document, Mistake, Mistakes};

const BUILT_IN: &str = include_str!("catalogue.yaml");

/// All rows, and the ways to find one.
#[derive(Debug, Clone)]
pub struct Catalogue {
    rows: Vec<Row>,
    business: HashMap<u32, usize>,
    http: HashMap<u32, Vec<usize>>,
}

impl Catalogue {
    /// The rows that ship with the program.
    ///
    /// # Panics
    /// When the built-in file is malformed, which a test rules out.
    pub fn built_in() -> Self {
        let mut mistakes = Mistakes::default();
        let rows = Document::parse(BUILT_IN)
            .ok()
            .and_then(|d| d.root().map(|root| read_rows(&root, &mut mistakes)))
            .unwrap_or_default();
        assert!(mistakes.0.is_empty(), "catalogue.yaml: {:?}", mistakes.0);
        Self::of(rows)
    }

    /// The built-in rows with `overrides` laid over them: a row of the same code and category replaces what it
    /// names, any other is added.
    pub fn with(overrides: Vec<Row>) -> Self {
        let mut rows = Self::built_in().rows;
        for new in overrides {
            match rows.iter_mut().find(|old| new.replaces(old)) {
                Some(old) => *old = new.over(old),
                None => rows.push(new),
            }
        }
        Self::of(rows)
    }

    fn of(rows: Vec<Row>) -> Self {
        let mut business = HashMap::new();
        let mut http: HashMap<u32, Vec<usize>> = HashMap::new();
        for (i, row) in rows.iter().enumerate() {
            if row.category == Category::Http {
                http.entry(row.code).or_default().push(i);
            } else {
                business.insert(row.code, i);
            }
        }
        Self { rows, business, http }
    }

    /// All rows, in the order of the documentation.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a business code.
    pub fn business(&self, code: u32) -> Option<&Row> {
        self.business.get(&code).map(|i| &self.rows[*i])
    }

    /// The rows of an HTTP status.
    pub fn http(&self, status: u32) -> impl Iterator<Item = &Row> {
        self.http.get(&status).into_iter().flatten().map(|i| &self.rows[*i])
    }

    /// What a bare HTTP status asks for: the table's condition where the table has one row, otherwise the log
    /// does not tell. Statuses in no row follow their class.
    pub fn http_condition(&self, status: u32) -> Condition {
        let mut rows = self.http(status);
        match (rows.next(), rows.next(), status) {
            (Some(only), None, _) => only.condition,
            (Some(_), Some(_), _) => Condition::Unspecified,
            (None, _, 529) => Condition::Overloaded,
            (None, _, 500..=599) => Condition::ServerError,
            (None, ..) => Condition::Unspecified,
        }
    }

    /// The HTTP statuses whose table has several rows: a bare status of these is `unspecified`.
    pub fn ambiguous_statuses(&self) -> impl Iterator<Item = u32> {
        let mut several: Vec<u32> = self.http.iter().filter(|(_, rows)| rows.len() > 1).map(|(s, _)| *s).collect();
        several.sort_unstable();
        several.into_iter()
    }
}

/// Reads a document that holds nothing but rows (the built-in file's own form).
pub fn parse_rows(text: &str) -> Result<Vec<Row>, Vec<Mistake>> {
    let document = Document::parse(text).map_err(|m| vec![m])?;
    let mut mistakes = Mistakes::default();
    let rows = document.root().map_or_else(Vec::new, |root| read_rows(&root, &mut mistakes));
    if mistakes.0.is_empty() { Ok(rows) } else { Err(mistakes.0) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_of_the_documentation_is_there_once() {
        let catalogue = Catalogue::built_in();
        let codes = |category| catalogue.rows().iter().filter(move |r| r.category == category).count();
        // Reference tables: 1 + 6 + 5 + 13 + 5 business rows and 13 failing HTTP rows; later tables add
        // 1005, 1121, 1261 and 15 policy rows.
        assert_eq!(codes(Category::Basic), 1);
        assert_eq!(codes(Category::Authentication), 6 + 1);
        assert_eq!(codes(Category::Account), 5 + 1);
        assert_eq!(codes(Category::ApiCall), 13 + 1);
        assert_eq!(codes(Category::ApiPolicyBlock), 5 + 15);
        assert_eq!(codes(Category::Http), 13);
        let unique: HashSet<_> = catalogue.rows().iter().map(|r| (r.category, r.code, r.condition)).collect();
        assert_eq!(unique.len(), catalogue.rows().len());
    }

    #[test]
    fn a_bare_status_tells_its_condition_only_where_the_table_has_one_row() {
        let catalogue = Catalogue::built_in();
        assert_eq!(catalogue.http_condition(401), Condition::Authentication);
        assert_eq!(catalogue.http_condition(429), Condition::Unspecified);
        assert_eq!(catalogue.http_condition(529), Condition::Overloaded);
        assert_eq!(catalogue.http_condition(502), Condition::ServerError);
        assert_eq!(catalogue.http_condition(403), Condition::Unspecified);
        assert_eq!(catalogue.ambiguous_statuses().collect::<Vec<_>>(), [400, 404, 429]);
    }

    #[test]
    fn an_override_changes_what_it_names_and_keeps_the_rest() {
        let rows = parse_rows("- {code: 1100, category: account}\n- {code: 1999, category: account, condition: account_locked, message: m, solution: s}").unwrap();
        let catalogue = Catalogue::with(rows);
        let row = catalogue.business(1100).unwrap();
        assert_eq!((row.category, row.condition), (Category::Account, Condition::AccountAccess));
        assert_eq!(row.message, "Account Read/Write");
        assert_eq!(catalogue.business(1999).unwrap().condition, Condition::AccountLocked);
    }

    #[test]
    fn mistakes_are_named_with_their_lines() {
        let text = "- code: 1100\n  conditon: rate_limit\n- code: x\n  category: nope\n- category: account\n";
        let mistakes = parse_rows(text).unwrap_err();
        let lines: Vec<_> = mistakes.iter().map(|m| m.line).collect();
        assert_eq!(lines, [2, 3, 4, 5], "{mistakes:?}");
        assert!(mistakes[0].to_string().contains("[0].conditon: unknown key"), "{}", mistakes[0]);
    }
}
