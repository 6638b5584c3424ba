//! Which file is it? Not its name: device, inode, and what it holds where we have read.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes at the start of a file that tell it from others.
pub const HEAD: usize = 1024;

/// Bytes at the start of a file that tell it from others while it is shorter than that: a log's first line has a time in it.
const FIRST: usize = 64;

/// Bytes before a position that tell whether the file is still what it was when it was read up to there.
const TAIL: usize = 256;

/// A file as the system knows it. An inode's number may be used again once its file is gone; when it was made tells the two
/// apart, where the file system keeps that (otherwise only the content does).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    device: u64,
    inode: u64,
    made: i64,
}

impl FileId {
    /// The identity of a file.
    pub fn of(meta: &Metadata) -> Self {
        let made = meta.created().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let made = made.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0);
        Self { device: meta.dev(), inode: meta.ino(), made }
    }

    /// The identity of the file that a path means now, if there is one.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|meta| Self::of(&meta))
    }

    /// Its number on its device.
    pub fn inode(self) -> u64 {
        self.inode
    }
}

/// Values by file. Each look asks for each file a dozen times, and the numbers are the file system's, not chosen by whoever writes a log.
pub type FileMap<V> = HashMap<FileId, V, FxBuildHasher>;

/// Files.
pub type FileSet = HashSet<FileId, FxBuildHasher>;

/// A part of a file's content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    at: u64,
    len: u64,
    hash: u64,
}

impl Window {
    fn of(at: u64, bytes: &[u8]) -> Self {
        Self { at, len: bytes.len() as u64, hash: xxh3_64(bytes) }
    }

    fn stands_in(&self, file: &File) -> io::Result<bool> {
        Ok(self.read(file, &mut [0; HEAD])?.is_some())
    }

