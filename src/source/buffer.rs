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
        let new = self.fill(read)?;
        if new > 0 {
            self.drain(take);
        }
        Ok(new)
    }

    /// Reads the beginning of `stream`, at least `wanted` bytes if it has as many, and shows it. [`Buffer::pour_on`] goes on from
    /// there.
    pub fn begin(&mut self, stream: &mut impl Read, wanted: usize) -> io::Result<&[u8]> {
        self.clear();
        while self.filled < wanted && self.fill(|room| read_on(stream, room))? > 0 {}
        Ok(&self.bytes[..self.filled])
    }

    /// Pours all of `stream` through, block by block.
    pub fn pour(&mut self, stream: &mut impl Read, take: impl FnMut(&[u8]) -> usize) -> io::Result<()> {
        self.clear();
        self.pour_on(stream, take)
    }

    /// Pours what was read, and the rest of `stream`, through.
    pub fn pour_on(&mut self, stream: &mut impl Read, mut take: impl FnMut(&[u8]) -> usize) -> io::Result<()> {
        if self.filled > 0 {
            self.drain(&mut take);
        }
        while self.step(|room| read_on(stream, room), &mut take)? > 0 {}
        Ok(())
    }

    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.make_room();
        let new = read(&mut self.bytes[self.filled..])?;
        self.filled += new;
        Ok(new)
    }

    fn drain(&mut self, take: impl FnOnce(&[u8]) -> usize) {
        let taken = take(&self.bytes[..self.filled]);
        self.bytes.copy_within(taken..self.filled, 0);
        self.filled -= taken;
    }

    /// Grows while a line does not fit, and shrinks again afterwards.
    fn make_room(&mut self) {
        let wanted = match self.filled {
            filled if filled < BLOCK => BLOCK,
            filled => (2 * filled).min(self.limit),
        };
        if self.bytes.is_empty() {
            // Zeroed by the system when it is first written to: where logs are small, most of it never is.
            self.bytes = vec![0; wanted];
        }
        if wanted != self.bytes.len() && (wanted > self.bytes.len() || self.filled < wanted) {
            self.bytes.resize(wanted, 0);
            self.bytes.shrink_to(wanted);
        }
    }
}

/// Reads once, and again if that was interrupted.
fn read_on(stream: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(room) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_of_a_stream_is_poured_with_the_rest() {
        for (stream, wanted) in [(&b"one\ntwo\n"[..], 2), (b"1", 2), (b"", 2), (b"one\n", 0)] {
            let mut buffer = Buffer::new(100);
            let mut one_by_one = OneByOne(stream);
            assert_eq!(buffer.begin(&mut one_by_one, wanted).unwrap(), &stream[..wanted.min(stream.len())]);
            let mut poured = Vec::new();
            let take = |all: &[u8]| {
                poured.extend_from_slice(all);
                all.len()
            };
            buffer.pour_on(&mut one_by_one, take).unwrap();
            assert_eq!(poured, stream);
        }
    }

    /// A pipe whose writer is slow.
    struct OneByOne<'a>(&'a [u8]);

    impl Read for OneByOne<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            (&mut self.0).take(1).read(room)
        }
    }

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
