//! The engine: looks at the logs, counts, commits. It does what it is told when it is told; who tells it, and what time it
//! is, is the caller's business, so that tests are the same code with another caller.

use std::path::PathBuf;
use std::sync::Arc;

use crate::commit::Commits;
use crate::config::Config;
use crate::history::{self, History, Minute};
use crate::ledger::{Ledger, Snapshot};
use crate::metrics::{Data, Own};
use crate::recognise::time::Millis;
use crate::source::{Followed, Follower};
use crate::state::{Found, State, Store};

/// How often the first pass is saved on its way.
const SAVE_MILLIS: Millis = 5_000;

/// Follows, counts and commits.
#[derive(Debug)]
pub struct Engine {
    config: Arc<Config>,
    follower: Follower,
    ledger: Ledger,
    commits: Commits,
    data: Data,
    own: Own,
    ready: bool,
    uncommitted: bool,
    last_look: Millis,
    last_saved: Millis,
    opened: u64,
    history: History,
}

/// What the status page shows besides what is committed.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The followed names.
    pub files: Vec<Followed>,
    /// Errors per minute.
    pub last_hour: Vec<Minute>,
}

impl Engine {
    /// An engine that takes up the state of `store`, or starts anew.
    pub fn new(
        config: Arc<Config>,
        store: Option<Store>,
        read_from_end: bool,
        data: Data,
        own: Own,
        now: Millis,
    ) -> Self {
        let ledger = Ledger::new(config.limits.unknown_codes);
        let follower = Follower::new(Arc::clone(&config), read_from_end);
        own.reload_time.set(seconds(now));
        let mut engine = Self {
            config,
            follower,
            ledger,
            commits: Commits::new(store, own.clone()),
            data,
            own,
            ready: false,
            uncommitted: true,
            last_look: now,
            last_saved: now,
            opened: 0,
            history: History::default(),
        };
        engine.follower.discover();
        engine.restore(now);
        engine
    }

    fn restore(&mut self, now: Millis) {
        let Found { state, unusable } = self.commits.load();
        let other_logs = state.as_ref().is_some_and(|state| self.follower.is_of_other_logs(&state.follower));
        let next = if state.is_some() && !other_logs { "goes on from the last that can" } else { "starts anew" };
        if let Some((fault, aside)) = unusable {
            tracing::error!(
                aside = %aside.display(),
                "the state file cannot be used: {fault}; it was kept aside, and counting {next}"
            );
        } else if other_logs {
            self.commits.put_aside();
        }
        if let Some(state) = state.filter(|_| !other_logs) {
            let State { ledger, follower, .. } = *state;
            self.ledger.restore(ledger);
            self.follower.restore(follower, &mut self.ledger, now);
        }
    }

    /// Looks for new files.
    pub fn discover(&mut self) {
        self.follower.discover();
    }

    /// Looks at the logs once and reads what is new. Returns whether there is more.
    pub fn look(&mut self, now: Millis) -> bool {
        if self.ready && history::minute_passed(self.last_look, now) {
            // What a minute brought is known at its end, scraped or not.
            self.commit(now);
        }
        self.last_look = now;
        let more = self.follower.look(&mut self.ledger, now);
        self.account(now);
        if more && !self.ready && now.saturating_sub(self.last_saved).abs() >= SAVE_MILLIS {
            // Nothing is shown before the first pass is done, but a kill in the middle of a long one must not begin it anew.
            self.save(now);
        }
        if !more && !self.ready {
            self.commit(now);
            self.ready = true;
            tracing::info!("the first pass over the logs is committed; serving metrics");
        }
        more
    }

    /// Whether the first pass is committed: before, nothing is shown.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Commits what has been counted and shows it.
    pub fn commit(&mut self, now: Millis) -> Arc<Snapshot> {
        let catalogue = Arc::clone(&self.config.recogniser.catalogue);
        let held = self.follower.held(now);
        let snapshot = Arc::new(self.ledger.snapshot(held.into_iter(), &catalogue, now));
        self.uncommitted |= self.ledger.take_shown_more();
        if self.uncommitted {
            self.save(now);
        }
        self.history.observe(&snapshot, self.last_look);
        self.own.series.set(i64::try_from(snapshot.errors.len()).unwrap_or(i64::MAX));
        self.data.show(Arc::clone(&snapshot), catalogue);
        snapshot
    }

    /// Writes counts and positions, and shows nothing.
    fn save(&mut self, now: Millis) {
        let Self { commits, ledger, follower, .. } = self;
        let saved = || (ledger.save(), follower.save(|set| ledger.labels(set)));
        self.uncommitted = !commits.write(saved, now);
        self.last_saved = now;
    }

