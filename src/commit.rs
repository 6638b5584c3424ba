//! Commits: written to the state directory if there is one, counted, and their failures said once.

use std::io;

use serde::Serialize;

use crate::ledger;
use crate::metrics::Own;
use crate::recognise::time::Millis;
use crate::state::{Found, Store};

/// How often a commit is kept so that it survives a loss of power too.
const KEEP_MILLIS: Millis = 15_000;

/// Writes commits, and tells how that went.
#[derive(Debug)]
pub struct Commits {
    store: Option<Store>,
    own: Own,
    /// The state cannot be written, or not be synced; each is said once.
    unwritten: Trouble,
    unsynced: Trouble,
    /// Something was written since a commit was last kept, and when that was.
    unkept: bool,
    last_kept: Millis,
}

/// Whether something fails.
#[derive(Debug, Default)]
struct Trouble(bool);

impl Trouble {
    /// Notes a result: says what failed, and what that `means`, when it begins to. Whether it has just ceased to fail.
    fn note(&mut self, result: &io::Result<()>, what: &str, means: &str) -> bool {
        let failed = std::mem::replace(&mut self.0, result.is_err());
        if let Err(e) = result
            && !failed
        {
            tracing::error!("cannot {what}: {e}; {means}");
        }
        failed && result.is_ok()
    }
}

impl Commits {
    /// Commits to `store`; without one they are only counted.
    pub fn new(store: Option<Store>, own: Own) -> Self {
        own.state_persistent.set(i64::from(store.is_some()));
        let (unwritten, unsynced) = (Trouble::default(), Trouble::default());
        Self { store, own, unwritten, unsynced, unkept: false, last_kept: 0 }
    }

    /// What was there at the start.
    pub fn load(&mut self) -> Found {
        self.store.as_mut().map(Store::load).unwrap_or_default()
    }

    /// Has the state directory begin anew; what it held is kept aside.
    pub fn put_aside(&mut self) {
        if let Some(store) = &mut self.store {
            let aside = store.put_all_aside();
            tracing::error!(
                aside = %aside.display(),
                "the state directory holds the state of other logs; it was kept aside, and counting starts anew"
            );
        }
    }

    /// Writes counts and positions. When that fails counting goes on, and the next commit tries again.
    pub fn write<F: Serialize>(&mut self, saved: impl FnOnce() -> (ledger::Saved, F), now: Millis) -> bool {
        let write = |store: &mut Store| {
            let (ledger, follower) = saved();
            store.commit(ledger, follower).map_err(|e| store.named(&e))
        };
        let result = self.store.as_mut().map_or(Ok(()), write);
        if self.unwritten.note(&result, "write the state", "counting goes on in memory until it can be written") {
            tracing::info!("the state can be written again");
        }
        if result.is_ok() {
            self.unkept = true;
            self.own.commits.inc();
            self.own.last_commit.set(now as f64 / 1_000.0);
        } else {
            self.own.commit_failures.inc();
        }
        result.is_ok()
    }

    /// Has the last commit survive a loss of power too, every now and then. Waits for the disk, so nobody should wait for it.
    pub fn keep_in_time(&mut self, now: Millis) {
        if now - self.last_kept >= KEEP_MILLIS {
            self.last_kept = now;
            self.keep();
        }
    }

    /// Has the last commit survive a loss of power too.
    pub fn keep(&mut self) {
        let Some(store) = self.store.as_mut().filter(|_| self.unkept) else { return };
        let result = store.keep().map_err(|e| store.named(&e));
        self.unkept = false;
        self.unsynced.note(&result, "sync the state to the disk", "a loss of power may lose counts");
        if result.is_err() {
            self.own.commit_failures.inc();
        }
    }
}