    /// The part of `file` that it was made of, if that is there and unchanged.
    fn read<'a>(&self, file: &File, room: &'a mut [u8; HEAD]) -> io::Result<Option<&'a [u8]>> {
        let bytes = &mut room[..usize::try_from(self.len).unwrap_or(HEAD).min(HEAD)];
        match file.read_exact_at(bytes, self.at) {
            Ok(()) => Ok((bytes.is_empty() || xxh3_64(bytes) == self.hash).then_some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// What a file held where it was read: its head, and the bytes before the position. Two generations of a log that begin
/// with the same banner differ in the second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    head: Window,
    /// The hash of the first bytes; 0 while there are fewer.
    #[serde(default)]
    first: u64,
    tail: Window,
    /// The last bytes that were consumed, from which the tail is made.
    #[serde(skip)]
    recent: Vec<u8>,
}

impl Mark {
    /// The mark of a file that is followed from `position` on.
    pub fn at(file: &File, position: u64) -> io::Result<Self> {
        let mut mark = Self::default();
        let from = position.saturating_sub(TAIL as u64);
        mark.recent.resize(usize::try_from(position - from).unwrap_or(TAIL), 0);
        file.read_exact_at(&mut mark.recent, from)?;
        mark.tail = Window::of(from, &mark.recent);
        mark.grow_head(file, position)?;
        Ok(mark)
    }

    /// Whether `file` still holds, before the position, what was read there: then more can be consumed.
    pub fn resume(&mut self, file: &File) -> io::Result<bool> {
        let mut room = [0; HEAD];
        let found = self.tail.read(file, &mut room)?;
        if let Some(bytes) = found {
            self.recent.clear();
            self.recent.extend_from_slice(bytes);
        }
        Ok(found.is_some())
    }

    /// Lets go of what only consuming more needs, until it is [resumed](Self::resume).
    pub fn rest(&mut self) {
        self.recent = Vec::new();
    }

    /// Whether the position is the start of a line.
    pub fn ends_a_line(&self) -> bool {
        self.recent.last().is_none_or(|b| *b == b'\n')
    }

    /// `bytes` were consumed, up to `position`.
    pub fn consumed(&mut self, bytes: &[u8], position: u64) {
        if bytes.len() >= TAIL {
            self.recent.clear();
        }
        self.recent.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let excess = self.recent.len().saturating_sub(TAIL);
        self.recent.drain(..excess);
        if position == bytes.len() as u64 {
            self.set_head(&bytes[..bytes.len().min(HEAD)]);
        }
        self.tail = Window::of(position - self.recent.len() as u64, &self.recent);
    }

    /// Takes in more of the head, as far as it has been read.
    pub fn grow_head(&mut self, file: &File, position: u64) -> io::Result<()> {
        if self.head.len >= position.min(HEAD as u64) {
            return Ok(());
        }
        let mut bytes = vec![0; usize::try_from(position).unwrap_or(HEAD).min(HEAD)];
        file.read_exact_at(&mut bytes, 0)?;
        self.set_head(&bytes);
        Ok(())
    }

    fn set_head(&mut self, bytes: &[u8]) {
        self.head = Window::of(0, bytes);
        self.first = bytes.get(..FIRST).map_or(0, xxh3_64);
    }

    /// Whether `file` holds all that the mark knows: it is the same content, whatever its name and number.
    pub fn stands_in(&self, file: &File) -> io::Result<bool> {
        Ok(self.head.len > 0 && self.head.stands_in(file)? && self.tail.stands_in(file)?)
    }

    /// Reads up to `position` of a stream (a compressed copy), and tells whether the mark stood there.
    pub fn stands_in_stream(&self, stream: &mut impl Read, position: u64) -> io::Result<bool> {
        let head_len = usize::try_from(self.head.len).unwrap_or(HEAD);
        let stands = |head: &[u8]| head.get(..head_len).is_some_and(|head| xxh3_64(head) == self.head.hash);
        let Some(ends) = Ends::of(stream, position, |head| self.head.len > 0 && stands(head))? else {
            return Ok(false);
        };
        let tail_len = usize::try_from(self.tail.len).unwrap_or(TAIL);
        let tail = ends.recent.len().checked_sub(tail_len).map(|from| &ends.recent[from..]);
        Ok(ends.seen == position && tail.is_some_and(|t| xxh3_64(t) == self.tail.hash))
    }

    /// Whether `file` ends before `position`, and begins as what was read: a copy of what that held some time before.
    pub fn stood_before_in(&self, file: &File, position: u64) -> io::Result<bool> {
        let len = file.metadata()?.len();
        let mut head = vec![0; usize::try_from(len).unwrap_or(HEAD).min(HEAD)];
        file.read_exact_at(&mut head, 0)?;
        Ok(len < position && self.begins_like(&head))
    }

    /// The same of a stream (a compressed copy).
    pub fn stood_before_in_stream(&self, stream: &mut impl Read, position: u64) -> io::Result<bool> {
        let ends = Ends::of(stream, position, |head| self.begins_like(head))?;
        Ok(ends.is_some_and(|ends| ends.seen < position))
    }

    /// Whether the first bytes of something are those that were read, as far as there are any and the mark knows them.
    fn begins_like(&self, head: &[u8]) -> bool {
        match head.get(..usize::try_from(self.head.len).unwrap_or(HEAD)) {
            Some(head) => self.head.len > 0 && xxh3_64(head) == self.head.hash,
            None => self.first != 0 && head.get(..FIRST).is_some_and(|first| xxh3_64(first) == self.first),
        }
    }
}

/// How long a stream is, up to a position, and its last bytes there.
struct Ends {
    seen: u64,
    recent: Vec<u8>,
}

impl Ends {
    /// Nothing of a stream whose first bytes are not the `right` ones: most are of another file, and long.
    fn of(stream: &mut impl Read, position: u64, right: impl FnOnce(&[u8]) -> bool) -> io::Result<Option<Self>> {
        let mut limited = stream.take(position);
        let mut recent = Vec::with_capacity(HEAD);
        limited.by_ref().take(HEAD as u64).read_to_end(&mut recent)?;
        if !right(&recent) {
            return Ok(None);
        }
        let mut seen = recent.len() as u64;
        let mut block = vec![0; 64 * 1024];
        loop {
            let n = limited.read(&mut block)?;
            if n == 0 {
                return Ok(Some(Self { seen, recent }));
            }
            seen += n as u64;
            recent.extend_from_slice(&block[n.saturating_sub(TAIL)..n]);
            let excess = recent.len().saturating_sub(TAIL);
            recent.drain(..excess);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn generations_with_the_same_banner_are_told_apart_by_what_was_read_last() {
        let banner = b"=".repeat(2_000);
        let one = [&banner[..], b"first generation\n"].concat();
        let two = [&banner[..], b"second generation\n"].concat();
        let mark = Mark::at(&file(&one), one.len() as u64).unwrap();
        assert!(mark.stands_in(&file(&one)).unwrap());
        assert!(!mark.stands_in(&file(&two)).unwrap());
        assert!(mark.stands_in(&file(&[&one[..], b"more\n"].concat())).unwrap());
    }

    #[test]
    fn a_mark_grows_with_what_is_consumed() {
        let content: Vec<u8> = (0..5_000u32).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        let whole = file(&content);
        let mut mark = Mark::default();
        let mut position = 0;
        for chunk in content.chunks(77) {
            position += chunk.len() as u64;
            mark.consumed(chunk, position);
            mark.grow_head(&whole, position).unwrap();
            assert!(mark.stands_in(&whole).unwrap());
        }
        let expected = Mark::at(&whole, position).unwrap();
        assert_eq!(mark, expected);
        assert!(mark.stands_in_stream(&mut &content[..], position).unwrap());
        assert!(!mark.stands_in_stream(&mut &content[1..], position - 1).unwrap());
    }

    #[test]
    fn a_copy_of_what_a_file_held_before_is_shorter_and_begins_alike() {
        let content: Vec<u8> = (0..1_000u32).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        let position = content.len() as u64;
        let mark = Mark::at(&file(&content), position).unwrap();
        let stood_before = |content: &[u8]| {
            let in_file = mark.stood_before_in(&file(content), position).unwrap();
            assert_eq!(mark.stood_before_in_stream(&mut &*content, position).unwrap(), in_file);
            in_file
        };
        assert!([5_000, HEAD, HEAD - 1, FIRST].iter().all(|len| stood_before(&content[..*len])));
        assert!(!stood_before(&content) && !stood_before(&[&content[..], b"more\n"].concat()), "not before");
        assert!(!stood_before(&content[1..5_000]) && !stood_before(&content[1..=FIRST]), "not alike");
        assert!(!stood_before(&content[..FIRST - 1]) && !stood_before(b""), "too short to tell");
    }
}
