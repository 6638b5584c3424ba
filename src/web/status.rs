//! What the status page and `/api/v1/status` show: one value, made from what is committed and from what the engine tells.
//! No part of it comes from a log line: names and texts are the catalogue's, labels the configuration's, paths the disk's.

mod gather;

use serde::Serialize;

use self::gather::{account_state, errors, exporter, files, last_hour, shortened, sums};
use super::moment::Moment;
use crate::catalogue::{Catalogue, Category, Condition};
use crate::engine::Standing;
use crate::ledger::{Code, LabelSet, Snapshot};
use crate::metrics::Own;
use crate::recognise::FinishReason;
use crate::recognise::time::Millis;

/// The version of the JSON's form; a field that is only added leaves it as it is.
const SCHEMA_VERSION: u32 = 1;

/// What a status is made of.
#[derive(Debug)]
pub struct Seen<'a> {
    /// What is committed.
    pub snapshot: &'a Snapshot,
    /// What it was counted by.
    pub catalogue: &'a Catalogue,
    /// The exporter's own metrics.
    pub own: &'a Own,
    /// What the engine told; nothing if it has ended.
    pub standing: Option<Standing>,
    /// Whether the first pass is committed.
    pub ready: bool,
    /// The configuration file.
    pub config_file: Option<String>,
    /// Why the last reload was refused.
    pub refused: Option<String>,
    /// When the program started.
    pub started: Millis,
    /// The time of the request.
    pub now: Millis,
}

/// All that the page shows.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct Status {
    pub schema_version: u32,
    pub at: Option<Moment>,
    pub ready: bool,
    pub engine_running: bool,
    pub conditions: Vec<AccountState>,
    pub errors: Vec<ErrorState>,
    pub last_hour: LastHour,
    pub http_responses: Vec<Count<u32>>,
    pub finish_reasons: Vec<Count<FinishReason>>,
    pub files: Files,
    pub exporter: Exporter,
    pub configuration: Configuration,
}

/// How an account condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is known before the first pass.
    Unknown,
    /// Never seen.
    Ok,
    /// Seen, but not lately.
    Earlier,
    /// Seen lately.
    Failing,
}

/// One of the account's conditions, made of the conditions of the catalogue that people take for one.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct AccountState {
    pub id: &'static str,
    pub title: &'static str,
    pub state: State,
    pub count: u64,
    pub last_seen: Option<Moment>,
    pub conditions: &'static [Condition],
    pub errors: Vec<ErrorState>,
    pub affected: Vec<Affected>,
    pub affected_left_off: usize,
}

/// One error, over all label sets.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct ErrorState {
    pub category: Category,
    pub category_name: &'static str,
    pub code: Code,
    pub condition: Condition,
    pub count: u64,
    pub first_seen: Option<Moment>,
    pub last_seen: Option<Moment>,
    pub message: Option<String>,
    pub solution: Option<String>,
    pub affected: Vec<Affected>,
    pub affected_left_off: usize,
}

/// What one set of configured labels has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct Affected {
    pub labels: LabelSet,
    pub count: u64,
    pub last_seen: Option<Moment>,
}

/// Errors per minute.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct LastHour {
    pub minutes: Vec<Option<Moment>>,
    pub total: Vec<Option<u64>>,
    pub categories: Vec<CategoryHour>,
}

/// Errors of one category per minute.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct CategoryHour {
    pub category: Category,
    pub category_name: &'static str,
    pub counts: Vec<Option<u64>>,
}

/// How often a value was seen, over all label sets.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct Count<T> {
    pub value: T,
    pub count: u64,
}

/// The followed files.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct Files {
    pub names: usize,
    pub in_trouble: usize,
    pub listed: Vec<File>,
}

/// A followed name.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct File {
    pub path: String,
    pub position_bytes: u64,
    pub lag_bytes: u64,
    pub last_written: Option<Moment>,
    pub trouble: Option<String>,
}

/// The exporter's own health.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct Exporter {
    pub version: &'static str,
    pub revision: &'static str,
    pub started: Option<Moment>,
    pub watch_mode: &'static str,
    pub state_persistent: bool,
    pub last_commit: Option<Moment>,
    pub commits: u64,
    pub commit_failures: u64,
    pub files_followed: i64,
    pub files_waiting: i64,
    pub lag_bytes: u64,
    pub read_bytes: u64,
    pub read_lines: u64,
    pub last_read: Option<Moment>,
    pub read_errors: u64,
    pub rotations: u64,
    pub truncations: u64,
    pub copies_recovered: u64,
    pub abandoned_bytes: u64,
    pub lines_too_long: u64,
    pub unrecognised_lookalikes: u64,
    pub label_values_folded: u64,
    pub series: i64,
}

/// The configuration file, if there is one.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // each is described in docs/status-api.schema.json
pub struct Configuration {
    pub file: Option<String>,
    pub last_reload_successful: bool,
    pub last_loaded: Option<Moment>,
    pub problem: Option<String>,
}

/// What people take for one condition of their account.
struct Group {
    id: &'static str,
    title: &'static str,
    conditions: &'static [Condition],
    /// A code of theirs that says nothing of the account.
    but: Option<Code>,
}

impl Group {
    const fn new(id: &'static str, title: &'static str, conditions: &'static [Condition]) -> Self {
        Self { id, title, conditions, but: None }
    }
}

/// One prompt that was refused: the next may be taken.
const SENSITIVE_CONTENT: Code = Code::Number(1301);

const GROUPS: [Group; 7] = [
    Group::new("balance", "Balance", &[Condition::BalanceExhausted]),
    Group::new(
        "account",
        "Account",
        &[Condition::AccountLocked, Condition::AccountInactive, Condition::AccountMissing, Condition::AccountAccess],
    ),
    Group::new("end_user", "End users", &[Condition::EndUserLocked]),
    Group::new("plan", "Plan and quota", &[Condition::PlanExpired, Condition::QuotaExhausted]),
    Group::new("authentication", "Authentication", &[Condition::Authentication]),
    Group { but: Some(SENSITIVE_CONTENT), ..Group::new("policy", "Policy", &[Condition::PolicyBlock]) },
    Group::new("api", "API", &[Condition::ApiUnavailable]),
];

impl Status {
    /// The status of what was seen.
    pub fn of(seen: Seen<'_>) -> Self {
        let engine_running = seen.standing.is_some();
        let standing = seen.standing.unwrap_or_default();
        let errors = if seen.ready { errors(seen.snapshot, seen.catalogue) } else { Vec::new() };
        let conditions = GROUPS.iter().map(|group| account_state(group, &errors, seen.ready, seen.now)).collect();
        Self {
            schema_version: SCHEMA_VERSION,
            at: Moment::of(seen.now),
            ready: seen.ready,
            engine_running,
            conditions,
            errors: errors.into_iter().map(shortened).collect(),
            last_hour: last_hour(&standing.last_hour),
            http_responses: sums(seen.snapshot.answers.iter().map(|s| (s.value, s.count))),
            finish_reasons: sums(seen.snapshot.finishes.iter().map(|s| (s.value, s.count))),
            files: files(standing.files),
            exporter: exporter(seen.own, seen.started),
            configuration: Configuration {
                file: seen.config_file,
                last_reload_successful: seen.own.reload_successful.get() == 1,
                last_loaded: Moment::of_seconds(seen.own.reload_time.get()),
                problem: seen.refused,
            },
        }
    }
}
