//! Folders, watched by `notify`: where the files of globs appear, and the configuration's.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{Bell, unhealthy, well};

/// How long the watcher's thread rests after it was told of a write, which is none of its business.
const REST: Duration = Duration::from_millis(50);

/// Watches of folders.
#[derive(Debug)]
pub struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<(PathBuf, bool)>,
    healthy: Arc<AtomicBool>,
}

impl Folders {
    /// A watcher that rings `bell` when files in the folders come, go, or change their names; with `contents`, also when what
    /// they hold changes.
    pub fn new(bell: Bell, contents: bool) -> Self {
        let healthy = Arc::new(AtomicBool::new(true));
        let mut rested = Instant::now();
        let watcher = notify::recommended_watcher(move |event| {
            if tells(&event, contents) {
                bell.ring();
            } else if rested.elapsed() >= REST {
                // Every write to a file in the folder is told. While this thread rests, the system folds those to one file into one.
                std::thread::sleep(REST);
                rested = Instant::now();
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
            Err(e) if is_denied(&e) => {
                // Files in it may be readable all the same, and each is watched by itself.
                tracing::debug!(path = %folder.display(), "the folder cannot be watched, only looked into now and then: {e}");
            }
            Err(e) => unhealthy(&self.healthy, &format!("cannot watch the folder {}: {e}", folder.display())),
        }
    }

    /// Whether all folders are watched.
    pub fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }
}

/// Whether an event is a reason to look. Being read is none: the exporter's own reading would wake it without end.
fn tells(event: &notify::Result<Event>, contents: bool) -> bool {
    match event.as_ref().map(|e| e.kind) {
        Ok(EventKind::Access(_)) => false,
        Ok(EventKind::Modify(ModifyKind::Name(_))) => true,
        Ok(EventKind::Modify(_)) => contents,
        // Files come and go, the queue ran over, or something is wrong: look again.
        Ok(_) | Err(_) => true,
    }
}

fn is_denied(e: &notify::Error) -> bool {
    matches!(&e.kind, ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, DataChange, Flag, RemoveKind, RenameMode};

    use super::*;

    #[test]
    fn an_overrun_queue_and_an_error_are_reasons_to_look() {
        let overrun = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(tells(&Ok(overrun), false));
        assert!(tells(&Err(notify::Error::generic("the watcher broke")), false));
    }

    #[test]
    fn coming_going_and_renaming_are_reasons_to_look_and_being_read_is_none() {
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Remove(RemoveKind::Folder),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        ] {
            assert!(tells(&Ok(Event::new(kind)), false), "{kind:?}");
        }
        assert!(!tells(&Ok(Event::new(EventKind::Access(AccessKind::Read))), true));
        let written = Ok(Event::new(EventKind::Modify(ModifyKind::Data(DataChange::Content))));
        assert!(tells(&written, true) && !tells(&written, false));
    }
}
