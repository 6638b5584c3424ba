//! What has been counted: pure. Counts only grow; [`Ledger::snapshot`] is what `/metrics` shows.

mod series;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::series::{Code, ErrorKey, LabelSet};
pub use self::snapshot::{ErrorSeries, Series, Snapshot};
use crate::catalogue::{Catalogue, Category, Condition};
use crate::fold::Event;
use crate::recognise::time::Millis;
use crate::recognise::{FinishReason, Identity};

/// How many undocumented codes keep their number.
pub const UNKNOWN_CODES: usize = 50;

/// Conditions that page: with configured labels, these start at 0 as soon as a source is known.
const PAGING: [Condition; 9] = [
    Condition::BalanceExhausted,
    Condition::AccountLocked,
    Condition::EndUserLocked,
    Condition::AccountInactive,
    Condition::AccountMissing,
    Condition::PlanExpired,
    Condition::QuotaExhausted,
    Condition::PolicyBlock,
    Condition::ApiUnavailable,
];

/// Which label set a log counts under.
pub type SetId = usize;

/// A count and when it last grew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// When first, by the log's own time; 0 = never.
    #[serde(default)]
    pub first: Millis,
    /// When last; 0 = never.
    pub last: Millis,
    /// The count that has been shown, where it is more than `count`: held failures of a quiet log were shown, and then
    /// claimed by a late coded error. A shown counter never goes back.
    #[serde(default, skip_serializing_if = "is_zero")]
    shown: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Tally {
    fn add(&mut self, count: u64, at: Millis) {
        grow(&mut self.count, count);
        self.first = if self.first == 0 { at } else { self.first.min(at) };
        self.last = self.last.max(at);
    }
}

/// All counts, by label set.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    sets: Vec<(Arc<LabelSet>, Counts)>,
    by_labels: HashMap<Arc<LabelSet>, SetId>,
    /// Sets whose series are there.
    opened: HashSet<SetId>,
    unknown_codes: BTreeSet<u32>,
    limit: Limit,
    look_alikes: u64,
    look_alikes_told: u64,
    shown_more: bool,
}

#[derive(Debug, Clone, Copy)]
struct Limit(usize);

