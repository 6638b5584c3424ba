//! One open file that is read as it grows.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::buffer::Buffer;
use super::identity::{FileId, Mark};
use crate::log::Progress;
use crate::recognise::time::Millis;

/// An open file, and how far it has been read.
#[derive(Debug)]
pub struct Tail {
    /// Which file it is.
    pub id: FileId,
    /// The name it was last known by.
    pub path: Arc<Path>,
    /// Which label set its counts go to.
    pub set: usize,
    /// The byte to read next: always the start of a line, or of the rest of one that is skipped.
    pub position: u64,
    /// What its bytes have told so far.
    pub progress: Progress,
    /// What it held up to the position.
    pub mark: Mark,
    /// Its size when it was last looked at.
    pub size: u64,
    /// When it was made.
    pub born: Nanos,
    /// Copies of it that were made after this were never seen.
    pub copied: Nanos,
    /// When it was last written to.
    pub written: Millis,
    /// When more of it was last read.
    pub grown: Millis,
    /// Since when no name means it.
    pub left_behind: Option<Millis>,
    /// When it was last written to, to the nanosecond, and what that was when its content was last compared with the mark.
    changed: Nanos,
    compared: Nanos,
    /// The size up to which there was nothing but an unfinished line.
    waiting_at: u64,
    file: File,
}

/// A tail as it is saved: borrowed for saving, since there may be thousands, and owned when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTail<'a> {
    /// Which file it is.
    pub id: FileId,
    /// The name it was last known by.
    pub path: Cow<'a, Path>,
    /// How far it was read.
    pub position: u64,
    /// What it held there.
    pub mark: Cow<'a, Mark>,
    /// What its bytes have told so far.
    pub progress: Cow<'a, Progress>,
    /// When it was made.
    pub born: Nanos,
    /// Copies of it that were made after this were never seen.
    pub copied: Nanos,
    /// When it was last written to.
    pub written: Millis,
    /// When it was deleted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Nanos>,
}

impl SavedTail<'_> {
    /// The same, borrowed.
    pub fn borrowed(&self) -> SavedTail<'_> {
        let Self { id, position, born, copied, written, deleted, .. } = *self;
        let (path, mark) = (Cow::Borrowed(&*self.path), Cow::Borrowed(&*self.mark));
        SavedTail { id, path, position, mark, progress: Cow::Borrowed(&*self.progress), born, copied, written, deleted }
    }
}

/// What a look at a tail shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing new.
    Quiet,
    /// There is more to read.
    Grown,
    /// What was read is no longer there: truncated, or rewritten.
    Rewritten,
}

impl Tail {
    /// A file that was opened at `path`, to be read from `position` on.
    pub fn of((file, meta): Opened, path: &Arc<Path>, position: u64, set: usize, now: Millis) -> io::Result<Self> {
        let mark = Mark::at(&file, position)?;
        let mut tail = Self::new(file, path, &meta, set, now);
        tail.position = position;
        tail.mark = mark;
        Ok(tail)
    }

    /// The same, from its end on. A line that is being written is left out as a whole.
    pub fn at_end(opened: Opened, path: &Arc<Path>, set: usize, now: Millis) -> io::Result<Self> {
        let size = opened.1.len();
        let mut tail = Self::of(opened, path, size, set, now)?;
        if !tail.mark.ends_a_line() {
            tail.progress.skip_line();
        }
        Ok(tail)
    }

    /// The same of a file that was followed before: from where it was left.
    pub fn resume(saved: SavedTail<'_>, (file, meta): Opened, path: &Arc<Path>, set: usize, now: Millis) -> Self {
        let mut tail = Self::new(file, path, &meta, set, now);
        tail.position = saved.position;
        tail.copied = saved.copied;
        tail.compared = 0;
        tail.mark = saved.mark.into_owned();
        tail.progress = saved.progress.into_owned();
        tail
    }

    fn new(file: File, path: &Arc<Path>, meta: &Metadata, set: usize, now: Millis) -> Self {
        Self {
            id: FileId::of(meta),
            path: Arc::clone(path),
            set,
            position: 0,
            progress: Progress::default(),
            mark: Mark::default(),
            size: meta.len(),
            born: born(meta),
            copied: now.saturating_mul(1_000_000).max(born(meta)),
            written: modified(meta),
            grown: now,
            left_behind: None,
            changed: changed(meta),
            compared: if meta.len() == 0 { changed(meta) } else { 0 },
            waiting_at: u64::MAX,
            file,
        }
    }

