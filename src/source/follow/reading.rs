//! Reading: each name's generations in their order, a slice of one file and then of the next.

use std::io;
use std::sync::Arc;

use super::Follower;
use crate::ledger::SetId;
use crate::log::Progress;
use crate::source::finished::Finished;
use crate::source::identity::{FileId, Mark};
use crate::source::reader::Tally;
use crate::source::relatives::Relative;
use crate::source::tail::{State, Tail};

/// How much of one file is read before the others have their turn, in bytes.
const SLICE: u64 = 4 << 20;

/// How much one look reads before it returns, so that a scrape need not wait for a backlog.
const LOOK: u64 = 16 << 20;

/// How much more for each followed name: to look at them all again costs, too.
const LOOK_PER_NAME: u64 = 64 << 10;

impl Follower {
    /// Reads the first generation of every name, and those left behind. Returns whether there is more.
    pub(super) fn read_all(&mut self, tally: &mut Tally<'_>) -> bool {
        let mut budget = LOOK + LOOK_PER_NAME * self.names.len() as u64;
        let mut more = false;
        for number in 0..self.names.len() {
            more |= self.read_queue(number, &mut budget, tally);
        }
        let queued = self.queued();
        let left_behind: Vec<FileId> = self.tails.keys().filter(|id| !queued.contains(id)).copied().collect();
        for id in left_behind {
            more |= self.read_tail(id, &mut budget, tally);
        }
        more
    }

    /// Reads a name's generations in turn. Returns whether there is more.
    fn read_queue(&mut self, number: usize, budget: &mut u64, tally: &mut Tally<'_>) -> bool {
        loop {
            let queue = &self.names.nth(number).queue;
            let (Some(front), next) = (queue.front().copied(), queue.get(1).copied()) else { return false };
            if next.is_some()
                && let Some(tail) = self.tails.get_mut(&front)
            {
                // Its name means another file by now, so its size must be asked of itself.
                let _ = tail.stat();
            }
            if self.read_tail(front, budget, tally) {
                return true;
            }
            let Some(next) = next else { return false };
            self.hand_over(front, next);
            self.names.nth_mut(number).queue.pop_front();
            self.changed = true;
        }
    }

    /// What is unfinished about a generation's last lines goes to the next, if that is read from its beginning; otherwise, a name may return
    /// to a file, it stays where it is, and counts when that is let go.
    fn hand_over(&mut self, from: FileId, to: FileId) {
        let begins = self.tails.get(&to).is_some_and(|tail| tail.position == 0);
        let Some(old) = self.tails.get_mut(&from).filter(|_| begins) else { return };
        let progress = old.progress.carried_over();
        if let Some(tail) = self.tails.get_mut(&to) {
            tail.progress = progress;
        }
    }

    /// Reads a file, up to a slice. Returns whether there is more.
    pub(super) fn read_tail(&mut self, id: FileId, budget: &mut u64, tally: &mut Tally<'_>) -> bool {
        let Some(state) = self.tails.get_mut(&id).map(|t| t.state()) else { return false };
        match state {
            Ok(State::Quiet) => {
                self.unreadable.remove(&id);
                return false;
            }
            Ok(State::Grown) => {}
            Ok(State::Rewritten) => self.rewritten(id, tally),
            Err(e) => return self.read_failed(id, &e),
        }
        if *budget == 0 {
            return true;
        }
        let Some(tail) = self.tails.get_mut(&id) else { return false };
        match self.reader.slice(tail, SLICE.min(*budget), tally) {
            Ok((read, end)) => {
                self.unreadable.remove(&id);
                self.changed |= read > 0;
                *budget = budget.saturating_sub(read);
                !end
            }
            Err(e) => self.read_failed(id, &e),
        }
    }

    /// Reads an open file to its end, as it is now.
    pub(super) fn read_whole(&mut self, id: FileId, tally: &mut Tally<'_>) {
        if let Some(tail) = self.tails.get_mut(&id) {
            // A failure shows again, and is reported, when the file is looked at in its turn.
            let _ = tail.stat();
        }
        let mut budget = u64::MAX;
        while self.read_tail(id, &mut budget, tally) {}
    }

    /// Reads a file to its end.
    pub(super) fn read_to_end(&mut self, tail: &mut Tail, tally: &mut Tally<'_>) -> io::Result<()> {
        self.changed = true;
        while !self.reader.slice(tail, SLICE, tally)?.1 {}
        Ok(())
    }

    /// Reads a compressed file from `position` of its content on, before which `mark` stands.
    pub(super) fn read_compressed(
        &mut self,
        file: &Relative,
        position: u64,
        mark: Mark,
        set: SetId,
        progress: &mut Progress,
        tally: &mut Tally<'_>,
    ) -> io::Result<Finished> {
        let (position, mark, read) = self.reader.compressed(file, (position, mark), set, progress, tally)?;
        if let Err(e) = read {
            // What was read of it counts, and is not read again.
            self.reporter.error(&file.path, &format!("cannot decompress it to its end: {e}"));
        }
        Ok(Finished { id: file.id(), position, mark, stamp: file.stamp() })
    }

    fn read_failed(&mut self, id: FileId, e: &io::Error) -> bool {
        if let Some(path) = self.tails.get(&id).map(|t| Arc::clone(&t.path)) {
            self.unreadable.insert(id);
            self.trouble(&path, &format!("cannot read it: {e}"));
        }
        false
    }
}
