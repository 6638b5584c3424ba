//! Times of lines without one: that of the nearest line above that has one. Which line that is depends on the bytes alone, not on how
//! they are cut into blocks.

use jiff::tz::TimeZone;
use memchr::memrchr;

use crate::recognise::Context;
use crate::recognise::time::{self, Millis};

/// How far above a line its time may stand, in bytes from the start of one to the start of the other: a traceback's time stands above it.
const TIME_BACK: usize = 32 * 1024;

/// `bytes` were passed without a look at them. A time that is too far away by now is forgotten.
pub(super) fn pass(context: &mut Context, bytes: usize) {
    context.time_ago = context.time_ago.saturating_add(bytes as u64);
    if context.time.is_none() || context.time_ago > TIME_BACK as u64 {
        (context.time, context.time_ago) = (None, 0);
    }
}

/// The times above the lines of a block. What was looked through for one line is not looked through again for the next.
pub(super) struct Times<'a> {
    zone: &'a TimeZone,
    block: &'a [u8],
    line_bytes: usize,
    sought: usize,
    /// The last time that was found, and how far before `sought` its line starts.
    last: Option<(Millis, u64)>,
}

impl<'a> Times<'a> {
    /// Of a block, and of what was found above it.
    pub fn new(zone: &'a TimeZone, block: &'a [u8], line_bytes: usize, context: &Context) -> Self {
        Self { zone, block, line_bytes, sought: 0, last: context.time.map(|t| (t, context.time_ago)) }
    }

    /// The time above the line that starts at `end`, which is not before that of the last call.
    pub fn before(&mut self, end: usize) -> Option<Millis> {
        let found = self.nearest(self.sought.max(end.saturating_sub(TIME_BACK)), end);
        let passed = (end - self.sought) as u64;
        self.last = found.or_else(|| self.last.map(|(time, ago)| (time, ago.saturating_add(passed))));
        self.last = self.last.filter(|(_, ago)| *ago <= TIME_BACK as u64);
        self.sought = end;
        self.last.map(|(time, _)| time)
    }

    /// Leaves what was found up to `end` for the next block, which starts at `next` of this one.
    pub fn leave(mut self, end: usize, next: usize, context: &mut Context) {
        self.before(end);
        context.time = self.last.map(|(time, _)| time);
        context.time_ago = self.last.map_or(0, |(_, ago)| ago);
        pass(context, next - end);
    }

    /// The last line with a time of those that start from `least` on and end before `end`, and how far before `end` it starts.
    fn nearest(&self, least: usize, end: usize) -> Option<(Millis, u64)> {
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
            if let Some(time) = time::of(&line[..line.len().min(self.line_bytes)], self.zone) {
                return Some((time, (end - start) as u64));
            }
            upto = start;
        }
        None
    }
}
