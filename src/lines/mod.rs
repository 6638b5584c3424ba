//! Bytes to lines: pure, and blind to what the lines say.
//!
//! A block always begins at the start of a line and is consumed up to its last newline; what follows waits for its own
//! newline. A line without one within [`Limits::line_bytes`] is cut there, and the rest of it skipped. So which bytes form
//! a line depends on the bytes alone, however they arrive.

mod ansi;
mod frame;

pub use ansi::strip as strip_ansi;
pub use frame::{CRI_PART, DOCKER_END, Frame, Framed, Frames, is_docker_part};
use memchr::{memchr, memchr_iter, memrchr};

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

/// How many lines end in `bytes`.
pub fn count(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_line_waits_and_a_long_one_is_cut() {
        assert_eq!(whole_lines(b"a\nb\nc", 100), Block::Lines(b"a\nb\n"));
        assert_eq!(whole_lines(b"abc", 100), Block::Partial);
        assert_eq!(whole_lines(b"abcd\r", 4), Block::Partial);
        assert_eq!(whole_lines(b"abcdef", 4), Block::TooLong(b"abcd"));
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
