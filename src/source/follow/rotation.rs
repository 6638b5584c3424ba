//! A name means another file than before: what came between the two, and where the new one is read from.

use std::borrow::Cow;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Follower;
use crate::ledger::SetId;
use crate::log::Progress;
use crate::recognise::time::Millis;
use crate::source::finished::Finished;
use crate::source::identity::{FileId, FileSet, Mark};
use crate::source::reader::Tally;
use crate::source::relatives::{ATTEMPTS, Relative, relatives};
use crate::source::tail::{Nanos, Opened, SavedTail, Tail, open};

/// A generation after which others may have come unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RotationPoint {
    pub born: Nanos,
    pub written: Millis,
    /// When it was found out.
    pub found: Millis,
}

impl RotationPoint {
    /// Whether a file beside the log was made after this generation.
    fn is_before(self, r: &Relative) -> bool {
        let after = if r.is_gz() { self.written.saturating_mul(1_000_000) } else { self.born };
        r.born() >= after
    }
}

/// A name has come to mean another file.
#[derive(Debug)]
struct Turn<'a> {
    path: &'a Path,
    /// What came before what was not seen.
    point: RotationPoint,
    /// The file that it meant.
    before: Option<FileId>,
    /// The file that it means now, and that, open, if it was not known.
    id: FileId,
    opened: Option<&'a Tail>,
    /// Where counts go.
    set: SetId,
}

impl Turn<'_> {
    /// Whether a file is the compressed form of the one that was opened, removed since: that is read itself.
    fn is_compressed_in(&self, r: &Relative) -> bool {
        let original = self.opened.and_then(|tail| {
            let (position, mark, written) = tail.end().ok()?;
            Some(Original { written, ..Original::of_deleted(tail, position, mark)? })
        });
        r.is_gz() && original.is_some_and(|original| original.explains(r) || original.explains_before(r))
    }
}

impl Follower {
    /// The name of this number means the file `id`, and meant `before`.
    pub(super) fn begin(
        &mut self,
        number: usize,
        id: FileId,
        before: Option<FileId>,
        tally: &mut Tally<'_>,
    ) -> io::Result<()> {
        let set = self.label_set(number, tally.ledger);
        let path = &Arc::clone(self.names.path(number));
        let point = before.and_then(|old| self.tails.get(&old));
        let point = point.map(|t| RotationPoint { born: t.born, written: t.written, found: tally.now });
        // Between the look at the name and the opening it may have come to mean yet another file: what was opened counts.
        let name = self.names.nth(number);
        let first = !name.literal && name.queue.is_empty() && name.gone.is_none();
        let opened = if self.tails.contains_key(&id) {
            None
        } else {
            Some(self.take_up(path, open(path)?, first, set, tally.now)?)
        };
        let id = opened.as_ref().map_or(id, |tail| tail.id);
        if let Some(point) = self.names.nth_mut(number).gone.take().or(point) {
            self.reporter.rotated(path);
            self.take_in_unseen(&Turn { path, point, before, id, opened: opened.as_ref(), set }, tally);
        }
        if let Some(tail) = opened {
            self.reporter.opened(path, tail.position);
            self.tails.entry(id).or_insert_with(|| Box::new(tail));
        }
        if let Some(tail) = self.tails.get_mut(&id) {
            tail.path = Arc::clone(path);
        }
        let queue = &mut self.names.nth_mut(number).queue;
        queue.retain(|queued| *queued != id);
        // Nearly every name has one generation.
        queue.reserve_exact(1);
        queue.push_back(id);
        self.changed = true;
        Ok(())
    }

