//! A name means another file than before: what came between the two, and where the new one is read from.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Follower;
use crate::ledger::SetId;
use crate::log::Progress;
use crate::recognise::time::Millis;
use crate::source::finished::Finished;
use crate::source::identity::{FileId, Mark};
use crate::source::reader::Tally;
use crate::source::relatives::{Relative, relatives};
use crate::source::tail::{Nanos, SavedTail, Tail};

/// A generation after which others may have come unseen.
#[derive(Debug, Clone, Copy)]
pub(super) struct RotationPoint {
    pub born: Nanos,
    pub written: Millis,
}

impl RotationPoint {
    /// Whether a file beside the log was made after this generation.
    fn is_before(self, r: &Relative) -> bool {
        let after = if r.is_gz() { self.written.saturating_mul(1_000_000) } else { self.born };
        r.born() >= after
    }
}

impl Follower {
    /// A name means the file `id`, and meant `before`.
    pub(super) fn begin(
        &mut self,
        path: &Path,
        id: FileId,
        before: Option<FileId>,
        tally: &mut Tally<'_>,
    ) -> io::Result<()> {
        let set = self.label_set(path, tally.ledger);
        let point = before.and_then(|old| self.tails.get(&old));
        let point = point.map(|t| RotationPoint { born: t.born, written: t.written });
        // Between the look at the name and the opening it may have come to mean yet another file: what was opened counts.
        let first = self.names.get(path).is_some_and(|n| !n.literal && n.queue.is_empty() && n.gone.is_none());
        let opened =
            if self.tails.contains_key(&id) { None } else { Some(self.open(path, id, first, set, tally.now)?) };
        let id = opened.as_ref().map_or(id, |tail| tail.id);
        let gone = self.names.get_mut(path).and_then(|n| n.gone.take());
        if let Some(point) = gone.or(point) {
            self.reporter.rotated(path);
            self.take_in_unseen(path, point, (before, id), set, tally);
        }
        if let Some(tail) = opened {
            self.reporter.opened(path, tail.position);
            self.tails.entry(id).or_insert_with(|| Box::new(tail));
        }
        if let Some(tail) = self.tails.get_mut(&id) {
            tail.path = path.to_path_buf();
        }
        if let Some(name) = self.names.get_mut(path) {
            name.queue.retain(|queued| *queued != id);
            // Nearly every name has one generation.
            name.queue.reserve_exact(1);
            name.queue.push_back(id);
        }
        self.changed = true;
        Ok(())
    }

    /// Opens a file where it was left when it was done with before, otherwise at its beginning (or, at the first look, at its
    /// end if that was asked for). A file that a glob found, the `first` of its name, may be a copy of one that was read.
    fn open(&mut self, path: &Path, id: FileId, first: bool, set: SetId, now: Millis) -> io::Result<Tail> {
        if let Some(done) = self.finished.take(id) {
            let saved = SavedTail {
                id,
                path: Cow::Borrowed(path),
                position: done.position,
                mark: Cow::Owned(done.mark),
                progress: Cow::default(),
                born: 0,
                copied: 0,
                written: 0,
                deleted: None,
            };
            // If it is another file with the same number, its content says so when it is read.
            return Tail::resume(saved, path, set, now);
        }
        if self.first_look && self.read_from_end {
            return Tail::open_at_end(path, set, now);
        }
        let read = if first { self.finished.read_in_copy(path) } else { 0 };
        Tail::open(path, read, set, now)
    }

    /// Generations that came and went between two looks are read before the file that the name means now.
    fn take_in_unseen(
        &mut self,
        path: &Path,
        point: RotationPoint,
        (old, new): (Option<FileId>, FileId),
        set: SetId,
        tally: &mut Tally<'_>,
    ) {
        let beside = relatives(path, None).unwrap_or_default();
        let ids: Vec<FileId> = beside.iter().map(Relative::id).collect();
        let old_name = beside.iter().find(|r| Some(r.id()) == old).map(|r| r.path.clone());
        let mut unseen = self.unseen_generations(beside, point, new);
        unseen.retain(|r| !old_name.as_ref().is_some_and(|old| r.is_dated_before(old)));
        if unseen.is_empty() {
            return;
        }
        // What is open is read first: only then can its copies be told.
        self.read_open_generations(path, tally);
        unseen.retain(|r| !self.is_known(r));
        let originals = self.originals(&ids, None);
        for unseen in self.leave_out_copies(unseen, originals) {
            self.queue_unseen(path, &unseen, set, tally);
        }
    }

    /// Files that may be generations which came and went between two looks: younger than the one that was followed, and not
    /// known.
    fn unseen_generations(&self, mut unseen: Vec<Relative>, point: RotationPoint, new: FileId) -> Vec<Relative> {
        unseen.retain(|r| r.successor && r.id() != new && point.is_before(r) && !self.is_known(r));
        unseen
    }

