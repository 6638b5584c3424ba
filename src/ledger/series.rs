//! What identifies a series.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Category, Condition, Row};
use crate::recognise::Identity;

/// Labels from the configuration and from paths.
pub type LabelSet = BTreeMap<String, String>;

/// The `code` label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Code {
    /// A business code, or an HTTP status.
    Number(u32),
    /// A failure with neither.
    Unknown,
    /// Undocumented codes beyond the limit.
    Other,
}

impl Code {
    /// The label value.
    pub fn as_str(&self) -> Cow<'static, str> {
        match self {
            Self::Number(n) => Cow::Owned(n.to_string()),
            Self::Unknown => Cow::Borrowed("unknown"),
            Self::Other => Cow::Borrowed("other"),
        }
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.as_str().into_owned()
    }
}

impl TryFrom<String> for Code {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "unknown" => Ok(Self::Unknown),
            "other" => Ok(Self::Other),
            number => number.parse().map(Self::Number),
        }
    }
}

/// The documented part of an error's labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ErrorKey {
    /// `category`
    pub category: Category,
    /// `code`
    pub code: Code,
    /// `condition`
    pub condition: Condition,
}

impl ErrorKey {
    /// The series of a row of the catalogue.
    pub fn of_row(row: &Row) -> Self {
        Self { category: row.category, code: Code::Number(row.code), condition: row.condition }
    }

    /// The series that an identity counts under.
    pub fn of(identity: Identity, catalogue: &Catalogue) -> Self {
        match identity {
            Identity::Business(code) => catalogue.business(code).map_or(
                Self { category: Category::Unknown, code: Code::Number(code), condition: Condition::Unspecified },
                Self::of_row,
            ),
            Identity::Http(status, condition) => Self {
                category: Category::Http,
                code: Code::Number(status),
                condition: condition.unwrap_or_else(|| catalogue.http_condition(status)),
            },
            Identity::Unknown => {
                Self { category: Category::Unknown, code: Code::Unknown, condition: Condition::Unspecified }
            }
        }
    }
}
