//! What is saved of the follower, and how a start takes it up again.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use super::Follower;
use super::names::{Name, source_of};
use super::rotation::RotationPoint;
use super::truncation::{Cut, Fate};
use super::unopened::Unopened;
use crate::ledger::{LabelSet, Ledger, SetId};
use crate::recognise::time::Millis;
use crate::source::finished::{Finished, FinishedFiles};
use crate::source::identity::{FileId, FileMap, FileSet};
use crate::source::reader::Tally;
use crate::source::relatives::{ATTEMPTS, Folders, Relative, Stamp, relatives};
use crate::source::tail::{Nanos, SavedTail, Tail, open};

/// How often a file must be missed to be gone.
const MISSED: usize = 2;

/// The follower's state as it is saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFollower {
    names: Vec<SavedName<'static>>,
    /// Files that no name means any more, by the name they had.
    #[serde(default)]
    left_behind: Vec<SavedName<'static>>,
    #[serde(default)]
    finished: FinishedFiles,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedName<'a> {
    path: Cow<'a, Path>,
    labels: LabelSet,
    generations: Vec<SavedTail<'a>>,
    /// A generation that is gone, after which others may have come that were not looked for yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<RotationPoint>,
}

/// The follower's state on its way to the disk, where it reads as a [`SavedFollower`]: one file after another, since there
/// may be thousands.
#[derive(Debug)]
pub struct Saving<'a, L> {
    follower: &'a Follower,
    labels_of: L,
}

impl<'a, L: Fn(SetId) -> LabelSet> Serialize for Saving<'a, L> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Follower { names, tails, finished, unopened, .. } = self.follower;
        let seen: RefCell<FileSet> = RefCell::default();
        let save = |path: &'a Path, gone: Option<RotationPoint>, ids: &mut dyn Iterator<Item = FileId>| {
            let ids = ids.filter(|id| seen.borrow_mut().insert(*id));
            let tails: Vec<&'a Tail> = ids.filter_map(|id| tails.get(&id)).map(Box::as_ref).collect();
            let labels = tails.first().map(|t| (self.labels_of)(t.set)).unwrap_or_default();
            let generations: Vec<SavedTail<'a>> = tails.iter().map(|t| t.save()).collect();
            let anything = gone.is_some() || !generations.is_empty();
            anything.then_some(SavedName { path: Cow::Borrowed(path), labels, generations, gone })
        };
        let named = || names.iter().filter_map(|(path, name)| save(path, name.gone, &mut name.queue.iter().copied()));
        let left_behind = || tails.values().filter_map(|t| save(&t.path, None, &mut std::iter::once(t.id)));
        let unopened = |current| {
            unopened.values().filter(move |file| file.current == current).map(|file| SavedName {
                path: Cow::Borrowed(&*file.path),
                labels: (self.labels_of)(file.set),
                generations: vec![file.saved.borrowed()],
                gone: None,
            })
        };
        // The older generations of a name come first.
        let named = || unopened(true).chain(named());
        let left_behind = || unopened(false).chain(left_behind());
        let mut saved = serializer.serialize_struct("SavedFollower", 3)?;
        saved.serialize_field("names", &Each(named))?;
        saved.serialize_field("left_behind", &Each(left_behind))?;
        saved.serialize_field("finished", finished)?;
        saved.end()
    }
}

/// A sequence that is made while it is written.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