    /// Reads this name's generations, also those that a glob follows by names of their own, and all files left behind, to
    /// their ends.
    fn read_open_generations(&mut self, path: &Path, tally: &mut Tally<'_>) {
        let current: HashSet<FileId> = self.current().collect();
        let mut ids: Vec<FileId> = self.names.get(path).map(|n| n.queue.iter().copied().collect()).unwrap_or_default();
        let own = path.as_os_str().as_bytes();
        let older = |t: &Tail| t.path.as_os_str().as_bytes().starts_with(own) && t.path != path;
        ids.extend(self.tails.values().filter(|t| !current.contains(&t.id) || older(t)).map(|t| t.id));
        for id in ids {
            self.read_whole(id, tally);
        }
    }

    fn queue_unseen(&mut self, path: &Path, unseen: &Relative, set: SetId, tally: &mut Tally<'_>) {
        if unseen.is_gz() {
            if unseen.is_being_made(tally.now) {
                return;
            }
            let mut progress = Progress::default();
            if let Ok(done) = self.read_compressed(unseen, 0, Mark::default(), set, &mut progress, tally) {
                self.count_held(&progress, set, tally);
                self.finished.remember(done);
                self.reporter.recovered(&unseen.path);
            }
            return;
        }
        if let Ok(tail) = self.open(&unseen.path, unseen.id(), false, set, tally.now)
            && !self.tails.contains_key(&tail.id)
        {
            self.reporter.opened(&unseen.path, tail.position);
            if let Some(name) = self.names.get_mut(path) {
                name.queue.push_back(tail.id);
            }
            self.tails.insert(tail.id, Box::new(tail));
        }
    }

    /// Whether a file is open, or was done with and has not been written to since.
    pub(super) fn is_known(&self, r: &Relative) -> bool {
        self.tails.contains_key(&r.id()) || self.finished.knows(r)
    }

    /// Leaves out those files that are copies of what has been read. Each explains itself by an original, and each original
    /// explains one copy.
    pub(super) fn leave_out_copies(&mut self, mut files: Vec<Relative>, mut originals: Vec<Original>) -> Vec<Relative> {
        // An original that is no longer there was most probably compressed.
        files.sort_by_key(|r| (!r.is_gz(), r.born()));
        for explains in [Original::explains, Original::explains_before] {
            files.retain(|r| {
                let original = originals.iter().position(|original| explains(original, r));
                if let Some(original) = original {
                    self.note_copy(r, originals.swap_remove(original));
                }
                original.is_none()
            });
        }
        files.sort_by_key(Relative::born);
        files
    }

    /// Remembers that a file is a copy of what was read, so that it is not read too.
    pub(super) fn note_copy(&mut self, r: &Relative, Original { position, mark, .. }: Original) {
        // Of one that is shorter, what it holds itself: it may be followed by its own name.
        let own = r.end().filter(|(end, _)| *end < position);
        let (position, mark) = own.unwrap_or((position, mark));
        self.finished.remember(Finished { id: r.id(), position, mark, stamp: r.stamp() });
    }

    /// What was read of files that are no longer there, but for the file `id`. While a file is there, another beside it that
    /// holds the same is a generation of its own: logs without times have such.
    pub(super) fn originals(&self, beside: &[FileId], but: Option<FileId>) -> Vec<Original> {
        let read = self.tails.values().filter(|t| t.position > 0 && but != Some(t.id));
        let open = read.filter_map(|t| {
            let (mark, position) = (t.mark.clone(), t.position);
            Some(Original { mark, position, written: t.written, until: t.deleted()?, cut: false })
        });
        let finished = self.finished.not_among(beside).filter(|f| but != Some(f.id)).map(|f| {
            let (mark, position) = (f.mark.clone(), f.position);
            Original { mark, position, written: f.stamp.written, until: 0, cut: false }
        });
        open.chain(finished).collect()
    }
}

/// A content that was read and that its file no longer shows.
#[derive(Debug)]
pub(super) struct Original {
    pub mark: Mark,
    pub position: u64,
    /// When it was last written to.
    pub written: Millis,
    /// When its file was deleted: until then it could be copied.
    pub until: Nanos,
    /// Its file is there, and was cut.
    pub cut: bool,
}

impl Original {
    fn explains(&self, r: &Relative) -> bool {
        (r.is_gz() || r.born() < self.until) && r.holds(&self.mark, self.position).unwrap_or(false)
    }

    /// More was written after it was copied or compressed, and read from the file itself before that was cut or removed. Beside a file that
    /// was removed, a plain one that begins alike is a generation with the same banner.
    pub fn explains_before(&self, r: &Relative) -> bool {
        let timely = if r.is_gz() { r.stamp().written <= self.written } else { self.cut };
        timely && r.held_before(&self.mark, self.position).unwrap_or(false)
    }
}
