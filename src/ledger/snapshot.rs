//! A ledger at one moment, as it is shown: in fixed order, so that two scrapes of the same counts are the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Counts, ErrorKey, LabelSet, SetId, Tally};
use crate::recognise::FinishReason;
use crate::recognise::time::Millis;

/// One error series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorSeries {
    /// Configured labels.
    pub labels: LabelSet,
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
    pub labels: LabelSet,
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

pub(super) fn of(sets: &[(LabelSet, Counts)], held: &BTreeMap<(SetId, ErrorKey), Tally>) -> Snapshot {
    let mut out = Snapshot::default();
    let mut order: Vec<SetId> = (0..sets.len()).collect();
    order.sort_by_key(|id| &sets[*id].0);
    for id in order {
        let (labels, counts) = &sets[id];
        out.label_names.extend(labels.keys().cloned());
        for (key, tally) in &counts.errors {
            let more = held.get(&(id, key.clone())).copied().unwrap_or_default();
            out.errors.push(ErrorSeries {
                labels: labels.clone(),
                key: key.clone(),
                count: tally.count.saturating_add(more.count).max(tally.shown),
                first: [tally.first, more.first].into_iter().filter(|t| *t != 0).min().unwrap_or(0),
                last: tally.last.max(more.last),
            });
        }
        let answers = counts.answers.iter();
        out.answers.extend(answers.map(|(s, n)| Series { labels: labels.clone(), value: *s, count: *n }));
        let finishes = counts.finishes.iter();
        out.finishes.extend(finishes.map(|(r, n)| Series { labels: labels.clone(), value: *r, count: *n }));
    }
    out
}
