//! Errors per minute of the last hour, for the status page: pure, in memory, bounded.
//!
//! It is told of every commit and keeps what was added since the one before. What the first commit shows was counted before
//! the program started, or found in the logs when it did, and is no part of any minute.

use std::collections::VecDeque;

use crate::catalogue::Category;
use crate::ledger::Snapshot;
use crate::recognise::time::Millis;

/// How many minutes are kept.
pub const MINUTES: usize = 60;

const MINUTE_MILLIS: Millis = 60_000;

/// Counts in the order of [`Category::ALL`].
pub type PerCategory = [u64; Category::ALL.len()];

/// One minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub start: Millis,
    /// What was counted in it; nothing is known of minutes before the first commit.
    pub counts: Option<PerCategory>,
}

/// The last hour.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The totals of the last commit, and the minute of the first.
    known: Option<(PerCategory, i64)>,
    /// Minutes in which something was counted, oldest first.
    minutes: VecDeque<(i64, PerCategory)>,
}

impl History {
    /// Takes note of a commit of what was read until `at`.
    pub fn observe(&mut self, snapshot: &Snapshot, at: Millis) {
        let totals = totals(snapshot);
        let minute = minute_of(at);
        let Some((before, since)) = self.known.replace((totals, minute)) else { return };
        self.known = Some((totals, since));
        let mut added = PerCategory::default();
        for (added, (now, before)) in added.iter_mut().zip(totals.iter().zip(before)) {
            *added = now.saturating_sub(before);
        }
        if added.iter().any(|n| *n > 0) {
            self.add(minute, &added);
        }
    }

    /// The last [`MINUTES`] minutes, the current one last.
    pub fn last_hour(&self, now: Millis) -> Vec<Minute> {
        let current = minute_of(now);
        let length = i64::try_from(MINUTES).unwrap_or(i64::MAX);
        (current - length + 1..=current).map(|minute| self.minute(minute)).collect()
    }

    fn minute(&self, minute: i64) -> Minute {
        let known = self.known.is_some_and(|(_, since)| minute >= since);
        let counts = known.then(|| self.minutes.iter().find(|(m, _)| *m == minute).map_or([0; _], |(_, c)| *c));
        Minute { start: minute * MINUTE_MILLIS, counts }
    }

    fn add(&mut self, minute: i64, added: &PerCategory) {
        // A clock that was set back must not open a second, older end: the newest minute takes what is counted meanwhile.
        match self.minutes.back_mut().filter(|(last, _)| *last >= minute) {
            Some((_, counts)) => counts.iter_mut().zip(added).for_each(|(c, a)| *c = c.saturating_add(*a)),
            None => self.minutes.push_back((minute, *added)),
        }
        if self.minutes.len() > MINUTES {
            self.minutes.pop_front();
        }
    }
}

/// Whether two times are in different minutes.
pub fn minute_passed(before: Millis, now: Millis) -> bool {
    minute_of(before) != minute_of(now)
}

fn minute_of(at: Millis) -> i64 {
    at.div_euclid(MINUTE_MILLIS)
}

fn totals(snapshot: &Snapshot) -> PerCategory {
    let mut totals = PerCategory::default();
    for series in &snapshot.errors {
        let total = &mut totals[series.key.category as usize];
        *total = total.saturating_add(series.count);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Condition;
    use crate::ledger::{Code, ErrorKey, ErrorSeries, LabelSet};

    fn snapshot(account: u64, http: u64) -> Snapshot {
        let series = |category, count| ErrorSeries {
            labels: LabelSet::new().into(),
            key: ErrorKey { category, code: Code::Number(1113), condition: Condition::Unspecified },
            count,
            first: 0,
            last: 0,
        };
        Snapshot {
            errors: vec![series(Category::Account, account), series(Category::Http, http)],
            ..Snapshot::default()
        }
    }

    fn sums(history: &History, now: Millis) -> Vec<Option<u64>> {
        history.last_hour(now).iter().map(|m| m.counts.map(|c| c.iter().sum())).collect()
    }

    #[test]
    fn what_the_first_commit_shows_is_no_part_of_any_minute() {
        let mut history = History::default();
        history.observe(&snapshot(700, 3), 90 * MINUTE_MILLIS);
        let hour = sums(&history, 91 * MINUTE_MILLIS);
        assert_eq!(hour.len(), MINUTES);
        assert_eq!(hour[..58], [None; 58]);
        assert_eq!(hour[58..], [Some(0), Some(0)]);
    }

    #[test]
    fn each_minute_has_what_was_added_in_it_by_category() {
        let mut history = History::default();
        history.observe(&snapshot(1, 0), 100 * MINUTE_MILLIS);
        history.observe(&snapshot(2, 0), 100 * MINUTE_MILLIS + 1);
        history.observe(&snapshot(2, 4), 101 * MINUTE_MILLIS);
        history.observe(&snapshot(3, 4), 101 * MINUTE_MILLIS + 59_999);
        let hour = history.last_hour(101 * MINUTE_MILLIS + 59_999);
        let counts = |i: usize, category: Category| hour[i].counts.map(|c| c[category as usize]);
        assert_eq!(hour[59].start, 101 * MINUTE_MILLIS);
        assert_eq!((counts(58, Category::Account), counts(58, Category::Http)), (Some(1), Some(0)));
        assert_eq!((counts(59, Category::Account), counts(59, Category::Http)), (Some(1), Some(4)));
    }

    #[test]
    fn it_is_bounded_and_old_minutes_leave() {
        let mut history = History::default();
        for minute in 0..200 {
            history.observe(&snapshot(u64::try_from(minute).unwrap(), 0), minute * MINUTE_MILLIS);
        }
        assert_eq!(history.minutes.len(), MINUTES);
        assert_eq!(sums(&history, 199 * MINUTE_MILLIS), [Some(1); MINUTES]);
        assert_eq!(sums(&history, 1_000 * MINUTE_MILLIS), [Some(0); MINUTES]);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut history = History::default();
        history.observe(&snapshot(0, 0), 100 * MINUTE_MILLIS);
        history.observe(&snapshot(1, 0), 101 * MINUTE_MILLIS);
        history.observe(&snapshot(3, 0), 100 * MINUTE_MILLIS);
        assert_eq!(sums(&history, 101 * MINUTE_MILLIS)[58..], [Some(0), Some(3)]);
    }

    #[test]
    fn a_category_is_its_place_in_the_list() {
        for (i, category) in Category::ALL.iter().enumerate() {
            assert_eq!(*category as usize, i);
        }
    }
}
