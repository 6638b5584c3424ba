//! A name means another file than before: what came between the two, and where the new one is read from.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::Follower;
use crate::ledger::SetId;
use crate::log::Progress;
use crate::recognise::time::Millis;
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
        let opened = if self.tails.contains_key(&id) { None } else { Some(self.open(path, id, set, tally.now)?) };
        let id = opened.as_ref().map_or(id, |tail| tail.id);
        let gone = self.names.get_mut(path).and_then(|n| n.gone.take());
        if let Some(point) = gone.or(point) {
            self.reporter.rotated(path);
            self.take_in_unseen(path, point, id, set, tally);
        }
        if let Some(tail) = opened {
            self.reporter.opened(path, tail.position);
            self.tails.entry(id).or_insert(tail);
        }
        if let Some(tail) = self.tails.get_mut(&id) {
            tail.path = path.to_path_buf();
        }
        if let Some(name) = self.names.get_mut(path) {
            name.queue.retain(|queued| *queued != id);
            name.queue.push_back(id);
        }
        self.changed = true;
        Ok(())
    }

    /// Opens a file where it was left when it was done with before, otherwise at its beginning (or, at the first look, at its
    /// end if that was asked for).
    fn open(&mut self, path: &Path, id: FileId, set: SetId, now: Millis) -> io::Result<Tail> {
        if let Some(done) = self.finished.take(id) {
            let saved = SavedTail {
                id,
                path: path.to_path_buf(),
                position: done.position,
                mark: done.mark,
                progress: Progress::default(),
                born: 0,
                copied: 0,
                written: 0,
            };
            // If it is another file with the same number, its content says so when it is read.
            return Tail::resume(saved, path, set, now);
        }
        if self.first_look && self.read_from_end {
            return Tail::open_at_end(path, set, now);
        }
        Tail::open(path, self.finished.read_in_copy(path), set, now)
    }

    /// Generations that came and went between two looks are read before the file that the name means now.
    fn take_in_unseen(&mut self, path: &Path, point: RotationPoint, new: FileId, set: SetId, tally: &mut Tally<'_>) {
        let mut unseen = self.unseen_generations(path, point, new);
        if unseen.is_empty() {
            return;
        }
        // What is open is read first: only then can its copies be told.
        self.read_open_generations(path, tally);
        unseen.retain(|r| !self.is_copy(r));
        for unseen in unseen {
            self.queue_unseen(path, &unseen, set, tally);
        }
    }

    /// Files that may be generations which came and went between two looks: younger than the one that was followed, and not
    /// known.
    fn unseen_generations(&self, path: &Path, point: RotationPoint, new: FileId) -> Vec<Relative> {
        let mut unseen: Vec<Relative> = relatives(path, None).unwrap_or_default();
        unseen.retain(|r| r.successor && r.id() != new && point.is_before(r) && !self.is_known(r));
        unseen.sort_by_key(Relative::born);
        unseen
    }

    /// Reads this name's generations, and all files left behind, to their ends.
    fn read_open_generations(&mut self, path: &Path, tally: &mut Tally<'_>) {
        let current: HashSet<FileId> = self.current().collect();
        let mut ids: Vec<FileId> = self.names.get(path).map(|n| n.queue.iter().copied().collect()).unwrap_or_default();
        ids.extend(self.tails.keys().filter(|id| !current.contains(id)));
        for id in ids {
            if let Some(tail) = self.tails.get_mut(&id) {
                // A failure shows again, and is reported, when the file is looked at in its turn.
                let _ = tail.stat();
            }
            let mut budget = u64::MAX;
            while self.read_tail(id, &mut budget, tally) {}
        }
    }

    fn queue_unseen(&mut self, path: &Path, unseen: &Relative, set: SetId, tally: &mut Tally<'_>) {
        if unseen.is_gz() {
            let mut progress = Progress::default();
            if let Ok(done) = self.read_compressed(unseen, 0, Mark::default(), set, &mut progress, tally) {
                self.count_held(&progress, set, tally);
                self.finished.remember(done);
                self.reporter.recovered(&unseen.path);
            }
            return;
        }
        if let Ok(tail) = Tail::open(&unseen.path, 0, set, tally.now)
            && !self.tails.contains_key(&tail.id)
        {
            self.reporter.opened(&unseen.path, 0);
            if let Some(name) = self.names.get_mut(path) {
                name.queue.push_back(tail.id);
            }
            self.tails.insert(tail.id, tail);
        }
    }

    /// Whether a file is open, or was done with and has not been written to since.
    pub(super) fn is_known(&self, r: &Relative) -> bool {
        self.tails.contains_key(&r.id()) || self.finished.knows(r)
    }

    /// Whether a file holds what another did that has been read.
    pub(super) fn is_copy(&self, r: &Relative) -> bool {
        let open = |t: &Tail| t.position > 0 && r.holds(&t.mark, t.position).unwrap_or(false);
        self.tails.values().any(open) || self.finished.is_copy(r)
    }
}
