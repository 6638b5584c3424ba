//! When to look: soon after a hint, and otherwise again and again, the oftener the less hints can be trusted. Time is given.

use std::time::{Duration, Instant};

use crate::metrics::WatchMode;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Between two looks while the system tells of changes: for what it may have missed.
    pub slow_poll: Duration,
    /// Between two looks where it does not.
    pub fast_poll: Duration,
    /// Between two expansions of the globs without a hint.
    pub discover: Duration,
    /// The shortest time between two looks that hints ask for.
    pub gap: Duration,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            slow_poll: Duration::from_secs(2),
            fast_poll: Duration::from_millis(250),
            discover: Duration::from_secs(10),
            gap: Duration::from_millis(20),
        }
    }
}

/// Between two looks lies this many times what a look costs, so that looking at many files never takes more than a small
/// part of a core.
const REST: u32 = 50;

/// The same where nothing but the time asks for a look.
const POLL_REST: u32 = 100;

/// How many polls in a row must find what no hint announced before hints are no longer trusted.
const MISSED: u32 = 2;

/// What led to a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A hint that files changed.
    Hint,
    /// A scrape, or a new file: what it finds need not have been announced.
    Asked,
    /// Nothing but the time.
    Poll,
}

/// A look that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// What led to it.
    pub cause: Cause,
    /// There was something new.
    pub found: bool,
    /// There is more to read.
    pub more: bool,
}

/// Keeps the times of looks.
#[derive(Debug)]
pub struct Pace {
    intervals: Intervals,
    look: Turn,
    discover: Turn,
    /// Polls in a row that found what no hint announced.
    missed: u32,
    watching: bool,
}

/// The times of one thing that is done again and again.
#[derive(Debug)]
struct Turn {
    next: Instant,
    last: Instant,
    cost: Duration,
}

impl Turn {
    fn at(next: Instant) -> Self {
        Self { next, last: next, cost: Duration::ZERO }
    }

    /// A hint: the next time is soon.
    fn hint(&mut self, gap: Duration) {
        self.next = self.next.min(self.last + gap.max(self.cost * REST));
    }

    /// It was done.
    fn done(&mut self, begun: Instant, ended: Instant, pause: Duration) {
        (self.last, self.cost) = (ended, ended - begun);
        self.next = ended + pause.max(self.cost * POLL_REST);
    }
}

impl Pace {
    /// The first look is now; globs have just been expanded.
    pub fn new(intervals: Intervals, now: Instant) -> Self {
        let mut discover = Turn::at(now);
        discover.done(now, now, intervals.discover);
        Self { intervals, look: Turn::at(now), discover, missed: 0, watching: true }
    }

    /// Whether it is time to look.
    pub fn looks(&self, now: Instant) -> bool {
        now >= self.look.next
    }

    /// Whether it is time to expand globs.
    pub fn discovers(&self, now: Instant) -> bool {
        now >= self.discover.next
    }

    /// A hint that followed files changed: the next look is soon.
    pub fn hint(&mut self) {
        self.look.hint(self.intervals.gap);
    }

    /// A hint that files appeared: globs are expanded soon.
    pub fn hint_appeared(&mut self) {
        self.discover.hint(self.intervals.gap);
    }

    /// Globs were expanded; what was found is looked at.
    pub fn discovered(&mut self, begun: Instant, ended: Instant) {
        self.discover.done(begun, ended, self.intervals.discover);
        self.look.next = ended;
    }

    /// A look was begun and has ended.
    pub fn looked(&mut self, begun: Instant, ended: Instant, looked: Looked) {
        match looked.cause {
            Cause::Hint => self.missed = 0,
            Cause::Poll if looked.found => self.missed = self.missed.saturating_add(1),
            Cause::Poll | Cause::Asked => {}
        }
        let poll = if self.mode() == WatchMode::Events { self.intervals.slow_poll } else { self.intervals.fast_poll };
        self.look.done(begun, ended, poll);
        if looked.more {
            self.look.next = ended;
        }
    }

    /// Whether all that is followed is watched.
    pub fn set_watching(&mut self, watching: bool) {
        self.watching = watching;
    }

    /// Whether hints are given, but not of all that changes.
    pub fn misses_hints(&self) -> bool {
        self.watching && self.missed >= MISSED
    }

