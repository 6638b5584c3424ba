//! The parts of a status, each from what it is made of: pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use prometheus::core::Collector as _;

use super::{AccountState, Affected, CategoryHour, Count, ErrorState, Exporter, File, Files, Group, LastHour, State};
use crate::catalogue::{Catalogue, Category};
use crate::history::Minute;
use crate::ledger::{Code, ErrorKey, ErrorSeries, LabelSet, Snapshot};
use crate::metrics::Own;
use crate::recognise::time::Millis;
use crate::source::Followed;
use crate::web::moment::Moment;

/// How long a condition counts as present after its last error: as long as the alerts keep firing.
const FAILING_MILLIS: Millis = 15 * 60_000;

/// How many files are listed, those in trouble first.
const FILES: usize = 200;

/// How many label sets are listed for one error or condition, the latest first.
const LABEL_SETS: usize = 10;

/// Every documented error and every other that was seen, by category and code, each with all label sets that have seen it.
pub fn errors(snapshot: &Snapshot, catalogue: &Catalogue) -> Vec<ErrorState> {
    let mut by_key: BTreeMap<ErrorKey, Vec<&ErrorSeries>> = BTreeMap::new();
    for series in &snapshot.errors {
        by_key.entry(series.key.clone()).or_default().push(series);
    }
    for row in catalogue.rows() {
        by_key.entry(ErrorKey::of_row(row)).or_default();
    }
    by_key.into_iter().map(|(key, series)| error(key, series, catalogue)).collect()
}

fn error(key: ErrorKey, mut series: Vec<&ErrorSeries>, catalogue: &Catalogue) -> ErrorState {
    series.retain(|s| s.count > 0);
    let row = catalogue.rows().iter().find(|row| ErrorKey::of_row(row) == key);
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let one = |s: &&ErrorSeries| Affected {
        labels: LabelSet::clone(&s.labels),
        count: s.count,
        last_seen: Moment::of(s.last),
    };
    let affected = affected(series.iter().map(one));
    ErrorState {
        category: key.category,
        category_name: key.category.title(),
        count: series.iter().map(|s| s.count).sum(),
        first_seen: series.iter().filter_map(|s| Moment::of(s.first)).min(),
        last_seen: series.iter().filter_map(|s| Moment::of(s.last)).max(),
        message: row.and_then(|r| text(&r.message)).or_else(|| one_of(&key, catalogue)),
        solution: row.and_then(|r| text(&r.solution)),
        code: key.code,
        condition: key.condition,
        affected,
        affected_left_off: 0,
    }
}

/// What is known of a bare HTTP status whose table has several rows.
fn one_of(key: &ErrorKey, catalogue: &Catalogue) -> Option<String> {
    let Code::Number(status) = key.code else { return None };
    let reasons: Vec<&str> = catalogue.http(status).map(|r| r.message.as_str()).collect();
    let known = key.category == Category::Http && !reasons.is_empty();
    known.then(|| format!("The log does not tell which of these: {}", reasons.join("; ")))
}

/// Configured labels, the latest first. Without any, there is nothing to tell apart.
fn affected(all: impl Iterator<Item = Affected>) -> Vec<Affected> {
    let mut all: Vec<Affected> = all.filter(|a| !a.labels.is_empty()).collect();
    all.sort_by_key(|a| Reverse(a.last_seen));
    all
}

/// Leaves off all but the latest label sets; returns how many.
fn shorten(affected: &mut Vec<Affected>) -> usize {
    let left_off = affected.len().saturating_sub(LABEL_SETS);
    affected.truncate(LABEL_SETS);
    left_off
}

/// Bounds what is listed of an error.
pub fn shortened(mut error: ErrorState) -> ErrorState {
    error.affected_left_off = shorten(&mut error.affected);
    error
}

