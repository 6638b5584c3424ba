//! What earlier lines of a log have to do with the next one.

use serde::{Deserialize, Serialize};

use super::{body, time};
use crate::saved::is_default;

/// For how many lines after a mention of the API its name counts as context.
const CONTEXT_LINES: u64 = 200;

/// Within how many lines of `… with root cause` and its like the cause is printed.
const CAUSE_LINES: u64 = 3;

/// How the line before a cause ends (Tomcat's, and instructor's).
const CAUSES: [&[u8]; 2] = [b"with root cause", b"<last_exception>"];

/// How a line begins behind which .NET prints an inner exception, and Laravel the exception that it logged.
const INNER: [&[u8]; 2] = [b"---> ", b"{\"exception\":\"[object] ("];

/// Within how many lines of `"error": {` its code is printed.
const OBJECT_LINES: u64 = 4;

/// What earlier lines of a log have to do with the next one. Committed with the log's position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_object: Option<u64>,
    /// The line that announced the cause of what it printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<u64>,
    /// The line that told of a failed request that is printed below it, and the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<(u64, u32)>,
    /// The time of the last line that had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<time::Written>,
    /// How many bytes ago that line started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time_ago: u64,
    /// Which statement printed it, if it speaks of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<u64>,
}

/// How many lines above line `number` line `at` stands.
fn above(at: Option<u64>, number: u64) -> Option<u64> {
    at.map(|at| number.saturating_sub(at))
}

impl Context {
    /// Whether the API was named a short while before line `number`.
    pub(super) fn is_of_vendor(&self, number: u64) -> bool {
        above(self.vendor, number).is_some_and(|n| n <= CONTEXT_LINES)
    }

    /// How many lines above line `number` the API's host was named without an answer.
    pub(super) fn requested(&self, number: u64) -> Option<u64> {
        above(self.request, number)
    }

    /// The status of the request that may be printed on line `number`, if a line above told that it failed.
    pub(super) fn failed(&self, number: u64, within: u64) -> Option<u32> {
        self.failed.filter(|(at, _)| number.saturating_sub(*at) <= within).map(|(_, status)| status)
    }

    /// Line `number` tells of a failed request that may be printed below; or it has been.
    pub(super) fn set_failed(&mut self, number: u64, status: Option<u32>) {
        self.failed = status.map(|status| (number, status));
    }

    /// Whether line `number` may be a part of an error object that was opened above.
    pub(super) fn in_error_object(&self, number: u64) -> bool {
        above(self.error_object, number).is_some_and(|n| n <= OBJECT_LINES)
    }

    /// Whether line `number` may be the cause of what was printed above.
    pub(super) fn is_cause(&self, number: u64) -> bool {
        above(self.cause, number).is_some_and(|n| n <= CAUSE_LINES)
    }

    /// Line `number` names the API.
    pub(super) fn names_vendor(&mut self, number: u64) {
        self.vendor = Some(number);
    }

    /// Line `number` names the API's host, and an answer may follow; or none does any more.
    pub(super) fn set_request(&mut self, number: Option<u64>) {
        self.request = number;
    }

    /// What line `number` announces of the next ones.
    pub(super) fn announces(&mut self, view: &[u8], number: u64) {
        if opens_error_object(view) {
            self.error_object = Some(number);
        }
        if CAUSES.iter().any(|cause| view.trim_ascii_end().ends_with(cause))
            || INNER.iter().any(|inner| view.trim_ascii_start().starts_with(inner))
        {
            self.cause = Some(number);
        }
    }
}

/// Whether a line ends with the head of an error object: its code is on one of the next lines. PHP prints `[error] => Array`, or
/// `'error' =>`.
fn opens_error_object(view: &[u8]) -> bool {
    let head = view.trim_ascii_end();
    let opens = head.strip_suffix(b"{").or_else(|| head.strip_suffix(b"Array"));
    let head = opens.unwrap_or(head);
    (opens.is_some() || head.ends_with(b"=>")) && body::error_key(head).is_some()
}
