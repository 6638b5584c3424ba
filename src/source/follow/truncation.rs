//! A file no longer holds what was read of it. The unread rest of what it held is looked for in copies of it (copytruncate
//! makes one, compressed or not), and then it is read from its beginning.

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Follower;
use super::rotation::Original;
use crate::ledger::SetId;
use crate::log::Progress;
use crate::recognise::time::Millis;
use crate::source::finished::Finished;
use crate::source::identity::{FileId, Mark};
use crate::source::reader::Tally;
use crate::source::relatives::{ATTEMPTS, Relative, relatives};
use crate::source::tail::{Nanos, Tail};

/// What is known of a content that its file no longer holds.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    /// The name of the log.
    pub path: &'a Path,
    /// The file that held it.
    pub id: FileId,
    /// How far it was read.
    pub position: u64,
    /// What stood there.
    pub mark: &'a Mark,
    /// Where its counts go.
    pub set: SetId,
    /// What became of its file.
    pub fate: Fate,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there, and was cut or rewritten.
    Cut,
    /// It is gone; when it was last written to, and when it was deleted at the latest.
    Gone { written: Millis, deleted: Nanos },
}

impl Cut<'_> {
    /// Whether a file may be a copy, by its times.
    fn may_be(&self, r: &Relative) -> bool {
        match self.fate {
            Fate::Cut => true,
            Fate::Gone { deleted, .. } => r.is_gz() || r.born() < deleted,
        }
    }

    /// What its copies are copies of.
    fn original(&self) -> Original {
        let (written, until) = match self.fate {
            Fate::Cut => (Millis::MAX, Nanos::MAX),
            Fate::Gone { written, deleted } => (written, deleted),
        };
        Original { mark: self.mark.clone(), position: self.position, written, until, cut: self.fate == Fate::Cut }
    }

    /// Sorts copies by how likely each is this content's, should they all be alike: of a file that is gone the compressed one,
    /// which has its time; otherwise the newest.
    fn likeness(&self, r: &Relative) -> (bool, bool, Reverse<Nanos>) {
        let (compressed, timely) = match self.fate {
            Fate::Cut => (false, false),
            Fate::Gone { written, .. } => (r.is_gz(), r.is_gz() && r.stamp().written == written),
        };
        (!timely, !compressed, Reverse(r.born()))
    }
}

impl Follower {
    /// Reads what a file held that was cut, then has it begin anew.
    pub(super) fn rewritten(&mut self, id: FileId, tally: &mut Tally<'_>) {
        let Some(tail) = self.tails.get_mut(&id) else { return };
        let mut progress = std::mem::take(&mut tail.progress);
        let (path, mark) = (tail.path.clone(), tail.mark.clone());
        let cut = Cut { path: &path, id, position: tail.position, mark: &mark, set: tail.set, fate: Fate::Cut };
        let (mut copied, mut recovered) = (tail.copied, None);
        if cut.position > 0 {
            self.reporter.truncated(&path);
            recovered = self.recover_copy(&cut, &mut progress, tally);
            copied = recovered.map_or(copied, |made| made.max(copied));
        }
        if recovered.is_none() {
            progress.lose_rest();
        }
        let unexplained = recovered.is_none().then(|| cut.original());
        let seen = self.read_unseen_copies(&cut, copied, unexplained, &mut progress, tally);
        if let Some(tail) = self.tails.get_mut(&id) {
            tail.progress = progress.carried_over();
            tail.copied = seen;
            tail.rewind();
        }
        self.changed = true;
    }

    /// Reads the unread rest from a copy, if there is one; tells when that was made.
    pub(super) fn recover_copy(
        &mut self,
        cut: &Cut<'_>,
        progress: &mut Progress,
        tally: &mut Tally<'_>,
    ) -> Option<Nanos> {
        for _ in 0..ATTEMPTS {
            let listed = relatives(cut.path, None).unwrap_or_default();
            let made = self.recover_from(cut, &listed, progress, tally);
            // One that was renamed or compressed meanwhile is found by its new name.
            if made.is_some() || listed.iter().all(Relative::is_there) {
                return made;
            }
        }
        None
    }

    fn recover_from(
        &mut self,
        cut: &Cut<'_>,
        listed: &[Relative],
        progress: &mut Progress,
        tally: &mut Tally<'_>,
    ) -> Option<Nanos> {
        let beside: Vec<FileId> = listed.iter().map(Relative::id).collect();
        let may_be = |r: &&Relative| r.id() != cut.id && cut.may_be(r) && !self.is_known(r);
        let mut copies: Vec<&Relative> = listed.iter().filter(may_be).collect();
        let mut originals = self.originals(&beside, Some(cut.id));
        self.leave_out(&mut copies, &mut originals, Original::explains);
        copies.sort_by_key(|r| cut.likeness(r));
        let Some(copy) = copies.iter().find(|r| r.holds(cut.mark, cut.position).unwrap_or(false)) else {
            if !copies.iter().all(|r| r.is_there()) {
                return None; // the right one may be among those that were renamed
            }
            self.leave_out(&mut copies, &mut originals, Original::explains_before);
            return self.note_shorter_copy(cut, copies);
        };
        let done = if copy.is_gz() {
            self.read_compressed(copy, cut.position, cut.mark.clone(), cut.set, progress, tally)
        } else {
            self.read_copy(copy, cut.position, cut.set, progress, tally)
        };
        self.note_recovered(cut.path, copy, done).then(|| copy.born())
    }

