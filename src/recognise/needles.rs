//! The fast path: which lines deserve a parser.
//!
//! Every line that can tell something holds one of a few dozen texts. They are searched for in whole blocks with SIMD
//! (Teddy, by way of `aho-corasick`), so that a line without any costs no more than its share of the block, and is not
//! even looked at as a line. A hit of a common text (`code`) is checked on the spot by the few bytes after it.

use aho_corasick::packed::{self, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, Input, Span};

use super::value;
use crate::lines;

/// Teddy compares four bytes of each needle at once, for at most 64 needles.
const PER_SEARCHER: usize = 64;

/// What a needle's neighbourhood must look like for the hit to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Anything will do.
    None,
    /// A host name: not the end of a longer word.
    Host,
    /// `code`, then a number that can be an error.
    Code,
    /// `finish_reason` and its like, then a value.
    Finish,
    /// The end of a Docker record that is only a part of a line.
    DockerEnd,
}

/// Texts that are needed whatever the catalogue holds. All of at least four bytes.
const FIXED: &[(&str, Check)] = &[
    ("code", Check::Code),
    ("Code", Check::Code),
    // The business code in `error.type` (Anthropic endpoint, 2025).
    ("type\":\"1", Check::None),
    ("type\": \"1", Check::None),
    ("type': '1", Check::None),
    ("type\\\":\\\"1", Check::None),
    ("type\\\": \\\"1", Check::None),
    ("type: '1", Check::None),
    // The head of a body that is printed over several lines.
    ("error\": {", Check::None),
    ("error\":{", Check::None),
    ("error: {", Check::None),
    ("error': {", Check::None),
    ("finish", Check::Finish),
    ("stop_reason", Check::Finish),
    ("Retrying request", Check::None),
    // The SDKs' own exceptions, where the body is lost.
    ("APIReachLimitError", Check::None),
    ("APIRequestFailedError", Check::None),
    ("APIAuthenticationError", Check::None),
    ("APIInternalError", Check::None),
    ("APIServerFlowExceedError", Check::None),
    ("APIResponseError", Check::None),
    ("ZaiException", Check::None),
    ("ZAiHttpException", Check::None),
    ("ZhiPuAiHttpException", Check::None),
    ("HTTP exception: HTTP ", Check::None),
    // An answer on the line below its request.
    ("returned error: ", Check::None),
    ("<< 4", Check::None),
    ("<< 5", Check::None),
    (lines::CRI_PART[0], Check::None),
    (lines::CRI_PART[1], Check::None),
    (lines::DOCKER_END, Check::DockerEnd),
];

/// The needles of one configuration.
#[derive(Debug)]
pub struct Needles {
    searchers: Vec<(Engine, Vec<Check>)>,
}

#[derive(Debug)]
enum Engine {
    Simd(Searcher),
    /// For processors without the SIMD instructions, and for needle sets that Teddy does not take.
    Automaton(AhoCorasick),
}

/// Where the next hit of each searcher is, so that no byte is searched twice.
#[derive(Debug, Default)]
pub struct Cursor {
    next: Vec<Option<usize>>,
}

impl Needles {
    /// Needles for these hosts, bracket heads (`[130`) and texts of messages.
    pub fn new<'a>(
        hosts: impl Iterator<Item = &'a str>,
        brackets: impl Iterator<Item = &'a str>,
        texts: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut all: Vec<(&str, Check)> = FIXED.to_vec();
        all.extend(hosts.map(|h| (h, Check::Host)));
        all.extend(brackets.chain(texts).map(|t| (t, Check::None)));
        let build = |chunk: &[(&str, Check)]| {
            let needles: Vec<&str> = chunk.iter().map(|(n, _)| *n).collect();
            (Engine::new(&needles), chunk.iter().map(|(_, c)| *c).collect())
        };
        Self { searchers: all.chunks(PER_SEARCHER).map(build).collect() }
    }

    /// Starts a new block.
    pub fn start(&self, cursor: &mut Cursor) {
        cursor.next.clear();
        cursor.next.resize(self.searchers.len(), Some(0));
    }

    /// The first position at or after `from` where a line of interest is hit. `from` never goes back within a block.
    pub fn find(&self, block: &[u8], from: usize, cursor: &mut Cursor) -> Option<usize> {
        for (next, (engine, checks)) in cursor.next.iter_mut().zip(&self.searchers) {
            if next.is_some_and(|at| at < from || at == 0) {
                *next = engine.find(checks, block, from);
            }
        }
        cursor.next.iter().flatten().min().copied()
    }
}

impl Engine {
    fn new(needles: &[&str]) -> Self {
        let simd = packed::Config::new().match_kind(MatchKind::LeftmostFirst).builder().extend(needles).build();
        match simd {
            Some(searcher) => Self::Simd(searcher),
            None => Self::Automaton(AhoCorasick::new(needles).expect("a few dozen short texts make an automaton")),
        }
    }

    fn find(&self, checks: &[Check], block: &[u8], mut from: usize) -> Option<usize> {
        while from < block.len() {
            let (pattern, start, end) = match self {
                Self::Simd(searcher) => {
                    let m = searcher.find_in(block, Span::from(from..block.len()))?;
                    (m.pattern(), m.start(), m.end())
                }
                Self::Automaton(automaton) => {
                    let m = automaton.find(Input::new(block).range(from..))?;
                    (m.pattern(), m.start(), m.end())
                }
            };
            if checks[pattern.as_usize()].passes(block, start, end) {
                return Some(start);
            }
            from = start + 1;
        }
        None
    }
}

impl Check {
    fn passes(self, block: &[u8], start: usize, end: usize) -> bool {
        match self {
            Self::None => true,
            Self::Host => value::is_host(block, start, end),
            Self::Code => value::code(&block[end..]).is_some(),
            Self::Finish => value::finish_reason(&block[start..]).is_some(),
            Self::DockerEnd => lines::is_docker_part(block, start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(block: &str) -> Vec<usize> {
        let texts = (0..90).map(|i| format!("wording number {i:03}")).collect::<Vec<_>>();
        let needles = Needles::new(["api.z.ai"].into_iter(), ["[130"].into_iter(), texts.iter().map(String::as_str));
        let mut cursor = Cursor::default();
        needles.start(&mut cursor);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = needles.find(block.as_bytes(), from, &mut cursor) {
            found.push(at);
            from = at + 1;
        }
        found
    }

    #[test]
    fn a_common_word_counts_only_with_a_number_behind_it() {
        assert_eq!(hits("\"code\":0,\"code\":200,\"code\":null,decode codes=(1302) code 1302"), [0usize; 0]);
        assert_eq!(hits("x \"code\":\"1113\""), [3]);
        assert_eq!(hits("x \\\"code\\\":\\\"1113\\\""), [4]);
        assert_eq!(hits("Error code: 429 - x"), [6]);
    }

    #[test]
    fn hosts_brackets_and_texts_are_hit_across_searchers() {
        assert_eq!(hits("https://api.z.ai/x foo-api.z.aix [1302][x]"), [8, 33]);
        assert_eq!(hits("a wording number 089 b wording number 000"), [2, 23]);
    }
}
