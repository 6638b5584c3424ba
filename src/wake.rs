//! Hints that something changed. A hint only ever means "look again": what is there is found out by looking.
//!
//! Two watchers give hints: linemux's [`MuxedEvents`] for followed files, and `notify` for the folders of globs and of the
//! configuration. Where either fails (inotify's limits, a file system without events), polling goes on alone, and a metric and
//! the log say so.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linemux::MuxedEvents;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

/// linemux never removes a watch of a file that was renamed away: it is built anew after this many added files and this
/// long, so that they do not add up.
const REBUILD_AFTER: Duration = Duration::from_secs(600);

/// How long after a failure watching is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

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

/// Watches followed files by linemux until the list of them ends, ringing `bell` for every event. `healthy` tells
/// whether all files are watched.
pub async fn watch_files(mut files: watch::Receiver<Vec<PathBuf>>, bell: Bell, healthy: Arc<AtomicBool>) {
    loop {
        let built = match MuxedEvents::new() {
            Ok(events) => watch_until_rebuild(events, &mut files, &bell, &healthy).await,
            Err(e) => {
                unhealthy(&healthy, &format!("cannot watch files: {e}"));
                Some(RETRY_AFTER)
            }
        };
        let Some(pause) = built else { return };
        tokio::time::sleep(pause).await;
        bell.ring();
    }
}

/// Runs one set of watches. Returns how long to wait before the next, or `None` when there is nothing more to watch.
async fn watch_until_rebuild(
    mut events: MuxedEvents,
    files: &mut watch::Receiver<Vec<PathBuf>>,
    bell: &Bell,
    healthy: &AtomicBool,
) -> Option<Duration> {
    let mut watched: HashSet<PathBuf> = HashSet::new();
    let rebuild = tokio::time::sleep(REBUILD_AFTER);
    tokio::pin!(rebuild);
    loop {
        let wanted: Vec<PathBuf> = files.borrow_and_update().clone();
        for path in wanted {
            if watched.contains(&path) {
                continue;
            }
            if let Err(e) = events.add_file(&path).await {
                unhealthy(healthy, &format!("cannot watch {}: {e}", path.display()));
                return Some(RETRY_AFTER);
            }
            watched.insert(path);
        }
        well(healthy);
        loop {
            tokio::select! {
                event = events.next_event() => match event {
                    Ok(Some(_)) => bell.ring(),
                    Ok(None) => {
                        // It ends when it watches nothing; more files may come.
                        files.changed().await.ok()?;
                        break;
                    }
                    Err(_) => bell.ring(),
                },
                changed = files.changed() => {
                    changed.ok()?;
                    break;
                }
                () = &mut rebuild => return Some(Duration::ZERO),
            }
        }
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

/// Watches of folders.
#[derive(Debug)]
pub struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<(PathBuf, bool)>,
    healthy: Arc<AtomicBool>,
}

impl Folders {
    /// A watcher that rings `bell` when files in the folders come, go, or change their names; with `contents`, also when what
    /// they hold changes. Never for being read: the exporter's own reading would wake it without end.
    pub fn new(bell: Bell, contents: bool) -> Self {
        let healthy = Arc::new(AtomicBool::new(true));
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            use notify::EventKind::{Access, Modify};
            use notify::event::ModifyKind::Name;
            let tells = match event.as_ref().map(|e| e.kind) {
                Ok(Access(_)) => false,
                Ok(Modify(Name(_))) => true,
                Ok(Modify(_)) => contents,
                // Files come and go, the queue ran over, or something is wrong: look again.
                Ok(_) | Err(_) => true,
            };
            if tells {
                bell.ring();
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(e) => {
                unhealthy(&healthy, &format!("cannot watch folders: {e}"));
                None
            }
        };
        Self { watcher, watched: HashSet::new(), healthy }
    }

    /// Watches a folder, with all that is below it if `recursive`.
    pub fn watch(&mut self, folder: &Path, recursive: bool) {
        let key = (folder.to_path_buf(), recursive);
        if self.watched.contains(&key) || !folder.is_dir() {
            return;
        }
        let Some(watcher) = &mut self.watcher else { return };
        let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        match watcher.watch(folder, mode) {
            Ok(()) => {
                self.watched.insert(key);
                well(&self.healthy);
            }
            Err(e) => unhealthy(&self.healthy, &format!("cannot watch the folder {}: {e}", folder.display())),
        }
    }

    /// Whether all folders are watched.
    pub fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }
}

/// The folder in which new files of a glob appear, and whether they appear below it too.
pub fn folder_of(pattern: &str) -> (PathBuf, bool) {
    let wild = pattern.find(['*', '?', '[']);
    let fixed = wild.map_or(pattern, |at| &pattern[..at]);
    let folder = fixed.rfind('/').map_or(".", |at| if at == 0 { "/" } else { &fixed[..at] });
    let below = wild.is_some_and(|at| pattern[at..].contains('/') || pattern[at..].starts_with("**"));
    (PathBuf::from(folder), below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_glob_is_what_stands_before_its_first_wildcard() {
        assert_eq!(folder_of("/var/log/app/*.log"), (PathBuf::from("/var/log/app"), false));
        assert_eq!(folder_of("/var/log/pods/*/app/*.log"), (PathBuf::from("/var/log/pods"), true));
        assert_eq!(folder_of("/var/log/**/*.log"), (PathBuf::from("/var/log"), true));
        assert_eq!(folder_of("*.log"), (PathBuf::from("."), false));
        assert_eq!(folder_of("/app.log"), (PathBuf::from("/"), false));
    }

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
