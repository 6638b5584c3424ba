//! Hints that something changed. A hint only ever means "look again": what is there is found out by looking.
//!
//! Two watchers give hints: linemux's [`MuxedEvents`](linemux::MuxedEvents) for followed files, and `notify` for the folders of globs and of the
//! configuration. Where either fails (inotify's limits, a file system without events), polling goes on alone, and a metric and
//! the log say so.

mod files;
mod folders;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::files::{Watched, watch_files};
pub use self::folders::Folders;

/// A bell that is rung by watchers and heard by the engine: any number of rings until it is heard are one.
#[derive(Clone)]
pub struct Bell {
    rung: Arc<AtomicBool>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bell").field("rung", &self.rung).finish_non_exhaustive()
    }
}

impl Bell {
    /// A bell that calls `wake` for the first ring after each hearing.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { rung: Arc::default(), wake: Arc::new(wake) }
    }

    /// Rings.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// Whether it has been rung and not heard yet.
    pub fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// Whether it was rung since the last call.
    pub fn heard(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}

fn unhealthy(healthy: &AtomicBool, what: &str) {
    if healthy.swap(false, Ordering::AcqRel) {
        tracing::warn!("{what}; files are polled instead (see fs.inotify.max_user_instances and max_user_watches)");
    }
}

fn well(healthy: &AtomicBool) {
    if !healthy.swap(true, Ordering::AcqRel) {
        tracing::info!("files are watched again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_until_the_hearing_are_one() {
        let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let bell = Bell::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        for _ in 0..1_000 {
            bell.ring();
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert!(bell.heard() && !bell.heard());
        bell.ring();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