impl Default for Limit {
    fn default() -> Self {
        Self(UNKNOWN_CODES)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counts {
    errors: BTreeMap<ErrorKey, Tally>,
    answers: BTreeMap<u32, u64>,
    finishes: BTreeMap<FinishReason, u64>,
}

impl Ledger {
    /// An empty ledger that keeps the numbers of up to `unknown_codes` undocumented codes.
    pub fn new(unknown_codes: usize) -> Self {
        Self { limit: Limit(unknown_codes), ..Self::default() }
    }

    /// Changes how many undocumented codes keep their numbers; those known stay.
    pub fn set_unknown_codes(&mut self, limit: usize) {
        self.limit = Limit(limit);
    }

    /// The id of a label set, whose series are there from now on.
    pub fn open(&mut self, labels: LabelSet, catalogue: &Catalogue) -> SetId {
        let id = self.set(labels);
        if !self.opened.insert(id) {
            return id;
        }
        let (labels, counts) = &mut self.sets[id];
        let all = labels.is_empty();
        for row in catalogue.rows().iter().filter(|r| all || PAGING.contains(&r.condition)) {
            counts.errors.entry(ErrorKey::of_row(row)).or_default();
        }
        if all {
            for status in catalogue.ambiguous_statuses() {
                let key = ErrorKey {
                    category: Category::Http,
                    code: Code::Number(status),
                    condition: Condition::Unspecified,
                };
                counts.errors.entry(key).or_default();
            }
        }
        for reason in FinishReason::ALL {
            counts.finishes.entry(reason).or_default();
        }
        counts.answers.entry(200).or_default();
        id
    }

    fn set(&mut self, labels: LabelSet) -> SetId {
        if let Some(id) = self.by_labels.get(&labels) {
            return *id;
        }
        let labels = Arc::new(labels);
        self.sets.push((Arc::clone(&labels), Counts::default()));
        self.by_labels.insert(labels, self.sets.len() - 1);
        self.sets.len() - 1
    }

    /// Counts an event of a log with label set `set`, read at `now`.
    pub fn count(&mut self, set: SetId, event: Event, catalogue: &Catalogue, now: Millis) {
        match event {
            Event::Failure(identity, time) => {
                let key = self.key(identity, catalogue);
                let tally = self.sets[set].1.errors.entry(key).or_default();
                tally.add(1, seen(time, now));
            }
            Event::Answer(status) => grow(self.sets[set].1.answers.entry(status).or_default(), 1),
            Event::Finish(reason) => grow(self.sets[set].1.finishes.entry(reason).or_default(), 1),
            Event::LookAlike => grow(&mut self.look_alikes, 1),
        }
    }

    /// Lines that looked like errors of the API.
    pub fn look_alikes(&self) -> u64 {
        self.look_alikes
    }

    /// Whether the last snapshot showed more than was saved: that must be saved too, before it is seen.
    pub fn take_shown_more(&mut self) -> bool {
        std::mem::take(&mut self.shown_more)
    }

    /// Look-alikes since the last call.
    pub fn take_new_look_alikes(&mut self) -> u64 {
        let new = self.look_alikes - self.look_alikes_told;
        self.look_alikes_told = self.look_alikes;
        new
    }

    /// The labels of a set.
    pub fn labels(&self, set: SetId) -> LabelSet {
        LabelSet::clone(&self.sets[set].0)
    }

    /// All label sets.
    pub fn label_sets(&self) -> Vec<LabelSet> {
        self.sets.iter().map(|(labels, _)| LabelSet::clone(labels)).collect()
    }

    /// Makes the series of a new catalogue's rows.
    pub fn reopen(&mut self, catalogue: &Catalogue) {
        self.opened.clear();
        for labels in self.label_sets() {
            self.open(labels, catalogue);
        }
    }

    /// Undocumented codes keep their numbers, up to a limit.
    fn key(&mut self, identity: Identity, catalogue: &Catalogue) -> ErrorKey {
        let key = ErrorKey::of(identity, catalogue);
        let Code::Number(code) = key.code else { return key };
        if key.category != Category::Unknown || self.unknown_codes.contains(&code) {
            return key;
        }
        if self.unknown_codes.len() < self.limit.0 {
            self.unknown_codes.insert(code);
            return key;
        }
        ErrorKey { code: Code::Other, ..key }
    }

    /// What is shown now: the counts, and the failures that quiet logs still hold, by their label sets.
    pub fn snapshot(
        &mut self,
        held: impl Iterator<Item = (SetId, Event)>,
        catalogue: &Catalogue,
        now: Millis,
    ) -> Snapshot {
        let mut extra: BTreeMap<(SetId, ErrorKey), Tally> = BTreeMap::new();
        for (set, event) in held {
            if let Event::Failure(identity, time) = event {
                let tally = extra.entry((set, self.key(identity, catalogue))).or_default();
                tally.add(1, seen(time, now));
            }
        }
        for ((set, key), held) in &extra {
            let tally = self.sets[*set].1.errors.entry(key.clone()).or_default();
            let shown = tally.count.saturating_add(held.count);
            if shown > tally.shown {
                tally.shown = shown;
                self.shown_more = true;
            }
        }
        snapshot::of(&self.sets, &extra)
    }

    /// The ledger as it is saved.
    pub fn save(&self) -> Saved {
        let set = |(labels, counts): &(Arc<LabelSet>, Counts)| SavedSet {
            labels: LabelSet::clone(labels),
            errors: counts.errors.iter().map(|(k, t)| (k.clone(), *t)).collect(),
            answers: counts.answers.iter().map(|(s, n)| (*s, *n)).collect(),
            finishes: counts.finishes.iter().map(|(r, n)| (*r, *n)).collect(),
        };
        Saved {
            sets: self.sets.iter().map(set).collect(),
            unknown_codes: self.unknown_codes.clone(),
            look_alikes: self.look_alikes,
        }
    }

    /// Adds what was saved.
    pub fn restore(&mut self, saved: Saved) {
        for set in saved.sets {
            let id = self.set(set.labels);
            let counts = &mut self.sets[id].1;
            counts.errors.extend(set.errors);
            counts.answers.extend(set.answers);
            counts.finishes.extend(set.finishes);
        }
        self.unknown_codes.extend(saved.unknown_codes);
        grow(&mut self.look_alikes, saved.look_alikes);
    }
}

/// A state may tell any count, and no counter goes back: not to 0 from the greatest either.
fn grow(count: &mut u64, by: u64) {
    *count = count.saturating_add(by);
}

/// A log cannot have been written after it was read: a time ahead of `now` is a clock or a zone that is wrong.
fn seen(time: Option<Millis>, now: Millis) -> Millis {
    time.map_or(now, |t| t.min(now))
}

/// A ledger on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    sets: Vec<SavedSet>,
    #[serde(default)]
    unknown_codes: BTreeSet<u32>,
    #[serde(default)]
    look_alikes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SavedSet {
    labels: LabelSet,
    errors: Vec<(ErrorKey, Tally)>,
    answers: Vec<(u32, u64)>,
    finishes: Vec<(FinishReason, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(snapshot: &Snapshot, code: &Code) -> u64 {
        snapshot.errors.iter().filter(|s| s.key.code == *code).map(|s| s.count).sum()
    }

    #[test]
    fn every_documented_row_is_there_at_zero() {
        let catalogue = Catalogue::built_in();
        let mut ledger = Ledger::default();
        ledger.open(LabelSet::default(), &catalogue);
        let snapshot = ledger.snapshot(std::iter::empty(), &catalogue, 0);
        assert_eq!(snapshot.errors.len(), catalogue.rows().len() + 3);
        assert!(snapshot.errors.iter().all(|s| s.count == 0 && s.last == 0));
    }

    #[test]
    fn a_held_failure_that_was_shown_never_goes_back() {
        let catalogue = Catalogue::built_in();
        let mut ledger = Ledger::default();
        let set = ledger.open(LabelSet::default(), &catalogue);
        let held = Event::Failure(Identity::Http(502, None), None);
        let code = Code::Number(502);
        assert_eq!(value(&ledger.snapshot([(set, held)].into_iter(), &catalogue, 7), &code), 1);
        // A late coded error claims it: the shown one stays, and the next real one is not shown twice.
        assert_eq!(value(&ledger.snapshot(std::iter::empty(), &catalogue, 8), &code), 1);
        ledger.count(set, held, &catalogue, 9);
        assert_eq!(value(&ledger.snapshot(std::iter::empty(), &catalogue, 9), &code), 1);
        ledger.count(set, held, &catalogue, 9);
        assert_eq!(value(&ledger.snapshot(std::iter::empty(), &catalogue, 9), &code), 2);
    }

    #[test]
    fn undocumented_codes_are_folded_beyond_the_limit() {
        let catalogue = Catalogue::built_in();
        let mut ledger = Ledger::default();
        let set = ledger.open(LabelSet::default(), &catalogue);
        for code in 2_000..2_100 {
            ledger.count(set, Event::Failure(Identity::Business(code), None), &catalogue, 1);
        }
        let snapshot = ledger.snapshot(std::iter::empty(), &catalogue, 1);
        let unknown: Vec<_> = snapshot.errors.iter().filter(|s| s.key.category == Category::Unknown).collect();
        assert_eq!(unknown.len(), UNKNOWN_CODES + 1);
        assert_eq!(value(&snapshot, &Code::Other), 50);
    }

    #[test]
    fn a_saved_ledger_is_restored_whole() {
        let catalogue = Catalogue::built_in();
        let mut ledger = Ledger::default();
        let labels = LabelSet::from([("team".to_string(), "search".to_string())]);
        let set = ledger.open(labels, &catalogue);
        ledger.count(set, Event::Failure(Identity::Business(1113), Some(5)), &catalogue, 9);
        ledger.count(set, Event::Answer(200), &catalogue, 9);
        ledger.count(set, Event::Finish(FinishReason::Stop), &catalogue, 9);
        let text = serde_json::to_string(&ledger.save()).unwrap();
        let mut again = Ledger::default();
        again.restore(serde_json::from_str(&text).unwrap());
        assert_eq!(again.save(), ledger.save());
    }

    #[test]
    fn the_greatest_count_that_a_state_may_tell_stays() {
        let catalogue = Catalogue::built_in();
        let held = Event::Failure(Identity::Business(1113), None);
        let events = [held, Event::Answer(200), Event::Finish(FinishReason::Stop), Event::LookAlike];
        let mut ledger = Ledger::default();
        let set = ledger.open(LabelSet::default(), &catalogue);
        for event in events {
            ledger.count(set, event, &catalogue, 9);
        }
        let greatest = serde_json::to_string(&ledger.save()).unwrap();
        let greatest = greatest.replace("\"count\":1", &format!("\"count\":{}", u64::MAX));
        let greatest = greatest.replace(",1]", &format!(",{}]", u64::MAX));
        let greatest = greatest.replace("\"look_alikes\":1", &format!("\"look_alikes\":{}", u64::MAX));
        ledger.restore(serde_json::from_str(&greatest).unwrap());
        for event in events {
            ledger.count(set, event, &catalogue, 9);
        }
        let shown = ledger.snapshot([(set, held)].into_iter(), &catalogue, 9);
        assert_eq!(value(&shown, &Code::Number(1113)), u64::MAX);
        assert_eq!(serde_json::to_string(&ledger.save()).unwrap().matches(&u64::MAX.to_string()).count(), 5);
    }

    #[test]
    fn a_time_in_the_future_is_the_time_of_reading() {
        assert_eq!(seen(Some(100), 50), 50);
        assert_eq!(seen(Some(10), 50), 10);
        assert_eq!(seen(None, 50), 50);
    }
}