impl Follower {
    /// The state, to be saved.
    pub fn save<L: Fn(SetId) -> LabelSet>(&self, labels_of: L) -> Saving<'_, L> {
        Saving { follower: self, labels_of }
    }

    /// Whether a saved state is about none of the logs that are followed now, neither by name nor by file.
    pub fn is_of_other_logs(&self, saved: &SavedFollower) -> bool {
        if saved.names.is_empty() {
            return false;
        }
        let named = |name: &SavedName<'_>| self.config.sources.iter().any(|s| s.names(&name.path));
        if saved.names.iter().any(named) {
            return false;
        }
        let files = self.files_now();
        !saved.names.iter().flat_map(|name| &name.generations).any(|tail| files.contains_key(&tail.id))
    }

    /// The files that the sources name now.
    pub(super) fn files_now(&self) -> FileMap<PathBuf> {
        self.names.iter().filter_map(|(path, _)| Some((FileId::at(path)?, path.to_path_buf()))).collect()
    }

    /// Takes up where a saved state was left, the globs having been expanded: every file is found again by what it is, under whatever name, or as a copy.
    pub fn restore(&mut self, saved: SavedFollower, ledger: &mut Ledger, now: Millis) {
        // A file that is known is not new, whatever was asked for the first start.
        self.read_from_end = false;
        self.finished = saved.finished;
        for labels in ledger.label_sets() {
            self.labels.take_in(&labels);
        }
        let (files, mut folders) = (self.files_now(), Folders::default());
        let tally = &mut Tally { ledger, now };
        let mut gone = Vec::new();
        self.name_again(saved.names.iter().map(|name| name.path.as_ref()));
        let named = saved.names.into_iter().map(|name| (name, true));
        for (name, current) in named.chain(saved.left_behind.into_iter().map(|name| (name, false))) {
            if !self.is_wanted(&name, &files) {
                self.leave(name, tally);
                continue;
            }
            if let Some(gone) = name.gone {
                self.note_gone(&name.path, gone);
            }
            if name.generations.is_empty() {
                continue;
            }
            let set = tally.ledger.open(name.labels, &self.config.recogniser.catalogue);
            for saved in name.generations {
                match reopen(&saved, &name.path, &files, &mut folders, set, now) {
                    Ok(Some(tail)) => self.restore_tail(&name.path, tail, current),
                    Ok(None) => gone.push((name.path.clone(), saved, set)),
                    Err(e) => {
                        let (path, saved) = (name.path.to_path_buf(), saved);
                        self.keep_unopened(Unopened { path, current, saved, set, tried: now }, &e);
                    }
                }
            }
        }
        // A file that is there is no copy of one that is gone: it is known by now.
        for (path, tail, set) in gone {
            let leads = folders.tell_of(&path, tail.id);
            self.restore_gone(&path, tail, leads, set, tally);
        }
    }

    /// Whether a log is of a source: by its name, by one of its files, or as a generation of one that is.
    fn is_wanted(&self, name: &SavedName<'_>, files: &FileMap<PathBuf>) -> bool {
        self.names.contains(&name.path)
            || name.generations.iter().any(|tail| files.contains_key(&tail.id))
            || self.logs_of(&name.path).any(|log| is_numbered(&log, &name.path))
    }

    /// A log of no source any more is not taken up. How far it was read is remembered: it may become one's again.
    fn leave(&mut self, name: SavedName<'_>, tally: &mut Tally<'_>) {
        self.reporter.unfollowed(&name.path);
        let set = tally.ledger.open(name.labels, &self.config.recogniser.catalogue);
        for SavedTail { id, position, mark, progress, written, .. } in name.generations {
            self.count_held(&progress, set, tally);
            let stamp = Stamp { size: position, written };
            self.finished.remember(Finished { id, position, mark: mark.into_owned(), stamp });
        }
    }

    /// Names that a glob does not find at the moment may be those of logs that are being rotated.
    fn name_again<'a>(&mut self, paths: impl Iterator<Item = &'a Path>) {
        let unnamed = paths.filter(|path| !self.names.contains(path));
        let named = |path| Some((path, Name { source: source_of(&self.config, path)?, ..Name::default() }));
        let found: Vec<(&Path, Name)> = unnamed.filter_map(named).collect();
        self.names.extend(found);
    }

    pub(super) fn restore_tail(&mut self, path: &Path, tail: Tail, current: bool) {
        if let Some(name) = self.names.get_mut(path).filter(|_| current) {
            name.queue.push_back(tail.id);
        }
        self.tails.insert(tail.id, Box::new(tail));
    }

    /// The file is gone: its rest is read from a copy, if there is one (something in its folder `leads` there), and what came after it is
    /// looked for later.
    pub(super) fn restore_gone(
        &mut self,
        path: &Path,
        saved: SavedTail<'_>,
        leads: bool,
        set: SetId,
        tally: &mut Tally<'_>,
    ) {
        let gone = RotationPoint { born: saved.born, written: saved.written, found: tally.now };
        let fate = Fate::Gone { written: saved.written, deleted: saved.deleted.unwrap_or(Nanos::MAX) };
        let cut = Cut { path, id: saved.id, position: saved.position, mark: &saved.mark, set, fate };
        let mut progress = saved.progress.into_owned();
        if !leads || self.recover_copy(&cut, &mut progress, tally).is_none() {
            self.reporter.lost(path);
        }
        // Another generation follows under the same name, if there is one: it goes on from here.
        self.count_held(&progress, set, tally);
        // A generation that a glob followed by a name of its own is nobody's now but its log's.
        let own = path.exists() || self.names.get(path).is_some_and(|name| name.literal);
        let log = if own { None } else { self.logs_of(path).find(|log| is_numbered(log, path)) };
        self.note_gone(log.as_deref().unwrap_or(path), gone);
    }

    /// Whatever came after the oldest that is gone may not have been read.
    fn note_gone(&mut self, log: &Path, gone: RotationPoint) {
        if let Some(name) = self.names.get_mut(log).filter(|n| n.gone.is_none_or(|other| gone.born < other.born)) {
            name.gone = Some(gone);
        }
    }
}

