//! One log's way from bytes to events: lines, recognise and fold put together. Pure: a block of bytes goes in, events
//! come out, and what must be remembered is in [`Progress`].

mod times;

use serde::{Deserialize, Serialize};

use self::times::Times;
use crate::fold::{Event, Fold, Place};
use crate::lines::{self, Block, Framed, Frames, Longs};
use crate::recognise::{Context, Cursor, Recogniser, Signal, View, time};
use crate::saved::is_default;

/// Everything that a log's bytes have told so far, besides the counts. Committed together with its position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Lines that have ended.
    pub lines: u64,
    /// The rest of a line that was too long is being skipped.
    #[serde(default, skip_serializing_if = "is_default")]
    skipping: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    frames: Frames,
    #[serde(default, skip_serializing_if = "is_default")]
    context: Context,
    #[serde(default, skip_serializing_if = "is_default")]
    fold: Fold,
}

impl Progress {
    /// What is held back: counted as it is when the log has been quiet for long enough, or is at its end.
    pub fn held(&self) -> impl Iterator<Item = Event> {
        self.fold.held()
    }

    /// The rest of the current line is not wanted.
    pub fn skip_line(&mut self) {
        self.skipping = true;
    }

    /// A state may tell any number, and the last is not followed by the first.
    fn pass_lines(&mut self, lines: u64) {
        self.lines = self.lines.saturating_add(lines);
    }

    /// The progress with which the next generation of the same log starts. A runtime that splits a line may print its parts into both.
    pub fn carried_over(&mut self) -> Self {
        let Self { lines, frames, context, fold, .. } = std::mem::take(self);
        self.lines = lines;
        Self { lines, skipping: false, frames, context, fold }
    }

    /// What is next does not follow what was read last: the rest of a split line is lost.
    pub fn lose_rest(&mut self) {
        self.frames = Frames::default();
    }
}

/// What was read, for the exporter's own metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Bytes consumed.
    pub bytes: u64,
    /// Lines that ended within them.
    pub lines: u64,
    /// Lines that were cut.
    pub too_long: u64,
}

impl Read {
    /// Adds what was read since.
    pub fn add(&mut self, new: Self) {
        self.bytes += new.bytes;
        self.lines += new.lines;
        self.too_long += new.too_long;
    }
}

/// The parser of blocks: one for all logs, since what it keeps between blocks are buffers only.
#[derive(Debug, Default)]
pub struct Parser {
    cursor: Cursor,
    view: View,
}

impl Parser {
    /// Takes as many whole lines of `block` as there are, which starts where the last call's consumption ended, and returns
    /// how much was consumed. Lines longer than `line_bytes` are cut there.
    pub fn feed(
        &mut self,
        recogniser: &Recogniser,
        progress: &mut Progress,
        block: &[u8],
        line_bytes: usize,
        tell: &mut dyn FnMut(Event),
    ) -> Read {
        let mut feeding = Feeding { parser: self, recogniser, progress, line_bytes, tell };
        let mut read = Read::default();
        // Until nothing is taken any more, and not only once a call: if this is the end of the log, there is no next one.
        loop {
            let rest = &block[usize::try_from(read.bytes).unwrap_or(block.len())..];
            let step = if feeding.progress.skipping { feeding.skip(rest) } else { feeding.at_a_start(rest) };
            if step.bytes == 0 {
                return read;
            }
            read.add(step);
        }
    }
}

/// One call of [`Parser::feed`].
struct Feeding<'a> {
    parser: &'a mut Parser,
    recogniser: &'a Recogniser,
    progress: &'a mut Progress,
    line_bytes: usize,
    tell: &'a mut dyn FnMut(Event),
}

impl<'a> Feeding<'a> {
    /// Takes what there is of the rest of a line that was too long.
    fn skip(&mut self, block: &[u8]) -> Read {
        let newline = memchr::memchr(b'\n', block);
        let bytes = newline.map_or(block.len(), |n| n + 1);
        times::pass(&mut self.progress.context, bytes);
        if newline.is_some() {
            self.progress.skipping = false;
            self.progress.pass_lines(1);
            self.progress.fold.pass(self.progress.lines, self.tell);
        }
        Read { bytes: bytes as u64, lines: u64::from(newline.is_some()), too_long: 0 }
    }