    /// How changes become known.
    pub fn mode(&self) -> WatchMode {
        if self.watching && self.missed < MISSED { WatchMode::Events } else { WatchMode::Poll }
    }

    /// How long nothing is to be done.
    pub fn rest(&self, now: Instant) -> Duration {
        self.look.next.min(self.discover.next).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Looked = Looked { cause: Cause::Poll, found: false, more: false };
    const FOUND: Looked = Looked { found: true, ..NOTHING };
    const MILLI: Duration = Duration::from_millis(1);

    /// Looks when it is time to, each look taking a millisecond; returns how long it was waited.
    fn poll(pace: &mut Pace, now: &mut Instant, looked: Looked) -> Duration {
        let rest = pace.rest(*now);
        *now += rest;
        assert!(pace.looks(*now));
        pace.looked(*now, *now + MILLI, looked);
        *now += MILLI;
        rest
    }

    #[test]
    fn a_file_system_without_events_is_polled_after_two_polls_that_found_something() {
        let mut now = Instant::now();
        let mut pace = Pace::new(Intervals::default(), now);
        poll(&mut pace, &mut now, NOTHING);
        assert_eq!(poll(&mut pace, &mut now, FOUND), Duration::from_secs(2));
        assert_eq!(pace.mode(), WatchMode::Events);
        assert_eq!(poll(&mut pace, &mut now, FOUND), Duration::from_secs(2));
        assert!(pace.misses_hints());
        assert_eq!(pace.mode(), WatchMode::Poll);
        assert_eq!(poll(&mut pace, &mut now, FOUND), Duration::from_millis(250));
        assert_eq!(poll(&mut pace, &mut now, NOTHING), Duration::from_millis(250));

        pace.hint();
        poll(&mut pace, &mut now, Looked { cause: Cause::Hint, ..FOUND });
        assert_eq!(pace.mode(), WatchMode::Events, "hints are given after all");
        assert_eq!(pace.rest(now), Duration::from_secs(2));
    }

    #[test]
    fn what_a_scrape_finds_before_its_hint_is_no_miss() {
        let now = Instant::now();
        let mut pace = Pace::new(Intervals::default(), now);
        for _ in 0..10 {
            pace.looked(now, now, Looked { cause: Cause::Asked, ..FOUND });
        }
        assert_eq!(pace.mode(), WatchMode::Events);
    }

    #[test]
    fn without_watches_everything_is_polled() {
        let mut now = Instant::now();
        let mut pace = Pace::new(Intervals::default(), now);
        pace.set_watching(false);
        poll(&mut pace, &mut now, NOTHING);
        assert_eq!((pace.mode(), pace.misses_hints()), (WatchMode::Poll, false));
        assert_eq!(pace.rest(now), Duration::from_millis(250));
        pace.set_watching(true);
        poll(&mut pace, &mut now, NOTHING);
        assert_eq!(pace.rest(now), Duration::from_secs(2));
    }

    #[test]
    fn hints_never_make_looking_cost_more_than_a_part_of_a_core() {
        let mut now = Instant::now();
        let mut pace = Pace::new(Intervals::default(), now);
        let cost = 10 * MILLI;
        pace.set_watching(false);
        pace.looked(now, now + cost, NOTHING);
        now += cost;
        assert_eq!(pace.rest(now), cost * POLL_REST);
        pace.hint();
        assert!(!pace.looks(now));
        assert_eq!(pace.rest(now), cost * REST);

        pace.looked(now, now, Looked { more: true, ..FOUND });
        assert!(pace.looks(now), "a backlog is read without a pause");
    }

    #[test]
    fn a_folder_in_which_much_happens_is_looked_into_in_time_and_not_too_often() {
        let mut now = Instant::now();
        let mut pace = Pace::new(Intervals::default(), now);
        pace.discovered(now, now + MILLI);
        now += MILLI;
        for _ in 0..49 {
            // Scrapes all the while put off looks, not this.
            pace.hint_appeared();
            pace.looked(now, now, Looked { cause: Cause::Asked, ..NOTHING });
            assert!(!pace.discovers(now));
            now += MILLI;
        }
        assert_eq!(pace.rest(now), MILLI);
        now += MILLI;
        assert!(pace.discovers(now));
        pace.discovered(now, now + MILLI);
        assert!(pace.looks(now + MILLI));
    }
}
