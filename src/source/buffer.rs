//! The one buffer that all logs are read through: a block of whole lines at a time.

use std::io::{self, Read};

/// Blocks of this size stay in a processor's second-level cache between being read and being searched.
const BLOCK: usize = 128 * 1024;

/// A buffer whose unread rest is always the start of a line, or of the rest of one.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    limit: usize,
}

impl Buffer {
    /// A buffer that grows for lines of up to `line_bytes` and their line endings.
    pub fn new(line_bytes: usize) -> Self {
        Self { bytes: Vec::new(), filled: 0, limit: (line_bytes + 2).max(BLOCK) }
    }

    /// Forgets what is unread.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Reads once by `read` and hands all that is there to `take`, which tells how much of it was consumed. Returns how
    /// much was read; 0 is the end.
    pub fn step(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> io::Result<usize> {
        self.make_room();
        let new = read(&mut self.bytes[self.filled..])?;
        self.filled += new;
        let taken = if new == 0 { 0 } else { take(&self.bytes[..self.filled]) };
        self.bytes.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(new)
    }

    /// Pours all of `stream` through, block by block.
    pub fn pour(&mut self, stream: &mut impl Read, mut take: impl FnMut(&[u8]) -> usize) -> io::Result<()> {
        self.clear();
        loop {
            match self.step(|room| stream.read(room), &mut take) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Grows while a line does not fit, and shrinks again afterwards.
    fn make_room(&mut self) {
        let wanted = match self.filled {
            filled if filled < BLOCK => BLOCK,
            filled => (2 * filled).min(self.limit),
        };
        if wanted != self.bytes.len() && (wanted > self.bytes.len() || self.filled < wanted) {
            self.bytes.resize(wanted, 0);
            self.bytes.shrink_to(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_longer_than_a_block_gets_room_up_to_the_limit() {
        let mut buffer = Buffer::new(4 * BLOCK);
        let mut largest = 0;
        for _ in 0..64 {
            let read = |room: &mut [u8]| Ok(room.len());
            let take = |all: &[u8]| {
                largest = largest.max(all.len());
                if all.len() > 4 * BLOCK + 1 { all.len() } else { 0 }
            };
            buffer.step(read, take).unwrap();
        }
        assert_eq!(largest, 4 * BLOCK + 2);
        assert!(buffer.bytes.capacity() <= 4 * BLOCK + 2);
    }
}
