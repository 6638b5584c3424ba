//! Which few short texts find many long ones.
//!
//! The SIMD search costs by the number of different beginnings that it looks for. The catalogue's messages are a hundred,
//! but they repeat themselves: a few dozen pieces of four bytes cover them all. What a piece hits is compared with the
//! needles that hold it, on the spot. The pieces are chosen to be rare in what services ordinarily log.

use std::collections::BTreeMap;

/// The length of an anchor: what Teddy compares at once.
pub const LEN: usize = 4;

/// Lines as well-kept services print them: what stands here often makes a poor anchor.
pub const ORDINARY: &str = include_str!("ordinary.txt");

/// What an anchor costs, in occurrences in [`ORDINARY`]: a hit stops the search for a moment, an anchor slows all of it.
const ANCHOR: usize = 2;

/// A piece of some needles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The piece.
    pub bytes: Bytes,
    /// The needles that are found by it: their indexes, and where the piece stands in them.
    pub needles: Vec<(usize, usize)>,
    /// How often it stands in [`ORDINARY`], and a little more.
    pub cost: usize,
}

/// Chooses anchors so that each of `needles`, none shorter than [`LEN`], holds one: the greedy weighted set cover.
pub fn choose(needles: &[&str]) -> Vec<Anchor> {
    let mut pieces = pieces(needles);
    let mut anchors = Vec::new();
    // The most needles for the least cost; of equals the last in byte order, since letters are rarer than spaces.
    let gain = |piece: &(&Bytes, &Piece)| piece.1.needles.len() * 1_000 / piece.1.cost;
    while let Some((bytes, piece)) = pieces.iter().max_by_key(gain) {
        let (bytes, covered, cost) = (*bytes, piece.needles.clone(), piece.cost);
        let place = |i: &usize| (*i, memchr::memmem::find(needles[*i].as_bytes(), &bytes).unwrap_or_default());
        anchors.push(Anchor { bytes, needles: covered.iter().map(place).collect(), cost });
        pieces.retain(|_, piece| {
            piece.needles.retain(|i| !covered.contains(i));
            !piece.needles.is_empty()
        });
    }
    anchors
}

/// The bytes of an anchor.
pub type Bytes = [u8; LEN];

/// What could be an anchor.
struct Piece {
    cost: usize,
    /// The needles that hold it and have no anchor yet.
    needles: Vec<usize>,
}

fn pieces(needles: &[&str]) -> BTreeMap<Bytes, Piece> {
    let mut pieces: BTreeMap<Bytes, Piece> = BTreeMap::new();
    for (i, needle) in needles.iter().enumerate() {
        for bytes in windows(needle) {
            let piece = pieces.entry(bytes).or_insert(Piece { cost: ANCHOR, needles: Vec::new() });
            if piece.needles.last() != Some(&i) {
                piece.needles.push(i);
            }
        }
    }
    for bytes in windows(ORDINARY) {
        pieces.entry(bytes).and_modify(|p| p.cost += 1);
    }
    pieces
}

/// All pieces of a text.
pub fn windows(text: &str) -> impl Iterator<Item = Bytes> {
    text.as_bytes().windows(LEN).map(|w| w.try_into().expect("windows are of this length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_needle_holds_its_anchor() {
        let needles = ["rate xlimit reached", "xlimit exhausted", "您的账户已欠费", "您的账户不存在", "code"];
        let anchors = choose(&needles);
        let mut covered: Vec<usize> = Vec::new();
        for anchor in &anchors {
            for (i, at) in &anchor.needles {
                assert_eq!(&needles[*i].as_bytes()[*at..*at + LEN], anchor.bytes);
                covered.push(*i);
            }
        }
        covered.sort_unstable();
        assert_eq!(covered, [0, 1, 2, 3, 4]);
        assert_eq!(anchors.len(), 3, "{anchors:?}");
    }

    #[test]
    fn what_every_log_holds_is_no_anchor() {
        let anchors = choose(&["INFO - x9q", "request zq"]);
        assert!(anchors.iter().all(|a| !windows(ORDINARY).any(|w| w == a.bytes)), "{anchors:?}");
    }
}
