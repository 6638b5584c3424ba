//! A file no longer holds what was read of it. The unread rest of what it held is looked for in copies of it (copytruncate
//! makes one, compressed or not), and then it is read from its beginning.

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};

use super::Follower;
use super::rotation::Original;
use crate::ledger::SetId;
use crate::log::Progress;
use crate::recognise::time::Millis;
use crate::source::finished::Finished;
use crate::source::identity::{FileId, Mark};
use crate::source::reader::Tally;
use crate::source::relatives::{Relative, relatives};
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
        let unexplained = recovered.is_none().then(|| cut.original());
        for unseen in self.unseen_copies(&path, id, copied, unexplained) {
            copied = unseen.born();
            match self.read_copy(&unseen, 0, cut.set, &mut progress, tally) {
                Ok(done) => {
                    self.finished.remember(done);
                    self.reporter.recovered(&unseen.path);
                }
                Err(e) => self.reporter.error(&unseen.path, &format!("cannot read a copy of {}: {e}", path.display())),
            }
        }
        if let Some(tail) = self.tails.get_mut(&id) {
            tail.progress = progress.carried_over();
            tail.copied = copied;
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
        let mut copies: Vec<Relative> = relatives(cut.path, None).unwrap_or_default();
        let beside: Vec<FileId> = copies.iter().map(Relative::id).collect();
        copies.retain(|r| r.id() != cut.id && cut.may_be(r) && !self.is_known(r));
        let originals = self.originals(&beside, Some(cut.id));
        let mut copies = self.leave_out_copies(copies, originals);
        copies.sort_by_key(|r| cut.likeness(r));
        let Some(copy) = copies.iter().find(|r| r.holds(cut.mark, cut.position).unwrap_or(false)) else {
            return self.note_shorter_copy(cut, &copies);
        };
        let done = if copy.is_gz() {
            self.read_compressed(copy, cut.position, cut.mark.clone(), cut.set, progress, tally)
        } else {
            self.read_copy(copy, cut.position, cut.set, progress, tally)
        };
        match done {
            Ok(finished) => {
                self.finished.remember(finished);
                self.reporter.recovered(&copy.path);
                Some(copy.born())
            }
            Err(e) => {
                let what = format!("cannot read the rest of {} from its copy: {e}", cut.path.display());
                self.reporter.error(&copy.path, &what);
                None
            }
        }
    }

    /// Finds a copy that was made before the last lines were written; tells when. These were read from the file itself, and so was all
    /// that the copy holds.
    fn note_shorter_copy(&mut self, cut: &Cut<'_>, copies: &[Relative]) -> Option<Nanos> {
        let original = cut.original();
        let copy = copies.iter().find(|r| original.explains_before(r))?;
        self.note_copy(copy, original);
        Some(copy.born())
    }

    /// Whether a file that a glob found beside its original (`app.log.1` beside `app.log`) holds nothing of its own. It is left
    /// alone then: what it holds is read from the original, and as that is cut, its rest is read as any copy's.
    pub(super) fn is_copy_so_far(&mut self, path: &Path, id: FileId, tally: &mut Tally<'_>) -> bool {
        if self.names.get(path).is_none_or(|name| name.literal) {
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

    /// Copies of a file that were made, and the file cut after them, between two looks: younger than the last one that was
    /// seen, and neither known nor what the file holds now.
    fn unseen_copies(&mut self, path: &Path, id: FileId, after: Nanos, cut: Option<Original>) -> Vec<Relative> {
        let Some(tail) = self.tails.get(&id) else { return Vec::new() };
        // A file that is copied and cut keeps its name; beside one that was renamed there are other generations, not copies.
        let keeps_its_name = self.names.contains(path) && FileId::at(path) == Some(id);
        if !keeps_its_name {
            return Vec::new();
        }
        let mut unseen: Vec<Relative> = relatives(path, None).unwrap_or_default();
        let beside: Vec<FileId> = unseen.iter().map(Relative::id).collect();
        unseen.retain(|r| {
            let candidate = r.successor && !r.is_gz() && r.id() != id && r.born() > after && !self.is_known(r);
            candidate && !tail.begins_like(&r.path).unwrap_or(true)
        });
        let mut originals = self.originals(&beside, Some(id));
        originals.extend(cut.filter(|original| original.position > 0));
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
        let mut tail = Tail::open(&copy.path, position, set, tally.now)?;
        std::mem::swap(&mut tail.progress, progress);
        let read = self.read_to_end(&mut tail, tally);
        std::mem::swap(&mut tail.progress, progress);
        read?;
        Ok(Finished { id: tail.id, position: tail.position, mark: tail.mark, stamp: copy.stamp() })
    }
}