    /// The tail as it is saved.
    pub fn save(&self) -> SavedTail<'_> {
        SavedTail {
            id: self.id,
            path: Cow::Borrowed(&self.path),
            position: self.position,
            mark: Cow::Borrowed(&self.mark),
            progress: Cow::Borrowed(&self.progress),
            born: self.born,
            copied: self.copied,
            written: self.written,
            // A file that a name means has not been deleted, or that was not noticed yet.
            deleted: self.left_behind.and_then(|_| self.deleted()),
        }
    }

    /// Takes in what `stat` says of the file.
    pub fn observe(&mut self, meta: &Metadata) {
        self.size = meta.len();
        self.written = modified(meta);
        self.changed = changed(meta);
    }

    /// Asks the open file itself; tells whether it still has a name.
    pub fn stat(&mut self) -> io::Result<bool> {
        let meta = self.file.metadata()?;
        self.observe(&meta);
        Ok(meta.nlink() > 0)
    }

    /// When the file was deleted, if it was: losing its last name is the last that happens to it, unless it is still written to.
    pub fn deleted(&self) -> Option<Nanos> {
        let meta = self.file.metadata().ok().filter(|meta| meta.nlink() == 0)?;
        Some(meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec()))
    }

    /// Whether there is anything to do, by what was last observed. A file that was written to since it was last compared may
    /// have been rewritten to the very size that it had.
    pub fn state(&mut self) -> io::Result<State> {
        if self.size < self.position {
            return Ok(State::Rewritten);
        }
        let untouched = self.changed == self.compared;
        if self.size == 0 && !untouched {
            // Something was written and cut again before any of it was read.
            return Ok(State::Rewritten);
        }
        if untouched && (self.size == self.position || self.size == self.waiting_at) {
            return Ok(State::Quiet);
        }
        if !self.mark.resume(&self.file)? {
            return Ok(State::Rewritten);
        }
        self.compared = self.changed;
        if self.size > self.position && self.size != self.waiting_at {
            return Ok(State::Grown);
        }
        self.mark.rest();
        Ok(State::Quiet)
    }

    /// Reads up to `budget` bytes, handing blocks to `feed`, which tells what it consumed. Returns how much was consumed
    /// and whether the end was reached.
    pub fn read(
        &mut self,
        buffer: &mut Buffer,
        budget: u64,
        now: Millis,
        mut feed: impl FnMut(&mut Progress, &[u8]) -> usize,
    ) -> io::Result<(u64, bool)> {
        buffer.clear();
        let mut total = 0;
        let mut at = self.position;
        loop {
            let Self { file, progress, mark, position, .. } = self;
            let take = |block: &[u8]| {
                let taken = feed(progress, block);
                *position += taken as u64;
                if taken > 0 {
                    mark.consumed(&block[..taken], *position);
                }
                total += taken as u64;
                taken
            };
            let mut full = true;
            let read = |room: &mut [u8]| {
                let new = file.read_at(room, at)?;
                full = new == room.len();
                Ok(new)
            };
            let new = buffer.step(read, take);
            let new = match new {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // What was consumed has been counted. The failure shows again at the next look.
                Err(_) if total > 0 => return Ok((total, true)),
                other => other?,
            };
            at += new as u64;
            // A regular file gives less than was asked for only at its end.
            let end = !full;
            if end || total >= budget {
                self.size = self.size.max(at);
                self.waiting_at = if end && at > self.position { at } else { u64::MAX };
                if total > 0 {
                    self.grown = now;
                    if self.mark.grow_head(&self.file, self.position).is_err() {
                        // It was cut meanwhile, or cannot be read, which shows at the next look; what was consumed has been counted.
                        return Ok((total, true));
                    }
                }
                if end {
                    self.mark.rest();
                }
                return Ok((total, end));
            }
        }
    }

    /// Starts again at the beginning of the same file.
    pub fn rewind(&mut self) {
        self.position = 0;
        self.mark = Mark::default();
        self.waiting_at = u64::MAX;
        self.compared = if self.size == 0 { self.changed } else { 0 };
    }

    /// Whether another file begins with what this one holds now.
    pub fn begins_like(&self, other: &Path) -> io::Result<bool> {
        let (mut one, mut two) = ([0; 1024], [0; 1024]);
        let (one_len, two_len) = (self.file.read_at(&mut one, 0)?, open(other)?.0.read_at(&mut two, 0)?);
        let len = one_len.min(two_len);
        Ok(len > 0 && one[..len] == two[..len])
    }

    /// Whether another file holds nothing but what this one holds too: it is a copy, or is becoming one.
    pub fn holds_all_of(&self, other: &Path) -> io::Result<bool> {
        let (file, meta) = open(other)?;
        let len = meta.len();
        Ok(len == 0 || Mark::at(&file, len)?.stands_in(&self.file)?)
    }

    /// How much it holds now, what stands there, and when that was written.
    pub fn end(&self) -> io::Result<(u64, Mark, Millis)> {
        let meta = self.file.metadata()?;
        Ok((meta.len(), Mark::at(&self.file, meta.len())?, modified(&meta)))
    }

    /// Bytes written and not read.
    pub fn lag(&self) -> u64 {
        self.size.saturating_sub(self.position)
    }
}

/// An open file, and what it was then.
pub type Opened = (File, Metadata);

/// Opens a regular file, and tells what it is. Never waits: opening a FIFO without a writer would.
pub(super) fn open(path: &Path) -> io::Result<Opened> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok((file, meta))
}

/// Nanoseconds since the epoch: two files may be made within one millisecond.
pub type Nanos = i64;

/// When a file was made, where the file system knows; otherwise when it was last written to.
pub fn born(meta: &Metadata) -> Nanos {
    let made = meta.created().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let made = made.and_then(|d| Nanos::try_from(d.as_nanos()).ok());
    made.unwrap_or_else(|| changed(meta))
}

/// When a file was last written to, to the nanosecond.
fn changed(meta: &Metadata) -> Nanos {
    meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec())
}

/// When a file was last written to.
pub fn modified(meta: &Metadata) -> Millis {
    meta.mtime().saturating_mul(1_000).saturating_add(meta.mtime_nsec() / 1_000_000)
}