    /// Follows an open file from where it was left when it was done with before, otherwise from its beginning (or, at the first look, from
    /// its end if that was asked for). A file that a glob found, the `first` of its name, may be a copy of one that was read.
    fn take_up(&mut self, path: &Arc<Path>, opened: Opened, first: bool, set: SetId, now: Millis) -> io::Result<Tail> {
        let id = FileId::of(&opened.1);
        if let Some(left) = self.unopened.remove(&id) {
            return Ok(Tail::resume(left.saved, opened, path, left.set, now));
        }
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
            return Ok(Tail::resume(saved, opened, path, set, now));
        }
        if self.first_look && self.read_from_end {
            return Tail::at_end(opened, path, set, now);
        }
        let read = if first { self.finished.read_in_copy(&opened.0) } else { 0 };
        Tail::of(opened, path, read, set, now)
    }

    /// Generations that came and went between two looks are read before the file that the name means now.
    fn take_in_unseen(&mut self, turn: &Turn<'_>, tally: &mut Tally<'_>) {
        for _ in 0..ATTEMPTS {
            let listed = relatives(turn.path, None).unwrap_or_default();
            let beside: Vec<FileId> = listed.iter().map(Relative::id).collect();
            let unseen = self.unseen_generations(listed, turn);
            self.take_in(turn, &unseen, &beside, tally);
            // One that was renamed or compressed meanwhile is found by its new name.
            if unseen.iter().all(Relative::is_there) {
                return;
            }
        }
    }

    /// Files that may be generations which came and went between two looks: younger than the one that was followed, and not
    /// known.
    fn unseen_generations(&self, mut beside: Vec<Relative>, turn: &Turn<'_>) -> Vec<Relative> {
        let old = beside.iter().find(|r| Some(r.id()) == turn.before).map(|r| r.path.clone());
        beside.retain(|r| {
            let younger = turn.point.is_before(r) && !old.as_ref().is_some_and(|old| r.is_dated_before(old));
            r.successor && younger && r.id() != turn.id && !self.is_known(r)
        });
        beside
    }

    /// Takes in those of the `unseen` files, of all that are `beside` the log, that hold something of their own.
    fn take_in(&mut self, turn: &Turn<'_>, unseen: &[Relative], beside: &[FileId], tally: &mut Tally<'_>) {
        if unseen.is_empty() {
            return;
        }
        // What is open is read first: only then can its copies be told.
        self.read_open_generations(turn.path, tally);
        let unseen: Vec<&Relative> = unseen.iter().filter(|r| !self.is_known(r) && !turn.is_compressed_in(r)).collect();
        let originals = self.originals(beside, None);
        for unseen in self.leave_out_copies(unseen, originals) {
            self.queue_unseen(turn.path, unseen, turn.set, tally);
        }
    }

    /// Reads this name's generations, also those that a glob follows by names of their own, and all files left behind, to
    /// their ends.
    fn read_open_generations(&mut self, path: &Path, tally: &mut Tally<'_>) {
        let current: FileSet = self.current().collect();
        let mut ids: Vec<FileId> = self.names.get(path).map(|n| n.queue.iter().copied().collect()).unwrap_or_default();
        let own = path.as_os_str().as_bytes();
        let older = |t: &Tail| t.path.as_os_str().as_bytes().starts_with(own) && *t.path != *path;
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
        let opened =
            unseen.open().and_then(|opened| self.take_up(&Arc::from(&*unseen.path), opened, false, set, tally.now));
        if let Ok(tail) = opened
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

    /// Leaves out those files that are copies of what has been read.
    pub(super) fn leave_out_copies<'r>(
        &mut self,
        mut files: Vec<&'r Relative>,
        mut originals: Vec<Original>,
    ) -> Vec<&'r Relative> {
        self.leave_out(&mut files, &mut originals, Original::explains);
        self.leave_out(&mut files, &mut originals, Original::explains_before);
        files.sort_by_key(|r| r.born());
        files
    }

    /// Leaves out those files that an original explains. Each original explains one.
    pub(super) fn leave_out(
        &mut self,
        files: &mut Vec<&Relative>,
        originals: &mut Vec<Original>,
        explains: fn(&Original, &Relative) -> bool,
    ) {
        // An original that is no longer there was most probably compressed.
        files.sort_by_key(|r| (!r.is_gz(), r.born()));
        files.retain(|r| {
            let original = originals.iter().position(|original| explains(original, r));
            if let Some(original) = original {
                self.note_copy(r, originals.swap_remove(original));
            }
            original.is_none()
        });
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
        let open = read.filter_map(|t| Original::of_deleted(t, t.position, t.mark.clone()));
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
    /// What a file holds up to a position, of which a mark stands there, if it was deleted.
    fn of_deleted(tail: &Tail, position: u64, mark: Mark) -> Option<Self> {
        let until = tail.deleted()?;
        Some(Self { mark, position, written: tail.written, until, cut: false })
    }

    pub fn explains(&self, r: &Relative) -> bool {
        (r.is_gz() || r.born() < self.until) && r.holds(&self.mark, self.position).unwrap_or(false)
    }

    /// More was written after it was copied or compressed, and read from the file itself before that was cut or removed. Beside a file that
    /// was removed, a plain one that begins alike is a generation with the same banner.
    pub fn explains_before(&self, r: &Relative) -> bool {
        let timely = if r.is_gz() { r.stamp().written <= self.written } else { self.cut };
        timely && r.held_before(&self.mark, self.position).unwrap_or(false)
    }
}