/// How one of the account's conditions stands, by all `errors`.
pub fn account_state(group: &'static Group, errors: &[ErrorState], ready: bool, now: Millis) -> AccountState {
    let is_of_group = |e: &&ErrorState| group.conditions.contains(&e.condition) && group.but.as_ref() != Some(&e.code);
    let of_group = errors.iter().filter(|e| e.count > 0).filter(is_of_group);
    let mut errors: Vec<ErrorState> = of_group.cloned().collect();
    errors.sort_by_key(|e| Reverse(e.last_seen));
    let last_seen = errors.iter().filter_map(|e| e.last_seen).max();
    let mut by_labels: BTreeMap<_, (u64, Option<Moment>)> = BTreeMap::new();
    for one in errors.iter().flat_map(|e| &e.affected) {
        let sum = by_labels.entry(&one.labels).or_default();
        *sum = (sum.0 + one.count, sum.1.max(one.last_seen));
    }
    let mut affected = affected(by_labels.into_iter().map(|(labels, (count, last_seen))| Affected {
        labels: labels.clone(),
        count,
        last_seen,
    }));
    AccountState {
        id: group.id,
        title: group.title,
        state: state(ready, last_seen, now),
        count: errors.iter().map(|e| e.count).sum(),
        last_seen,
        conditions: group.conditions,
        affected_left_off: shorten(&mut affected),
        affected,
        errors: errors.into_iter().map(shortened).collect(),
    }
}

fn state(ready: bool, last_seen: Option<Moment>, now: Millis) -> State {
    match (ready, last_seen, Moment::of(now)) {
        (false, ..) => State::Unknown,
        (true, Some(last), Some(now)) if now.since(last) <= FAILING_MILLIS => State::Failing,
        (true, Some(_), _) => State::Earlier,
        (true, None, _) => State::Ok,
    }
}

pub fn last_hour(minutes: &[Minute]) -> LastHour {
    let of = |category: Category| CategoryHour {
        category,
        category_name: category.title(),
        counts: minutes.iter().map(|m| m.counts.map(|c| c[category as usize])).collect(),
    };
    LastHour {
        minutes: minutes.iter().map(|m| Moment::of(m.start)).collect(),
        total: minutes.iter().map(|m| m.counts.map(|c| c.iter().sum())).collect(),
        categories: Category::ALL.iter().copied().map(of).collect(),
    }
}

/// Counts by value, over all label sets.
pub fn sums<T: Ord>(counts: impl Iterator<Item = (T, u64)>) -> Vec<Count<T>> {
    let mut by_value = BTreeMap::new();
    for (value, count) in counts {
        *by_value.entry(value).or_default() += count;
    }
    by_value.into_iter().map(|(value, count)| Count { value, count }).collect()
}

pub fn files(mut followed: Vec<Followed>) -> Files {
    let (names, in_trouble) = (followed.len(), followed.iter().filter(|f| f.trouble.is_some()).count());
    followed.sort_by(|a, b| {
        let rank = |f: &Followed| Reverse((f.trouble.is_some(), f.lag));
        rank(a).cmp(&rank(b)).then_with(|| a.path.cmp(&b.path))
    });
    followed.truncate(FILES);
    let file = |f: Followed| File {
        path: f.path.to_string_lossy().into_owned(),
        position_bytes: f.position,
        lag_bytes: f.lag,
        last_written: Moment::of(f.written),
        trouble: f.trouble,
    };
    Files { names, in_trouble, listed: followed.into_iter().map(file).collect() }
}

pub fn exporter(own: &Own, started: Millis) -> Exporter {
    let folded = own.labels_folded.collect();
    let folded =
        folded.iter().flat_map(prometheus::proto::MetricFamily::get_metric).map(|m| m.get_counter().get_value());
    Exporter {
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("ZAI_EXPORTER_REVISION").unwrap_or("unknown"),
        started: Moment::of(started),
        watch_mode: if own.watch_mode.with_label_values(&["events"]).get() == 1 { "events" } else { "poll" },
        state_persistent: own.state_persistent.get() == 1,
        last_commit: Moment::of_seconds(own.last_commit.get()),
        commits: own.commits.get(),
        commit_failures: own.commit_failures.get(),
        files_followed: own.files_followed.get(),
        files_waiting: own.files_waiting.get(),
        lag_bytes: u64::try_from(own.lag_bytes.get()).unwrap_or(0),
        read_bytes: own.read_bytes.get(),
        read_lines: own.read_lines.get(),
        last_read: Moment::of_seconds(own.last_read.get()),
        read_errors: own.read_errors.get(),
        rotations: own.rotations.get(),
        truncations: own.truncations.get(),
        copies_recovered: own.copies_recovered.get(),
        abandoned_bytes: own.abandoned_bytes.get(),
        lines_too_long: own.lines_too_long.get(),
        unrecognised_lookalikes: own.look_alikes.get(),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a counter of whole numbers
        label_values_folded: folded.sum::<f64>() as u64,
        series: own.series.get(),
    }
}

#[cfg(test)]
mod tests;
