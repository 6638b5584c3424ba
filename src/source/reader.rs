//! Bytes of files to counts of the ledger: the one buffer and the one parser that all logs are read through.

use std::io::{self, Read as _};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::buffer::Buffer;
use super::identity::Mark;
use super::relatives::Relative;
use super::tail::Tail;
use crate::config::Config;
use crate::ledger::{Ledger, SetId};
use crate::log::{Parser, Progress, Read};
use crate::recognise::time::Millis;

/// Where counts go, and what time it is.
#[derive(Debug)]
pub struct Tally<'a> {
    /// The counts.
    pub ledger: &'a mut Ledger,
    /// The time of this look.
    pub now: Millis,
}

/// Recognises and counts, whatever the bytes come from.
#[derive(Debug, Default)]
pub struct Counter {
    parser: Parser,
    /// What was read so far.
    pub read: Read,
}

impl Counter {
    /// Counts what a block of a log tells under `set`; what has no time of its own was written at `written`. Returns how many bytes
    /// were consumed.
    pub fn feed(
        &mut self,
        config: &Config,
        progress: &mut Progress,
        block: &[u8],
        (set, written): (SetId, Millis),
        ledger: &mut Ledger,
    ) -> usize {
        let mut tell = |event| ledger.count(set, event, &config.recogniser.catalogue, written);
        let new = self.parser.feed(&config.recogniser, progress, block, config.limits.line_bytes, &mut tell);
        self.read.add(new);
        usize::try_from(new.bytes).unwrap_or(block.len())
    }
}

/// Reads, recognises and counts.
#[derive(Debug)]
pub struct Reader {
    config: Arc<Config>,
    buffer: Buffer,
    counter: Counter,
}

impl Reader {
    /// A reader that recognises what the configuration says.
    pub fn new(config: Arc<Config>) -> Self {
        let buffer = Buffer::new(config.limits.line_bytes);
        Self { config, buffer, counter: Counter::default() }
    }

    /// Reads by another configuration from now on.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.buffer = Buffer::new(config.limits.line_bytes);
        self.config = config;
    }

    /// What was read since the last call.
    pub fn take_read(&mut self) -> Read {
        std::mem::take(&mut self.counter.read)
    }

    /// Reads up to `slice` bytes of an open file; returns how many, and whether the end was reached.
    pub fn slice(&mut self, tail: &mut Tail, slice: u64, tally: &mut Tally<'_>) -> io::Result<(u64, bool)> {
        let Self { config, buffer, counter } = self;
        let to = (tail.set, tail.written.min(tally.now));
        let feed = |progress: &mut Progress, block: &[u8]| counter.feed(config, progress, block, to, tally.ledger);
        tail.read(buffer, slice, tally.now, feed)
    }

    /// Reads a compressed file from a position of its content, before which a mark stands, to its end; returns both there, and why it was
    /// not the end if it was not.
    pub fn compressed(
        &mut self,
        file: &Relative,
        (mut position, mut mark): (u64, Mark),
        set: SetId,
        progress: &mut Progress,
        tally: &mut Tally<'_>,
    ) -> io::Result<(u64, Mark, io::Result<()>)> {
        let mut stream = MultiGzDecoder::new(file.open()?.0);
        io::copy(&mut stream.by_ref().take(position), &mut io::sink())?;
        let Self { config, buffer, counter } = self;
        let read = buffer.pour(&mut stream, |block| {
            let taken = counter.feed(config, progress, block, (set, tally.now), tally.ledger);
            position += taken as u64;
            mark.consumed(&block[..taken], position);
            taken
        });
        Ok((position, mark, read))
    }
}