/// Whether a name is that of a generation of a log, not of another log whose name begins alike.
fn is_numbered(log: &Path, path: &Path) -> bool {
    let text = |name: Option<&OsStr>| name.and_then(OsStr::to_str).unwrap_or_default().to_string();
    let (log, stem, extension) = (text(log.file_name()), text(log.file_stem()), text(log.extension()));
    let own = text(path.file_name());
    if !extension.is_empty() && own.starts_with(&log) {
        return true;
    }
    let number = own.strip_prefix(&stem).map(|rest| rest.strip_suffix(&extension).unwrap_or(rest));
    number.is_some_and(|number| !number.contains(char::is_alphabetic))
}

/// Opens a file where it was left, if it is there. It may be renamed between being found and being opened, or while it is looked for.
pub(super) fn reopen(
    saved: &SavedTail<'_>,
    path: &Path,
    followed: &FileMap<PathBuf>,
    folders: &mut Folders,
    set: SetId,
    now: Millis,
) -> io::Result<Option<Tail>> {
    let mut missed = 0;
    for _ in 0..ATTEMPTS {
        let Some(found) = find(saved, path, followed, folders) else {
            missed += 1;
            if missed == MISSED {
                return Ok(None);
            }
            continue;
        };
        match open(&found) {
            Ok(opened) if FileId::of(&opened.1) == saved.id => {
                return Ok(Some(Tail::resume(saved.clone(), opened, &Arc::from(found), set, now)));
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other("it is renamed again and again"))
}

/// Where a file is now: under the name it had, another that is followed, or another in the same folder.
fn find(saved: &SavedTail<'_>, path: &Path, followed: &FileMap<PathBuf>, folders: &mut Folders) -> Option<PathBuf> {
    for candidate in [saved.path.as_ref(), path] {
        if FileId::at(candidate) == Some(saved.id) {
            return Some(candidate.to_path_buf());
        }
    }
    if let Some(path) = followed.get(&saved.id).filter(|path| FileId::at(path) == Some(saved.id)) {
        return Some(path.clone());
    }
    if !folders.tell_of(path, saved.id) {
        return None;
    }
    let relatives = relatives(path, Some(saved.id)).unwrap_or_default();
    // A generation of this log with the same number may have been cut since, or be another that the number was given to:
    // both are found out, and read from their beginnings, when it is looked at. Any other file must hold what was read.
    let same =
        |r: &Relative| r.id() == saved.id && (r.successor || r.holds(&saved.mark, saved.position).unwrap_or(false));
    relatives.into_iter().find(same).map(|r| r.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_told_from_another_log_whose_name_begins_alike() {
        let numbered = |log: &str, name: &str| is_numbered(Path::new(log), Path::new(name));
        assert!(numbered("app.log", "app.log.1") && numbered("app.log", "app.log.old"));
        assert!(numbered("app.log", "app-20261126.log") && numbered("app", "app-20261126_10"));
        assert!(!numbered("app.log", "app-worker.log") && !numbered("app", "app-worker"));
    }
}
