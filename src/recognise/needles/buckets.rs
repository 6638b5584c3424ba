//! Deals anchors out to Teddy's buckets.
//!
//! Teddy compares bytes by halves: a bucket is hit where each byte's lower half is that of one of its anchors and the upper half that of one
//! of them, too. Anchors that share a bucket badly hit much that is none of them, and each such hit costs as much as half a line. Which
//! anchors go well together is tried on what services ordinarily log.

use std::cmp::Reverse;

use super::anchors::{Anchor, Bytes, LEN, ORDINARY, windows};

/// How many there are.
const BUCKETS: usize = 8;

/// How many words hold a bit for each piece of the sample; what is beyond is not looked at.
const WORDS: usize = 64;

/// By how much an exchange must be better, in hits: less is noise.
const BETTER: f64 = 0.1;

/// Orders anchors so that Teddy, which deals them out in turn, puts those into a bucket that together look like little else.
pub fn deal(mut anchors: Vec<Anchor>, sample: &Sample) -> Vec<Anchor> {
    anchors.sort_by_key(|a| a.bytes.map(|b| b & 0xF));
    let trial = Trial::new(sample, anchors.iter().map(|a| a.bytes).collect());
    let mut buckets = trial.exchanged(in_shares(anchors.len()));
    // Of a bucket that is hit, one after another is compared.
    for bucket in &mut buckets {
        bucket.sort_by_key(|i| Reverse(anchors[*i].cost));
    }
    let rows = buckets.first().map_or(0, Vec::len);
    let in_turn = (0..rows).flat_map(|row| buckets.iter().filter_map(move |bucket| bucket.get(row)));
    in_turn.map(|i| anchors[*i].clone()).collect()
}

/// The numbers below `count` in buckets, neighbours together, the fuller buckets first.
fn in_shares(count: usize) -> Vec<Vec<usize>> {
    let share = |bucket| count / BUCKETS + usize::from(bucket < count % BUCKETS);
    let mut next = 0..count;
    (0..BUCKETS).map(|bucket| next.by_ref().take(share(bucket)).collect()).collect()
}

/// Tries which anchors go well together.
struct Trial<'a> {
    sample: &'a Sample,
    anchors: Vec<Bytes>,
    /// How often each is hit for itself.
    own: Vec<f64>,
}

impl<'a> Trial<'a> {
    fn new(sample: &'a Sample, anchors: Vec<Bytes>) -> Self {
        let own = anchors.iter().map(|anchor| sample.hits(&[*anchor])).collect();
        Self { sample, anchors, own }
    }

    /// Exchanges anchors between buckets, two at a time, until that makes nothing better.
    fn exchanged(&self, mut buckets: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let mut waste: Vec<f64> = buckets.iter().map(|bucket| self.waste(bucket)).collect();
        let pairs = (0..buckets.len()).flat_map(|two| (0..two).map(move |one| (one, two)));
        let mut better = true;
        while better {
            better = false;
            for pair in pairs.clone() {
                better |= self.exchange(&mut buckets, &mut waste, pair);
            }
        }
        buckets
    }

    /// The same between two buckets. Returns whether that made anything better.
    fn exchange(&self, buckets: &mut [Vec<usize>], waste: &mut [f64], (one, two): (usize, usize)) -> bool {
        let before = waste[one] + waste[two];
        let width = buckets[two].len();
        for (i, j) in (0..buckets[one].len() * width).map(|place| (place / width, place % width)) {
            let wanted = waste[one] + waste[two] - BETTER;
            if wanted < 0.0 {
                break;
            }
            let (mut first, mut second) = (buckets[one].clone(), buckets[two].clone());
            std::mem::swap(&mut first[i], &mut second[j]);
            let of_first = self.waste(&first);
            if of_first >= wanted {
                continue;
            }
            let of_second = self.waste(&second);
            if of_first + of_second < wanted {
                (waste[one], waste[two]) = (of_first, of_second);
                (buckets[one], buckets[two]) = (first, second);
            }
        }
        waste[one] + waste[two] < before
    }

    /// How often a bucket is hit by what is none of its anchors.
    fn waste(&self, bucket: &[usize]) -> f64 {
        let anchors: Vec<Bytes> = bucket.iter().map(|i| self.anchors[*i]).collect();
        self.sample.hits(&anchors) - bucket.iter().map(|i| self.own[*i]).sum::<f64>()
    }
}

