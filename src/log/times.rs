//! Times of lines without one: that of the nearest line above that has one, and which statement printed that. Which line it is depends on
//! the bytes alone, not on how they are cut into blocks.

use jiff::tz::TimeZone;
use memchr::memrchr;

use crate::lines;
use crate::recognise::time::{self, Written};
use crate::recognise::{Context, head};

/// How far above a line its time may stand, in bytes from the start of one to the start of the other: a traceback's time stands above it.
const TIME_BACK: usize = 32 * 1024;

/// The line above that has a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Above {
    /// When it was written.
    pub time: Written,
    /// Which statement printed it, if it speaks of a failure.
    pub head: Option<u64>,
}

/// `bytes` were passed without a look at them. A time that is too far away by now is forgotten.
pub(super) fn pass(context: &mut Context, bytes: usize) {
    context.time_ago = context.time_ago.saturating_add(bytes as u64);
    if context.time.is_none() || context.time_ago > TIME_BACK as u64 {
        (context.time, context.time_ago, context.head) = (None, 0, None);
    }
}

/// The times above the lines of a block. What was looked through for one line is not looked through again for the next.
pub(super) struct Times<'a> {
    zone: &'a TimeZone,
    block: &'a [u8],
    line_bytes: usize,
    sought: usize,
    /// The last time that was found, and how far before `sought` its line starts.
    last: Option<(Above, u64)>,
}

impl<'a> Times<'a> {
    /// Of a block, and of what was found above it.
    pub fn new(zone: &'a TimeZone, block: &'a [u8], line_bytes: usize, context: &Context) -> Self {
        let last = context.time.map(|time| (Above { time, head: context.head }, context.time_ago));
        Self { zone, block, line_bytes, sought: 0, last }
    }

    /// The line with a time above the one that starts at `end`, which is not before that of the last call.
    pub fn before(&mut self, end: usize) -> Option<Above> {
        let found = self.nearest(self.sought.max(end.saturating_sub(TIME_BACK)), end);
        let passed = (end - self.sought) as u64;
        self.last = found.or_else(|| self.last.map(|(above, ago)| (above, ago.saturating_add(passed))));
        self.last = self.last.filter(|(_, ago)| *ago <= TIME_BACK as u64);
        self.sought = end;
        self.last.map(|(above, _)| above)
    }

    /// Leaves what was found up to `end` for the next block, which starts at `next` of this one.
    pub fn leave(mut self, end: usize, next: usize, context: &mut Context) {
        self.before(end);
        context.time = self.last.map(|(above, _)| above.time);
        context.head = self.last.and_then(|(above, _)| above.head);
        context.time_ago = self.last.map_or(0, |(_, ago)| ago);
        pass(context, next - end);
    }

    /// The last line with a time of those that start from `least` on and end before `end`, and how far before `end` it starts.
    fn nearest(&self, least: usize, end: usize) -> Option<(Above, u64)> {
        let mut upto = end;
        while upto > least {
            let from = least.saturating_sub(1);
            let start = match memrchr(b'\n', &self.block[from..upto - 1]) {
                Some(newline) => from + newline + 1,
                None if least == 0 => 0,
                None => return None,
            };
            let line = &self.block[start..upto];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = lines::payload(&line[..line.len().min(self.line_bytes)]);
            if let Some(time) = time::of(line, self.zone) {
                return Some((Above { time, head: head::of(line) }, (end - start) as u64));
            }
            upto = start;
        }
        None
    }
}
