//! Letting go: an open file keeps its disk space, so what no name means any more is closed once nobody writes to it.

use std::path::Path;
use std::sync::Arc;

use super::Follower;
use crate::ledger::SetId;
use crate::log::Progress;
use crate::recognise::time::Millis;
use crate::source::finished::Finished;
use crate::source::identity::{FileId, FileSet};
use crate::source::reader::Tally;
use crate::source::relatives::Stamp;
use crate::source::tail::{State, Tail};

/// How long a renamed file that nobody writes to any more is kept open.
const RENAMED_MILLIS: Millis = 60_000;

/// How long a deleted file that nobody writes to any more is kept open.
const DELETED_MILLIS: Millis = 5_000;

/// How long a log that a glob no longer finds may come again after a start, with generations that were not seen.
const GONE_MILLIS: Millis = 86_400_000;

/// How many files that no name means are kept open for each name at most.
const GENERATIONS: usize = 32;

/// An open file that no name means any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LeftBehind {
    id: FileId,
    /// Since when there is nothing new to be seen of it.
    quiet_since: Millis,
    /// When more of it was last read.
    grown: Millis,
    /// It has a name, if none that is followed.
    named: bool,
    /// It is read to its end.
    read: bool,
}

/// Those that are closed now, of all that are left behind beside `names` followed ones.
fn due(left_behind: &[LeftBehind], names: usize, now: Millis) -> Vec<FileId> {
    let limit = |file: &LeftBehind| if file.named { RENAMED_MILLIS } else { DELETED_MILLIS };
    let quiet = left_behind.iter().filter(|f| now - f.quiet_since >= limit(f));
    let too_many = left_behind.len() > GENERATIONS * names.max(1);
    let oldest = left_behind.iter().filter(|f| too_many && f.read).min_by_key(|f| f.grown);
    quiet.chain(oldest).map(|f| f.id).collect()
}

impl Follower {
    /// The files that names mean now.
    pub(super) fn current(&self) -> impl Iterator<Item = FileId> {
        self.names.values().filter(|n| n.there).filter_map(|n| n.queue.back().copied())
    }

    /// Takes in what became of files that no name means any more.
    pub(super) fn observe_left_behind(&mut self) {
        let current: FileSet = self.current().collect();
        for (id, tail) in &mut self.tails {
            if !current.contains(id)
                && let Err(e) = tail.stat()
            {
                self.reporter.error(&tail.path, &format!("cannot look at it: {e}"));
            }
        }
    }

    /// Closes files that no name means any more and that nobody writes to.
    pub(super) fn let_go(&mut self, tally: &mut Tally<'_>) {
        let meant = self.meant();
        let mut left_behind = Vec::new();
        for (id, tail) in &mut self.tails {
            if meant.contains(id) {
                tail.left_behind = None;
            } else {
                left_behind.extend(look_back(tail, tally.now));
            }
        }
        for id in due(&left_behind, self.names.len(), tally.now) {
            self.finish(id, tally);
        }
        for name in self.names.values_mut().filter(|name| !name.there) {
            name.gone = name.gone.filter(|gone| tally.now - gone.found < GONE_MILLIS);
        }
    }

    /// The files in the queues of all names.
    pub(super) fn queued(&self) -> FileSet {
        self.names.values().flat_map(|n| n.queue.iter().copied()).collect()
    }

    /// The files in the queues of names that exist, or that have more than one.
    fn meant(&self) -> FileSet {
        let there = self.names.values().filter(|n| n.queue.len() > 1 || n.there);
        there.flat_map(|n| n.queue.iter().copied()).collect()
    }

    /// Closes the files of names that a new configuration no longer has.
    pub(super) fn leave_unwanted(&mut self, tally: &mut Tally<'_>) {
        if self.unwanted.is_empty() {
            return;
        }
        let queued = self.queued();
        for id in std::mem::take(&mut self.unwanted).difference(&queued) {
            if let Some((path, _)) = self.close(*id, tally) {
                self.reporter.unfollowed(&path);
            }
        }
    }

    /// Closes a file that is done with.
    fn finish(&mut self, id: FileId, tally: &mut Tally<'_>) {
        if let Some((path, unread)) = self.close(id, tally) {
            self.reporter.closed(&path, unread);
        }
    }

    /// Closes a file: what it held back is counted, and it is remembered. Returns its name, and how much of it was not read.
    fn close(&mut self, id: FileId, tally: &mut Tally<'_>) -> Option<(Arc<Path>, u64)> {
        let tail = self.tails.remove(&id)?;
        self.unreadable.remove(&id);
        self.count_held(&tail.progress, tail.set, tally);
        let closed = (Arc::clone(&tail.path), tail.lag());
        let stamp = Stamp { size: tail.size, written: tail.written };
        self.finished.remember(Finished { id, position: tail.position, mark: tail.mark, stamp });
        for name in self.names.values_mut() {
            name.queue.retain(|queued| *queued != id);
        }
        self.changed = true;
        Some(closed)
    }

    /// Counts what is held back of a log that has ended.
    pub(super) fn count_held(&self, progress: &Progress, set: SetId, tally: &mut Tally<'_>) {
        for event in progress.held() {
            tally.ledger.count(set, event, &self.config.recogniser.catalogue, tally.now);
        }
    }
}

/// A file that is left behind, unless there is more to read of it.
fn look_back(tail: &mut Tail, now: Millis) -> Option<LeftBehind> {
    let since = *tail.left_behind.get_or_insert(now);
    let lag = tail.lag();
    if lag > 0 && tail.state().is_ok_and(|s| s == State::Grown) {
        return None;
    }
    let named = tail.stat().unwrap_or(false);
    Some(LeftBehind { id: tail.id, quiet_since: tail.grown.max(since), grown: tail.grown, named, read: lag == 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files on one device, told apart by their numbers.
    fn id(inode: u64) -> FileId {
        serde_json::from_value(serde_json::json!({"device": 1, "inode": inode, "made": 0})).unwrap()
    }

    fn file(inode: u64, named: bool) -> LeftBehind {
        LeftBehind { id: id(inode), quiet_since: 1_000, grown: 1_000, named, read: true }
    }

    #[test]
    fn a_deleted_file_is_closed_after_seconds_and_a_renamed_one_after_a_minute() {
        let files = [file(1, false), file(2, true)];
        assert_eq!(due(&files, 1, 5_999), []);
        assert_eq!(due(&files, 1, 6_000), [id(1)]);
        assert_eq!(due(&files, 1, 61_000), [id(1), id(2)]);
    }

    #[test]
    fn of_too_many_the_one_that_was_read_first_goes() {
        let mut files: Vec<LeftBehind> = (0..32).map(|n| file(n, true)).collect();
        assert_eq!(due(&files, 1, 2_000), []);
        files.push(LeftBehind { grown: 10, read: false, ..file(98, true) });
        files.push(LeftBehind { grown: 500, ..file(99, true) });
        assert_eq!(due(&files, 1, 2_000), [id(99)], "one that is not read to its end stays");
        assert_eq!(due(&files, 2, 2_000), [], "two names may have twice as many");
    }
}