/// The lower and the upper half of a byte.
fn halves(byte: u8) -> [usize; 2] {
    [byte & 0xF, byte >> 4].map(usize::from)
}

/// The pieces of a text, on which buckets are tried: each once, since what one service logs all day another never does.
#[derive(Debug)]
pub struct Sample {
    len: f64,
    /// For each byte of a piece, each half of it (the lower, the upper), and each value of that: which pieces have it.
    having: Vec<[[Bits; 16]; 2]>,
    /// How often each byte is there, by its lower and its upper half.
    often: [[f64; 16]; 16],
}

/// One bit for each piece: of a fixed number, so that they are combined without a look at how many there are.
type Bits = [u64; WORDS];

impl Sample {
    /// What services ordinarily log.
    pub fn ordinary() -> Self {
        Self::of(ORDINARY)
    }

    fn of(text: &str) -> Self {
        let mut pieces: Vec<u32> = windows(text).map(u32::from_be_bytes).collect();
        pieces.sort_unstable();
        pieces.dedup();
        pieces.truncate(64 * WORDS);
        let mut sample =
            Self { len: pieces.len() as f64, having: vec![[[[0; WORDS]; 16]; 2]; LEN], often: [[0.0; 16]; 16] };
        for (i, piece) in pieces.into_iter().map(u32::to_be_bytes).enumerate() {
            let [lower, upper] = halves(piece[0]);
            sample.often[lower][upper] += 1.0 / sample.len;
            for (having, byte) in sample.having.iter_mut().zip(piece) {
                having.iter_mut().zip(halves(byte)).for_each(|(having, value)| having[value][i / 64] |= 1 << (i % 64));
            }
        }
        sample
    }

    /// How many pieces a bucket hits: of the text, and of one with the same bytes in any order, since what is logged elsewhere is another.
    fn hits(&self, bucket: &[Bytes]) -> f64 {
        let (mut hits, mut by_chance) = ([u64::MAX; WORDS], self.len);
        for (byte, having) in self.having.iter().enumerate() {
            let values =
                [0, 1].map(|half| bucket.iter().fold(0_u16, |any, anchor| any | 1 << halves(anchor[byte])[half]));
            for (having, values) in having.iter().zip(values) {
                let mut any: Bits = [0; WORDS];
                for value in ones(values) {
                    any.iter_mut().zip(&having[value]).for_each(|(any, having)| *any |= having);
                }
                hits.iter_mut().zip(any).for_each(|(hits, any)| *hits &= any);
            }
            by_chance *= ones(values[0])
                .map(|lower| ones(values[1]).map(|upper| self.often[lower][upper]).sum::<f64>())
                .sum::<f64>();
        }
        f64::from(hits.iter().map(|hits| hits.count_ones()).sum::<u32>()) + by_chance
    }
}

/// The places of the bits that are set.
fn ones(mut bits: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let next = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (next < u16::BITS).then_some(next as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors(texts: &[&str]) -> Vec<Anchor> {
        let bytes = |text: &&str| text.as_bytes().try_into().unwrap();
        texts.iter().map(|text| Anchor { bytes: bytes(text), needles: Vec::new(), cost: 0 }).collect()
    }

    #[test]
    fn a_sample_counts_what_teddy_would_take_for_a_hit() {
        let sample = Sample::of("code Code cope aode ____");
        let exact = |texts: &[&str]| {
            let bytes: Vec<Bytes> = anchors(texts).iter().map(|a| a.bytes).collect();
            sample.hits(&bytes).floor().to_string()
        };
        assert_eq!(exact(&["code"]), "1");
        // The halves of `c`, `C` are those of `code` and `Code`; `p` has the upper of neither `d`.
        assert_eq!(exact(&["code", "Code"]), "2");
        // `cope` too, and what is of both.
        assert_eq!(exact(&["code", "cope"]), "2");
        assert_eq!(exact(&["zzzz"]), "0");
    }

    #[test]
    fn every_anchor_is_dealt_once_and_evenly() {
        for count in [0, 1, 7, 8, 9, 29, 32] {
            let texts: Vec<String> = (0..count).map(|n| format!("{:04}", n * 7919 % 10_000)).collect();
            let all = anchors(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let mut dealt = deal(all.clone(), &Sample::ordinary());
            assert_eq!(dealt.len(), count);
            dealt.sort_by_key(|a| a.bytes);
            let mut all = all;
            all.sort_by_key(|a| a.bytes);
            assert_eq!(dealt, all);
        }
    }
}
