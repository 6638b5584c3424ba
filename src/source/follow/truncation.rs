//! A file no longer holds what was read of it. The unread rest of what it held is looked for in copies of it (copytruncate
//! makes one, compressed or not), and then it is read from its beginning.

use std::fs;
use std::io;
use std::path::Path;

use super::Follower;
use crate::ledger::SetId;
use crate::log::Progress;
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
}

impl Follower {
    /// Reads what a file held that was cut, then has it begin anew.
    pub(super) fn rewritten(&mut self, id: FileId, tally: &mut Tally<'_>) {
        let Some(tail) = self.tails.get_mut(&id) else { return };
        let mut progress = std::mem::take(&mut tail.progress);
        let (path, mark) = (tail.path.clone(), tail.mark.clone());
        let cut = Cut { path: &path, id, position: tail.position, mark: &mark, set: tail.set };
        let mut copied = tail.copied;
        if cut.position > 0 {
            self.reporter.truncated(&path);
            copied = self.recover_copy(&cut, &mut progress, tally).unwrap_or(copied);
        }
        for unseen in self.unseen_copies(&path, id, copied) {
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
        copies.retain(|r| r.id() != cut.id && !self.tails.contains_key(&r.id()));
        // The newest first: it is the copy of this generation, if heads and tails are all alike.
        copies.sort_by_key(|r| std::cmp::Reverse(r.born()));
        let copy = copies.into_iter().find(|r| r.holds(cut.mark, cut.position).unwrap_or(false))?;
        let done = if copy.is_gz() {
            self.read_compressed(&copy, cut.position, cut.mark.clone(), cut.set, progress, tally)
        } else {
            self.read_copy(&copy, cut.position, cut.set, progress, tally)
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

    /// Copies of a file that were made, and the file cut after them, between two looks: younger than the last one that was
    /// seen, and neither known nor what the file holds now.
    fn unseen_copies(&self, path: &Path, id: FileId, after: Nanos) -> Vec<Relative> {
        let Some(tail) = self.tails.get(&id) else { return Vec::new() };
        // A file that is copied and cut keeps its name; beside one that was renamed there are other generations, not copies.
        let keeps_its_name = self.names.contains_key(path) && fs::metadata(path).is_ok_and(|m| FileId::of(&m) == id);
        if !keeps_its_name {
            return Vec::new();
        }
        let mut unseen: Vec<Relative> = relatives(path, None).unwrap_or_default();
        unseen.retain(|r| {
            let candidate = r.successor && !r.is_gz() && r.id() != id && r.born() > after && !self.is_known(r);
            candidate && !tail.begins_like(&r.path).unwrap_or(true) && !self.is_copy(r)
        });
        unseen.sort_by_key(Relative::born);
        unseen
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
