//! Folders, watched by `notify`: those of globs, which tell of all files in them by a single watch, and the configuration's.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{Bell, unhealthy, well};
use crate::source::FileId;

/// How long the watcher's thread rests after it was told of a write.
const REST: Duration = Duration::from_millis(50);

/// Watches of folders.
#[derive(Debug)]
pub struct Folders {
    watcher: Option<RecommendedWatcher>,
    /// The folders.
    watched: HashMap<PathBuf, Watch>,
    healthy: Arc<AtomicBool>,
}

/// A watched folder.
#[derive(Debug)]
struct Watch {
    /// Which folder it is: one that is deleted and made again is another.
    id: FileId,
    /// With all that is below it.
    recursive: bool,
}

impl Folders {
    /// A watcher that rings `appeared` when files in the folders come, go, or change their names, and `changed` when what they
    /// hold changes.
    pub fn new(appeared: Bell, changed: Bell) -> Self {
        let healthy = Arc::new(AtomicBool::new(true));
        let mut rested = Instant::now();
        let watcher = notify::recommended_watcher(move |event| match told(&event) {
            Told::Nothing => {}
            Told::Appeared => appeared.ring(),
            Told::Changed => {
                changed.ring();
                // Every single write is told. While this thread rests, the system folds those to one file into one.
                if rested.elapsed() >= REST {
                    std::thread::sleep(REST);
                    rested = Instant::now();
                }
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(e) => {
                unhealthy(&healthy, &format!("cannot watch folders: {e}"));
                None
            }
        };
        Self { watcher, watched: HashMap::new(), healthy }
    }

    /// Watches these folders, those marked so with all that is below them, and no others any more.
    pub fn watch<'a>(&mut self, folders: impl IntoIterator<Item = (&'a Path, bool)>) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted: HashMap<&Path, bool> = HashMap::new();
        for (folder, recursive) in folders {
            *wanted.entry(folder).or_default() |= recursive;
        }
        for (folder, _) in self.watched.extract_if(|folder, _| !wanted.contains_key(folder.as_path())) {
            // A watch that has ended with its folder cannot be taken back.
            let _ = watcher.unwatch(&folder);
        }
        let mut all = true;
        for (folder, recursive) in wanted {
            if let Err(e) = watch(watcher, &mut self.watched, folder, recursive) {
                all = false;
                unhealthy(&self.healthy, &format!("cannot watch the folder {}: {e}", folder.display()));
            }
        }
        if all {
            well(&self.healthy);
        }
    }

    /// Those of `paths` whose changes are not told of by a watch of their folder: what a link leads to lies elsewhere. What is not there
    /// yet is told of when it comes. Neighbours cost one listing of their folder, not a look at each.
    pub fn uncovered(&self, mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let mut listed: Option<(PathBuf, Option<HashSet<OsString>>)> = None;
        paths.retain(|path| {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return true };
            if listed.as_ref().is_none_or(|(last, _)| last != folder) {
                listed = Some((folder.to_path_buf(), self.watches(folder).then(|| others(folder))));
            }
            listed.as_ref().and_then(|(_, others)| others.as_ref()).is_none_or(|others| others.contains(name))
        });
        paths
    }

    /// Whether changes in a folder are told of.
    fn watches(&self, folder: &Path) -> bool {
        folder.ancestors().any(|above| self.watched.get(above).is_some_and(|watch| watch.recursive || above == folder))
    }

    /// Whether all folders are watched.
    pub fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }
}

/// Watches one folder, if it is there and not watched yet.
fn watch(
    watcher: &mut RecommendedWatcher,
    known: &mut HashMap<PathBuf, Watch>,
    folder: &Path,
    recursive: bool,
) -> notify::Result<()> {
    let Some(id) = fs::metadata(folder).ok().filter(Metadata::is_dir).map(|meta| FileId::of(&meta)) else {
        return Ok(());
    };
    match known.get(folder) {
        Some(watch) if watch.id == id && watch.recursive == recursive => return Ok(()),
        // The watch ended with the folder that it was for.
        Some(_) => drop(watcher.unwatch(folder)),
        None => {}
    }
    known.remove(folder);
    let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
    match watcher.watch(folder, mode) {
        Ok(()) => {
            known.insert(folder.to_path_buf(), Watch { id, recursive });
            Ok(())
        }
        Err(e) if is_denied(&e) => {
            // Files in it may be readable all the same, and each is watched by itself.
            tracing::debug!(path = %folder.display(), "the folder cannot be watched, only looked into now and then: {e}");
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// The names in a folder of all that is no file: of thousands of logs, a few links.
fn others(folder: &Path) -> HashSet<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.file_name()).collect()
}

/// What an event is a reason for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Appeared,
    Changed,
}

/// Being read is no reason: the exporter's own reading would wake it without end.
fn told(event: &notify::Result<Event>) -> Told {
    match event.as_ref().map(|e| e.kind) {
        Ok(EventKind::Access(_)) => Told::Nothing,
        Ok(EventKind::Modify(ModifyKind::Name(_))) => Told::Appeared,
        Ok(EventKind::Modify(_)) => Told::Changed,
        // Files come and go, the queue ran over, or something is wrong: look again.
        Ok(_) | Err(_) => Told::Appeared,
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
        assert_eq!(told(&Ok(overrun)), Told::Appeared);
        assert_eq!(told(&Err(notify::Error::generic("the watcher broke"))), Told::Appeared);
    }

    #[test]
    fn coming_going_and_renaming_are_reasons_to_look_and_being_read_is_none() {
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Remove(RemoveKind::Folder),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        ] {
            assert_eq!(told(&Ok(Event::new(kind))), Told::Appeared, "{kind:?}");
        }
        assert_eq!(told(&Ok(Event::new(EventKind::Access(AccessKind::Read)))), Told::Nothing);
        let written = Ok(Event::new(EventKind::Modify(ModifyKind::Data(DataChange::Content))));
        assert_eq!(told(&written), Told::Changed);
    }

    #[test]
    fn a_folder_that_is_made_again_is_watched_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logs");
        let (rung, rings) = std::sync::mpsc::channel();
        let bell = Bell::new(move || {
            let _ = rung.send(());
        });
        let mut folders = Folders::new(bell.clone(), bell.clone());
        let patience = Duration::from_secs(60);
        for file in ["one.log", "two.log"] {
            fs::create_dir(&folder).unwrap();
            folders.watch([(folder.as_path(), false)]);
            while bell.heard() {}
            while rings.try_recv().is_ok() {}
            fs::write(folder.join(file), "").unwrap();
            rings.recv_timeout(patience).expect("an event tells of the new file");
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn a_folder_covers_its_files_and_no_links() {
        let folder = tempfile::tempdir().unwrap();
        let [flat, deep] = ["flat", "deep"].map(|name| folder.path().join(name));
        let files = [flat.join("a.log"), flat.join("below/a.log"), deep.join("below/a.log")];
        for file in &files {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let link = flat.join("link.log");
        std::os::unix::fs::symlink(&files[2], &link).unwrap();
        let bell = Bell::new(|| ());
        let mut folders = Folders::new(bell.clone(), bell);
        folders.watch([(flat.as_path(), false), (&deep, true)]);
        let gone = flat.join("gone.log");
        let all = files.iter().chain([&link, &gone]).cloned().collect();
        assert_eq!(folders.uncovered(all), [files[1].clone(), link]);
        folders.watch([(flat.as_path(), false)]);
        assert_eq!(folders.uncovered(vec![files[2].clone()]), [files[2].clone()], "it is no longer watched");
    }
}
