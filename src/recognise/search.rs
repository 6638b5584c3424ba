//! Searches for many short texts at once: with SIMD (Teddy, by way of `aho-corasick`) where the processor has it, by an
//! automaton elsewhere.

use std::ops::Range;

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, Input, Match, MatchKind, Span};

/// A search for a set of texts.
#[derive(Debug)]
pub enum Search {
    /// Up to 64 texts.
    Simd(packed::Searcher),
    /// For processors without the SIMD instructions, and for larger sets.
    Automaton(AhoCorasick),
}

impl Search {
    /// Finds the first of `texts` at each place.
    pub fn first<T: AsRef<[u8]>>(texts: &[T]) -> Self {
        Self::new(texts, packed::MatchKind::LeftmostFirst, MatchKind::LeftmostFirst)
    }

    /// Finds the longest of `texts` at each place.
    pub fn longest<T: AsRef<[u8]>>(texts: &[T]) -> Self {
        Self::new(texts, packed::MatchKind::LeftmostLongest, MatchKind::LeftmostLongest)
    }

    fn new<T: AsRef<[u8]>>(texts: &[T], simd: packed::MatchKind, automaton: MatchKind) -> Self {
        match packed::Config::new().match_kind(simd).builder().extend(texts).build() {
            Some(searcher) => Self::Simd(searcher),
            None => {
                let automaton = AhoCorasick::builder().match_kind(automaton).build(texts);
                Self::Automaton(automaton.expect("a few hundred short texts make an automaton"))
            }
        }
    }

    /// The first hit in this part of `haystack`.
    pub fn find(&self, haystack: &[u8], part: Range<usize>) -> Option<Match> {
        match self {
            _ if part.is_empty() => None,
            Self::Simd(searcher) => searcher.find_in(haystack, Span::from(part)),
            Self::Automaton(automaton) => automaton.find(Input::new(haystack).range(part)),
        }
    }

    /// All hits, none overlapping another.
    pub fn find_iter<'a>(&'a self, haystack: &'a [u8]) -> impl Iterator<Item = Match> + 'a {
        let mut from = 0;
        std::iter::from_fn(move || {
            let hit = self.find(haystack, from..haystack.len())?;
            from = hit.end();
            Some(hit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_automaton_finds_what_simd_finds() {
        let texts = ["glm", "glm-", "zai", "zai-sdk", "您的账户"];
        let haystack = "glm-4 zai zai-sdk glm 您的账户 gl".as_bytes();
        let ranges = |search: &Search| search.find_iter(haystack).map(|m| m.range()).collect::<Vec<_>>();
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts).unwrap();
        assert_eq!(ranges(&Search::longest(&texts)), ranges(&Search::Automaton(automaton)));
        assert_eq!(ranges(&Search::first(&texts))[..3], [0..3, 6..9, 10..13]);
    }
}
