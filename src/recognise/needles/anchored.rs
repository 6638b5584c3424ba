//! Finds needles by their anchors, as many at once as SIMD takes.

use std::ops::Range;

use super::Check;
use super::anchors::{Anchor, LEN};
use super::buckets::{self, Sample};
use crate::recognise::search::Search;

/// How many anchors one search looks for: up to here, and only so far, Teddy takes 32 bytes at a step.
const AT_ONCE: usize = 32;

/// How much of a block is asked at once whether it is ASCII: some lines, since most hold nothing else.
const STRETCH: usize = 4 * 1024;

/// Some of the needles, by their anchors.
#[derive(Debug)]
pub(super) struct Anchored {
    search: Search,
    /// The needles behind each anchor.
    needles: Vec<Vec<Needle>>,
}

#[derive(Debug)]
struct Needle {
    text: Box<[u8]>,
    /// Where the anchor stands in the text.
    anchor_at: usize,
    check: Check,
    near: Near,
}

/// Eight bytes of a needle, compared at once: a dozen needles may share an anchor, and on a line that holds it most are told apart here.
#[derive(Debug, Clone, Copy)]
struct Near {
    /// Where they stand in the needle's text.
    at: usize,
    bytes: u64,
    /// Of a shorter text only so many count.
    mask: u64,
    /// There is no more to the text.
    all: bool,
}

impl Anchored {
    /// As few searches as can be for these anchors, which point into `needles`.
    pub fn all<'a>(
        anchors: &'a [Anchor],
        needles: &'a [(&str, Check)],
        ordinary: &'a Sample,
    ) -> impl Iterator<Item = Self> + 'a {
        let searches = anchors.len().div_ceil(AT_ONCE).max(1);
        let share = anchors.len().div_ceil(searches).max(1);
        anchors.chunks(share).map(|some| Self::new(some.to_vec(), needles, ordinary))
    }

    fn new(anchors: Vec<Anchor>, needles: &[(&str, Check)], ordinary: &Sample) -> Self {
        let anchors = buckets::deal(anchors, ordinary);
        let patterns: Vec<[u8; LEN]> = anchors.iter().map(|a| a.bytes).collect();
        let needle = |(i, anchor_at): &(usize, usize)| {
            let (text, check) = needles[*i];
            Needle::new(text.as_bytes(), *anchor_at, check)
        };
        Self {
            search: Search::first(&patterns),
            needles: anchors.iter().map(|a| a.needles.iter().map(needle).collect()).collect(),
        }
    }

    /// The first anchor of a needle in this part of a block.
    pub fn find(&self, block: &[u8], mut part: Range<usize>) -> Option<usize> {
        while let Some(anchor) = self.search.find(block, part.clone()) {
            if self.needles[anchor.pattern().as_usize()].iter().any(|needle| needle.stands(block, anchor.start())) {
                return Some(anchor.start());
            }
            part.start = anchor.start() + 1;
        }
        None
    }

    /// The first anchor from `from` on, if none is ASCII: looked for only where the block is not.
    pub fn find_beyond_ascii(&self, block: &[u8], from: usize) -> Option<usize> {
        (from..block.len()).step_by(STRETCH).find_map(|start| {
            let end = block.len().min(start + STRETCH);
            if block[start..end].is_ascii() {
                return None;
            }
            // Half of an anchor may stand on either side.
            self.find(block, from.max(start.saturating_sub(LEN))..block.len().min(end + LEN))
        })
    }
}

impl Needle {
    fn new(text: &[u8], anchor_at: usize, check: Check) -> Self {
        Self { text: text.into(), anchor_at, check, near: Near::of(text, anchor_at) }
    }

    /// Whether this needle stands where its anchor was hit.
    fn stands(&self, block: &[u8], anchor: usize) -> bool {
        let Some(start) = anchor.checked_sub(self.anchor_at) else { return false };
        let whole = match self.near.stands(block, start) {
            Some(false) => false,
            Some(true) if self.near.all => true,
            _ => block[start..].starts_with(&self.text),
        };
        whole && self.check.passes(block, start, start + self.text.len())
    }
}

impl Near {
    /// Of a text the bytes before its anchor, or else behind it: the anchor itself is known to stand there.
    fn of(text: &[u8], anchor_at: usize) -> Self {
        let at = match anchor_at {
            8.. => anchor_at - 8,
            _ if text.len() >= anchor_at + LEN + 8 => anchor_at + LEN,
            _ => 0,
        };
        let len = text.len().min(at + 8) - at;
        let (mut bytes, mut mask) = ([0; 8], [0; 8]);
        bytes[..len].copy_from_slice(&text[at..at + len]);
        mask[..len].fill(0xFF);
        let (bytes, mask) = (u64::from_le_bytes(bytes), u64::from_le_bytes(mask));
        Self { at, bytes, mask, all: len == text.len() }
    }

    /// Whether they stand in a text of `block` that starts at `start`; nothing at the very end of the block.
    fn stands(self, block: &[u8], start: usize) -> Option<bool> {
        let found = block.get(start + self.at..)?.first_chunk()?;
        Some((u64::from_le_bytes(*found) ^ self.bytes) & self.mask == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::anchors;
    use super::*;

    #[test]
    fn needles_of_any_length_stand_where_they_are_whole() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        for len in LEN..=long.len() {
            for anchor_at in 0..=len - LEN {
                let needle = Needle::new(&long.as_bytes()[..len], anchor_at, Check::None);
                for (before, after) in [("", ""), ("..", ""), ("", "........"), ("..", "........")] {
                    let block = format!("{before}{}{after}", &long[..len]).into_bytes();
                    let anchor = before.len() + anchor_at;
                    assert!(needle.stands(&block, anchor), "{len} {anchor_at}");
                    for at in before.len()..before.len() + len {
                        let mut other = block.clone();
                        other[at] = b'_';
                        assert!(!needle.stands(&other, anchor), "{len} {anchor_at} {at}");
                    }
                    assert!(!needle.stands(&block[..block.len() - after.len() - 1], anchor));
                }
            }
        }
    }

    #[test]
    fn what_is_not_ascii_is_found_wherever_a_stretch_ends() {
        let needles = [("您的账户已欠费", Check::None)];
        let anchors = anchors::choose(&["您的账户已欠费"]);
        let [anchored] = &Anchored::all(&anchors, &needles, &Sample::ordinary()).collect::<Vec<_>>()[..] else {
            panic!("one anchor, one search")
        };
        let at = anchored.needles[0][0].anchor_at;
        for before in STRETCH - 40..STRETCH + 3 {
            let block = format!("{}您的账户已欠费{}", "x".repeat(before), "y".repeat(2 * STRETCH));
            assert_eq!(anchored.find_beyond_ascii(block.as_bytes(), 0), Some(before + at));
            assert_eq!(anchored.find_beyond_ascii(block.as_bytes(), before + at + 1), None);
        }
    }
}
