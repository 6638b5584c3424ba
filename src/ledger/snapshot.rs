//! A ledger at one moment, as it is shown: in fixed order, so that two scrapes of the same counts are the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Counts, ErrorKey, LabelSet, SetId, Tally};
use crate::recognise::FinishReason;
use crate::recognise::time::Millis;

/// One error series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorSeries {
    /// Configured labels.
    pub labels: Arc<LabelSet>,
    /// Documented labels.
    pub key: ErrorKey,
    /// How often.
    pub count: u64,
    /// When first, 0 = never.
    pub first: Millis,
    /// When last, 0 = never.
    pub last: Millis,
}

/// One series with a single label of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series<T> {
    /// Configured labels.
    pub labels: Arc<LabelSet>,
    /// The label's value.
    pub value: T,
    /// How often.
    pub count: u64,
}

/// All series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `zai_api_errors_total` and `zai_api_error_last_seen_timestamp_seconds`.
    pub errors: Vec<ErrorSeries>,
    /// `zai_http_responses_total`.
    pub answers: Vec<Series<u32>>,
    /// `zai_finish_reasons_total`.
    pub finishes: Vec<Series<FinishReason>>,
    /// The names of all configured labels: every series has them all.
    pub label_names: BTreeSet<String>,
}

impl Snapshot {
    /// Whether both have the same series in the same places: only their counts and times may differ.
    pub fn has_series_of(&self, other: &Self) -> bool {
        self.label_names == other.label_names
            && alike(&self.errors, &other.errors, |one, two| one.labels == two.labels && one.key == two.key)
            && alike(&self.answers, &other.answers, |one, two| one.labels == two.labels && one.value == two.value)
            && alike(&self.finishes, &other.finishes, |one, two| one.labels == two.labels && one.value == two.value)
    }
}

fn alike<T>(one: &[T], two: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
}

pub(super) fn of(sets: &[(Arc<LabelSet>, Counts)], held: &BTreeMap<(SetId, ErrorKey), Tally>) -> Snapshot {
    let mut out = Snapshot::default();
    let mut order: Vec<SetId> = (0..sets.len()).collect();
    order.sort_by_key(|id| &sets[*id].0);
    for id in order {
        let (labels, counts) = &sets[id];
        out.label_names.extend(labels.keys().cloned());
        for (key, tally) in &counts.errors {
            let more = held.get(&(id, key.clone())).copied().unwrap_or_default();
            out.errors.push(ErrorSeries {
                labels: Arc::clone(labels),
                key: key.clone(),
                count: tally.count.saturating_add(more.count).max(tally.shown),
                first: [tally.first, more.first].into_iter().filter(|t| *t != 0).min().unwrap_or(0),
                last: tally.last.max(more.last),
            });
        }
        let answers = counts.answers.iter();
        out.answers.extend(answers.map(|(s, n)| Series { labels: Arc::clone(labels), value: *s, count: *n }));
        let finishes = counts.finishes.iter();
        out.finishes.extend(finishes.map(|(r, n)| Series { labels: Arc::clone(labels), value: *r, count: *n }));
    }
    out
}
