//! One log's way from bytes to events: lines, recognise and fold put together. Pure: a block of bytes goes in, events
//! come out, and what must be remembered is in [`Progress`].

mod times;

use serde::{Deserialize, Serialize};

use self::times::Times;
use crate::fold::{Event, Fold};
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
        let mut read = Read::default();
        // Until nothing is taken any more, and not only once a call: if this is the end of the log, there is no next one.
        loop {
            let rest = &block[usize::try_from(read.bytes).unwrap_or(block.len())..];
            let step = if progress.skipping {
                skip(progress, rest, tell)
            } else {
                self.at_a_start(recogniser, progress, rest, line_bytes, tell)
            };
            if step.bytes == 0 {
                return read;
            }
            read.add(step);
        }
    }

    /// The same for a block that starts with a line.
    fn at_a_start(
        &mut self,
        recogniser: &Recogniser,
        progress: &mut Progress,
        block: &[u8],
        line_bytes: usize,
        tell: &mut dyn FnMut(Event),
    ) -> Read {
        match lines::whole_lines(block, line_bytes) {
            Block::Partial => Read::default(),
            Block::TooLong(start) => {
                let mut times = Times::new(&recogniser.zone, start, line_bytes, &progress.context);
                self.cut(recogniser, progress, &mut times, 0, start, line_bytes, tell);
                times.leave(start.len(), block.len(), &mut progress.context);
                progress.skipping = true;
                Read { bytes: block.len() as u64, lines: 0, too_long: 1 }
            }
            Block::Lines(block) => {
                let before = progress.lines;
                let too_long = self.lines(recogniser, progress, block, line_bytes, tell);
                progress.fold.pass(progress.lines, tell);
                Read { bytes: block.len() as u64, lines: progress.lines - before, too_long }
            }
        }
    }

    /// The lines of interest in `block`, which holds whole lines; the others are only counted.
    fn lines(
        &mut self,
        recogniser: &Recogniser,
        progress: &mut Progress,
        block: &[u8],
        line_bytes: usize,
        tell: &mut dyn FnMut(Event),
    ) -> u64 {
        let (mut from, mut too_long) = (0, 0);
        let mut times = Times::new(&recogniser.zone, block, line_bytes, &progress.context);
        let mut longs = Longs::new(block, line_bytes);
        recogniser.needles.start(&mut self.cursor);
        while from < block.len() {
            let hit = if progress.frames.is_open() {
                Some(from)
            } else {
                recogniser.needles.find(block, from, &mut self.cursor)
            };
            let Some(at) = hit.into_iter().chain(longs.next(from)).min() else {
                progress.pass_lines(lines::count(&block[from..]));
                break;
            };
            let (start, line) = lines::line_at(block, from, at);
            progress.pass_lines(lines::count(&block[from..start]));
            if let Some(cut) = line.bytes.get(..line_bytes).filter(|cut| cut.len() < line.bytes.len()) {
                too_long += 1;
                self.cut(recogniser, progress, &mut times, start, cut, line_bytes, tell);
            } else {
                self.line(recogniser, progress, &mut times, start, line.bytes, line_bytes, tell);
            }
            progress.pass_lines(1);
            from = line.next;
        }
        times.leave(block.len(), block.len(), &mut progress.context);
        too_long
    }

    /// The first part of a line that is too long. Whether it tells anything is asked of this part alone: of the rest, more or less
    /// is there, by how the bytes arrived.
    #[allow(clippy::too_many_arguments)] // as below
    fn cut(
        &mut self,
        recogniser: &Recogniser,
        progress: &mut Progress,
        times: &mut Times<'_>,
        start: usize,
        cut: &[u8],
        line_bytes: usize,
        tell: &mut dyn FnMut(Event),
    ) {
        if progress.frames.is_open() || recogniser.needles.stand_in(cut) {
            self.line(recogniser, progress, times, start, cut, line_bytes, tell);
        }
    }

    #[allow(clippy::too_many_arguments)] // the line, where it stands, and what is known: nothing to group
    fn line(
        &mut self,
        recogniser: &Recogniser,
        progress: &mut Progress,
        times: &mut Times<'_>,
        start: usize,
        line: &[u8],
        line_bytes: usize,
        tell: &mut dyn FnMut(Event),
    ) {
        let Progress { lines, frames, context, fold, .. } = progress;
        let Framed::Whole(payload, frame) = frames.unwrap(line, line_bytes) else { return };
        let mut stands = None;
        recogniser.read(&payload, *lines, context, &mut self.view, &mut |mut signal| {
            let mut written = None;
            if let Signal::Failure(failure) = &mut signal {
                let (time, head) = *stands.get_or_insert_with(|| {
                    let framed = frame.time.and_then(|t| time::in_text(t, &recogniser.zone));
                    let own = time::of(&payload, &recogniser.zone);
                    let above = if own.is_none() { times.before(start) } else { None };
                    (framed.or(own).or(above.map(|a| a.time)), above.and_then(|a| a.head))
                });
                (written, failure.head) = (time, head);
            }
            fold.take(signal, *lines, written, tell);
        });
    }
}

fn skip(progress: &mut Progress, block: &[u8], tell: &mut dyn FnMut(Event)) -> Read {
    let newline = memchr::memchr(b'\n', block);
    let bytes = newline.map_or(block.len(), |n| n + 1);
    times::pass(&mut progress.context, bytes);
    if newline.is_some() {
        progress.skipping = false;
        progress.pass_lines(1);
        progress.fold.pass(progress.lines, tell);
    }
    Read { bytes: bytes as u64, lines: u64::from(newline.is_some()), too_long: 0 }
}

#[cfg(test)]
mod tests;