    /// Remembers a copy that was read; tells whether it was. One that was renamed before it was opened is looked for again.
    fn note_recovered(&mut self, path: &Path, copy: &Relative, done: io::Result<Finished>) -> bool {
        match done {
            Ok(finished) => {
                self.finished.remember(finished);
                self.reporter.recovered(&copy.path);
                return true;
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => self.reporter.error(&copy.path, &format!("cannot read this copy of {}: {e}", path.display())),
        }
        false
    }

    /// Finds a copy that was made before the last lines were written; tells when. These were read from the file itself, and so was all
    /// that the copy holds.
    fn note_shorter_copy(&mut self, cut: &Cut<'_>, mut copies: Vec<&Relative>) -> Option<Nanos> {
        let original = cut.original();
        copies.sort_by_key(|r| cut.likeness(r));
        let copy = copies.into_iter().find(|r| original.explains_before(r))?;
        self.note_copy(copy, original);
        Some(copy.born())
    }

    /// Whether a file that a glob found beside its original (`app.log.1` beside `app.log`) holds nothing of its own. It is left
    /// alone then: what it holds is read from the original, and as that is cut, its rest is read as any copy's.
    pub(super) fn is_copy_so_far(&mut self, number: usize, id: FileId, tally: &mut Tally<'_>) -> bool {
        let path = &Arc::clone(self.names.path(number));
        if self.names.nth(number).literal {
            return false;
        }
        let Some(original) = self.original_of(path) else { return false };
        // What the original no longer holds is read from its copies first: this may be one of them.
        self.read_whole(original, tally);
        let copied = self.tails.get(&original).is_some_and(|t| t.holds_all_of(path).unwrap_or(false));
        copied && !self.finished.has(id)
    }

    /// The file of a followed name of which `path` is the name of a copy.
    fn original_of(&self, path: &Path) -> Option<FileId> {
        let mut files = self.logs_of(path).filter_map(|log| self.names.get(&log)?.queue.back().copied());
        files.find(|id| self.tails.contains_key(id))
    }

    /// The followed names of which `path` is the name of a generation or a copy: it is the same with something behind it, or
    /// before its extension.
    pub(super) fn logs_of(&self, path: &Path) -> impl Iterator<Item = PathBuf> {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let shorter = name.match_indices(['.', '-', '_']).filter(|(at, _)| *at > 0).map(|(at, _)| &name[..at]);
        let names = shorter.flat_map(move |stem| [stem.to_string(), format!("{stem}.{extension}")]);
        let others = names.filter(move |other| other != name).map(|other| path.with_file_name(other));
        others.filter(|other| self.names.contains(other))
    }

    /// Reads the copies of a file that were made, and the file cut after them, between two looks: those that are younger than the last one
    /// that was seen, at `after`; tells when the last one was made now.
    fn read_unseen_copies(
        &mut self,
        cut: &Cut<'_>,
        after: Nanos,
        mut unexplained: Option<Original>,
        progress: &mut Progress,
        tally: &mut Tally<'_>,
    ) -> Nanos {
        let mut last = after;
        // A file that is copied and cut keeps its name; beside one that was renamed there are other generations, not copies.
        if !self.names.contains(cut.path) || FileId::at(cut.path) != Some(cut.id) {
            return last;
        }
        for _ in 0..ATTEMPTS {
            let listed = relatives(cut.path, None).unwrap_or_default();
            for unseen in self.unseen_copies(cut, after, &listed, unexplained.take()) {
                last = last.max(unseen.born());
                let done = self.read_copy(unseen, 0, cut.set, progress, tally);
                self.note_recovered(cut.path, unseen, done);
            }
            if listed.iter().all(Relative::is_there) {
                break;
            }
        }
        last
    }

    /// Those that are neither known, nor copies of what was read, nor what the file holds now.
    fn unseen_copies<'r>(
        &mut self,
        cut: &Cut<'_>,
        after: Nanos,
        listed: &'r [Relative],
        unexplained: Option<Original>,
    ) -> Vec<&'r Relative> {
        let Some(tail) = self.tails.get(&cut.id) else { return Vec::new() };
        let beside: Vec<FileId> = listed.iter().map(Relative::id).collect();
        let may_be = |r: &&Relative| {
            let candidate = r.successor && !r.is_gz() && r.id() != cut.id && r.born() > after && !self.is_known(r);
            candidate && !tail.begins_like(&r.path).unwrap_or(true)
        };
        let unseen = listed.iter().filter(may_be).collect();
        let mut originals = self.originals(&beside, Some(cut.id));
        originals.extend(unexplained.filter(|original| original.position > 0));
        self.leave_out_copies(unseen, originals)
    }

    /// Reads what a copy holds beyond `position`.
    fn read_copy(
        &mut self,
        copy: &Relative,
        position: u64,
        set: SetId,
        progress: &mut Progress,
        tally: &mut Tally<'_>,
    ) -> io::Result<Finished> {
        let mut tail = Tail::of(copy.open()?, &Arc::from(&*copy.path), position, set, tally.now)?;
        std::mem::swap(&mut tail.progress, progress);
        let read = self.read_to_end(&mut tail, tally);
        std::mem::swap(&mut tail.progress, progress);
        read?;
        Ok(Finished { id: tail.id, position: tail.position, mark: tail.mark, stamp: copy.stamp() })
    }
}
