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
            Needle { text: text.as_bytes().into(), anchor_at: *anchor_at, check }
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
    /// Whether this needle stands where its anchor was hit.
    fn stands(&self, block: &[u8], anchor: usize) -> bool {
        let Some(start) = anchor.checked_sub(self.anchor_at) else { return false };
        block[start..].starts_with(&self.text) && self.check.passes(block, start, start + self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::anchors;
    use super::*;

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