    /// Takes the whole lines of a block that starts with one.
    fn at_a_start(&mut self, block: &[u8]) -> Read {
        match lines::whole_lines(block, self.line_bytes) {
            Block::Partial => Read::default(),
            Block::TooLong(start) => {
                let mut times = self.times(start);
                self.cut(&mut times, 0, start);
                times.leave(start.len(), block.len(), &mut self.progress.context);
                self.progress.skipping = true;
                Read { bytes: block.len() as u64, lines: 0, too_long: 1 }
            }
            Block::Lines(block) => {
                let before = self.progress.lines;
                let too_long = self.lines(block);
                self.progress.fold.pass(self.progress.lines, self.tell);
                Read { bytes: block.len() as u64, lines: self.progress.lines - before, too_long }
            }
        }
    }

    /// Takes the lines of interest in `block`, which holds whole lines; the others are only counted. Returns how many were too long.
    fn lines(&mut self, block: &[u8]) -> u64 {
        let needles = &self.recogniser.needles;
        let (mut from, mut too_long) = (0, 0);
        let mut times = self.times(block);
        let mut longs = Longs::new(block, self.line_bytes);
        needles.start(&mut self.parser.cursor);
        while from < block.len() {
            let open = self.progress.frames.is_open();
            let hit = if open { Some(from) } else { needles.find(block, from, &mut self.parser.cursor) };
            let Some(at) = hit.into_iter().chain(longs.next(from)).min() else {
                self.progress.pass_lines(lines::count(&block[from..]));
                break;
            };
            let (start, line) = lines::line_at(block, from, at);
            self.progress.pass_lines(lines::count(&block[from..start]));
            if let Some(cut) = line.bytes.get(..self.line_bytes).filter(|cut| cut.len() < line.bytes.len()) {
                too_long += 1;
                self.cut(&mut times, start, cut);
            } else {
                self.line(&mut times, start, line.bytes);
            }
            self.progress.pass_lines(1);
            from = line.next;
        }
        times.leave(block.len(), block.len(), &mut self.progress.context);
        too_long
    }

    /// Takes the first part of a line that is too long. Whether it tells anything is asked of this part alone: of the rest, more or
    /// less is there, by how the bytes arrived.
    fn cut(&mut self, times: &mut Times<'_>, start: usize, cut: &[u8]) {
        if self.progress.frames.is_open() || self.recogniser.needles.stand_in(cut) {
            self.line(times, start, cut);
        }
    }

    /// Takes the line that starts at `start` of the block.
    fn line(&mut self, times: &mut Times<'_>, start: usize, line: &[u8]) {
        let Self { parser, recogniser, progress, line_bytes, tell } = self;
        let Progress { lines, frames, context, fold, .. } = &mut **progress;
        let Framed::Whole(payload, frame) = frames.unwrap(line, *line_bytes) else { return };
        // Of successes and finish reasons nothing but the line matters.
        let mut stands = None;
        recogniser.read(&payload, *lines, context, &mut parser.view, &mut |signal| {
            let place = if matches!(signal, Signal::Failure(_) | Signal::Retry) {
                *stands.get_or_insert_with(|| {
                    let framed = frame.time.and_then(|t| time::in_text(t, &recogniser.zone));
                    let own = time::of(&payload, &recogniser.zone);
                    let above = if own.is_none() { times.before(start) } else { None };
                    let time = framed.or(own).or(above.map(|a| a.time));
                    Place { line: *lines, time, head: above.and_then(|a| a.head) }
                })
            } else {
                Place { line: *lines, time: None, head: None }
            };
            fold.take(signal, place, *tell);
        });
    }

    fn times<'b>(&self, block: &'b [u8]) -> Times<'b>
    where
        'a: 'b,
    {
        Times::new(&self.recogniser.zone, block, self.line_bytes, &self.progress.context)
    }
}

#[cfg(test)]
mod tests;