    /// Has the last commit survive a loss of power too, every now and then. Waits for the disk, so nobody should wait for it.
    pub fn keep_in_time(&mut self, now: Millis) {
        self.commits.keep_in_time(now);
    }

    /// Has the last commit survive a loss of power too.
    pub fn keep(&mut self) {
        self.commits.keep();
    }

    /// Follows and recognises by another configuration from now on. Counts stay.
    pub fn set_config(&mut self, config: Arc<Config>, now: Millis) {
        self.config = Arc::clone(&config);
        self.ledger.set_unknown_codes(config.limits.unknown_codes);
        self.ledger.reopen(&config.recogniser.catalogue);
        self.follower.set_config(config);
        self.follower.open_series(&mut self.ledger);
        self.follower.discover();
        self.uncommitted = true;
        self.own.reload_successful.set(1);
        self.own.reload_time.set(seconds(now));
    }

    /// A new configuration was refused; the old one stays.
    pub fn refuse_config(&self) {
        self.own.reload_successful.set(0);
    }

    /// Commits that could not be written.
    pub fn commit_failures(&self) -> u64 {
        self.own.commit_failures.get()
    }

    /// The configuration in use.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The names that are followed or waited for.
    pub fn watched(&self) -> Vec<PathBuf> {
        self.follower.watched()
    }

    /// How many files were opened so far.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// What the status page shows besides what is committed.
    pub fn standing(&self, now: Millis) -> Standing {
        Standing { files: self.follower.followed(), last_hour: self.history.last_hour(now) }
    }

    /// Turns the follower's reports into metrics.
    fn account(&mut self, now: Millis) {
        let report = self.follower.report();
        self.opened += report.opened;
        let own = &self.own;
        own.read_bytes.inc_by(report.read.bytes);
        own.read_lines.inc_by(report.read.lines);
        own.lines_too_long.inc_by(report.read.too_long);
        own.rotations.inc_by(report.rotations);
        own.truncations.inc_by(report.truncations);
        own.copies_recovered.inc_by(report.copies_recovered);
        own.abandoned_bytes.inc_by(report.abandoned_bytes);
        own.read_errors.inc_by(report.errors);
        for label in &report.folded {
            own.labels_folded.with_label_values(&[label]).inc();
        }
        if report.read.bytes > 0 {
            own.last_read.set(seconds(now));
        }
        own.look_alikes.inc_by(self.ledger.take_new_look_alikes());
        let (files, waiting, lag) = self.follower.totals();
        own.files_followed.set(i64::try_from(files).unwrap_or(i64::MAX));
        own.files_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        own.lag_bytes.set(i64::try_from(lag).unwrap_or(i64::MAX));
        self.uncommitted |= self.follower.take_changed();
    }
}

fn seconds(millis: Millis) -> f64 {
    millis as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use prometheus::Registry;

    use super::*;

    const LOCKED: &str = "ERROR https://api.z.ai/api/paas/v4/chat/completions HTTP 429 \
                          {\"error\":{\"code\":\"1112\",\"message\":\"Your account has been locked\"}}\n";

    /// 2026-11-24 12:00:00 UTC
    const START: Millis = 1_795_521_600_000;

    #[test]
    fn what_a_minute_brought_is_known_and_committed_without_a_scrape() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut file = log.reopen().unwrap();
        let mut write = |count: usize| file.write_all(LOCKED.repeat(count).as_bytes()).unwrap();
        write(5);
        let path = log.path().display().to_string();
        let config = Arc::new(Config::default().with_paths(&[path]).unwrap());
        let data = Data::new(Arc::clone(&config.recogniser.catalogue));
        let own = Own::new(&Registry::new()).unwrap();
        let mut engine = Engine::new(config, None, false, data.clone(), own.clone(), START);
        while engine.look(START) {}
        assert_eq!(own.commits.get(), 1, "the first pass is one commit");

        write(2);
        engine.look(START + 30_000);
        assert_eq!(own.commits.get(), 1);
        write(1);
        engine.look(START + 60_000);
        assert_eq!(own.commits.get(), 2, "the minute has passed");
        let locked = |s: &crate::ledger::ErrorSeries| s.key.code.as_str() == "1112";
        assert_eq!(data.shown().0.errors.iter().find(|s| locked(s)).unwrap().count, 7);
        engine.commit(START + 61_000);

        let hour = engine.standing(START + 61_000).last_hour;
        let sums: Vec<_> = hour.iter().map(|m| m.counts.map(|c| c.iter().sum::<u64>())).collect();
        assert_eq!(sums[57..], [None, Some(2), Some(1)]);
    }
}
