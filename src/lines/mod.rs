//! Bytes to lines: pure, and blind to what the lines say.
//!
//! A block always begins at the start of a line and is consumed up to its last newline; what follows waits for its own
//! newline. A line without one within [`Limits::line_bytes`] is cut there, and the rest of it skipped. So which bytes form
//! a line depends on the bytes alone, however they arrive.

mod ansi;
mod frame;

pub use ansi::strip as strip_ansi;
pub use frame::{CRI_PART, DOCKER_END, Frame, Framed, Frames, is_docker_part, payload};
use memchr::{memchr, memrchr};

/// A line within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes without the newline and without a carriage return before it.
    pub bytes: &'a [u8],
    /// Where the next line starts, in the block.
    pub next: usize,
}

/// What a block starts with.
#[derive(Debug, PartialEq, Eq)]
pub enum Block<'a> {
    /// Whole lines, the last newline included.
    Lines(&'a [u8]),
    /// The first part of a line that is too long; all after it up to the newline is to be skipped.
    TooLong(&'a [u8]),
    /// No whole line yet.
    Partial,
}

/// Splits off the whole lines of `block`, which starts at the start of a line.
pub fn whole_lines(block: &[u8], line_bytes: usize) -> Block<'_> {
    match memrchr(b'\n', block) {
        Some(last) => Block::Lines(&block[..=last]),
        // A line that is just as long as it may be, with its line ending, is whole.
        None if block.len() > line_bytes + 1 => Block::TooLong(&block[..line_bytes]),
        None => Block::Partial,
    }
}

/// The line that holds position `at` of `lines`, none of it before `from`.
pub fn line_at(lines: &[u8], from: usize, at: usize) -> (usize, Line<'_>) {
    let start = memrchr(b'\n', &lines[from..at]).map_or(from, |n| from + n + 1);
    let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |n| at + n);
    let bytes = &lines[start..end];
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    (start, Line { bytes, next: lines.len().min(end + 1) })
}

/// Where the lines of a block start that are too long.
#[derive(Debug)]
pub struct Longs<'a> {
    block: &'a [u8],
    line_bytes: usize,
    next: Option<usize>,
}

impl<'a> Longs<'a> {
    /// Those of `block`, which holds whole lines.
    pub fn new(block: &'a [u8], line_bytes: usize) -> Self {
        Self { block, line_bytes, next: first_long(block, 0, line_bytes) }
    }

    /// The first at or after `from`, which is the start of a line and never goes back.
    pub fn next(&mut self, from: usize) -> Option<usize> {
        if self.next.is_some_and(|at| at < from) {
            self.next = first_long(self.block, from, self.line_bytes);
        }
        self.next
    }
}

/// Goes from a newline to the last one within the length that a line may have: lines of ordinary length are passed by the hundred.
fn first_long(block: &[u8], mut start: usize, line_bytes: usize) -> Option<usize> {
    while block.len() - start > line_bytes {
        let end = block.len().min(start + line_bytes + 1);
        match memrchr(b'\n', &block[start..end]) {
            Some(newline) => start += newline + 1,
            // It is just as long as it may be, with its line ending.
            None if block[end - 1..].starts_with(b"\r\n") => start = end + 1,
            None => return Some(start),
        }
    }
    None
}

/// How many lines end in `bytes`.
pub fn count(bytes: &[u8]) -> u64 {
    bytecount::count(bytes, b'\n') as u64
}

#[cfg(test)]
mod tests {
    use memchr::memchr_iter;

    use super::*;

    #[test]
    fn a_partial_line_waits_and_a_long_one_is_cut() {
        assert_eq!(whole_lines(b"a\nb\nc", 100), Block::Lines(b"a\nb\n"));
        assert_eq!(whole_lines(b"abc", 100), Block::Partial);
        assert_eq!(whole_lines(b"abcd\r", 4), Block::Partial);
        assert_eq!(whole_lines(b"abcdef", 4), Block::TooLong(b"abcd"));
    }

    #[test]
    fn lines_that_are_too_long_are_found_between_others() {
        let found = |block: &[u8]| {
            let mut longs = Longs::new(block, 4);
            let starts = std::iter::once(0).chain(memchr_iter(b'\n', block).map(|n| n + 1));
            starts.filter(|start| longs.next(*start) == Some(*start)).collect::<Vec<_>>()
        };
        assert_eq!(found(b"a\nb\nfive5\nfour\nfour\r\nfive5\r\nc\n"), [4, 21]);
        assert_eq!(found(b"\n\n\n\n\n\n\nfour\n"), [0; 0]);
        assert_eq!(found(b"four\rx\n"), [0]);
        assert_eq!(found(b""), [0; 0]);
    }

    #[test]
    fn the_line_around_a_position_is_found_without_its_line_ending() {
        let lines = b"one\r\ntwo\nthree\n";
        let (start, line) = line_at(lines, 0, 6);
        assert_eq!((start, line.bytes, line.next), (5, &b"two"[..], 9));
        let (start, line) = line_at(lines, 0, 1);
        assert_eq!((start, line.bytes, line.next), (0, &b"one"[..], 5));
    }
}
