//! The fast path: which lines deserve a parser.
//!
//! Every line that can tell something holds one of some 130 texts. They are searched for in whole blocks with SIMD
//! (Teddy, by way of `aho-corasick`) by a few dozen pieces that they share, so that a line without any costs no more than
//! its share of the block, and is not even looked at as a line. A hit is checked on the spot: the whole text, and for a
//! common one (`code`) the few bytes after it.
//!
//! One such search takes all pieces that are ASCII. The others are searched for only where a block is not ASCII, and the
//! heads of codes in brackets by two bytes that they share; both cost a fraction of it.

mod anchored;
mod anchors;
mod brackets;
mod buckets;

use self::anchored::Anchored;
use self::brackets::Brackets;
use self::buckets::Sample;
use super::{http, sdk, value};
use crate::lines;

/// What a needle's neighbourhood must look like for the hit to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Anything will do.
    None,
    /// A host name: not the end of a longer word.
    Host,
    /// `code`, then a number that can be an error.
    Code,
    /// `type`, then a business code in quotes (Anthropic endpoint, 2025).
    Type,
    /// `error`, then the head of an object.
    Object,
    /// `finish_reason` and its like, then a value.
    Finish,
    /// The end of a Docker record that is only a part of a line.
    DockerEnd,
}

/// Common words that count only with what is behind them.
const CHECKED: [(&str, Check); 7] = [
    ("code", Check::Code),
    ("Code", Check::Code),
    ("type", Check::Type),
    // The head of a body that is printed over several lines.
    ("error", Check::Object),
    ("finish", Check::Finish),
    ("stop_reason", Check::Finish),
    (lines::DOCKER_END, Check::DockerEnd),
];

/// What lines hold that tell nothing without those around them.
const LINKS: [&str; 4] = ["Retrying request", "<last_exception>", lines::CRI_PART[0], lines::CRI_PART[1]];

/// All texts that are needed whatever the catalogue holds, each of at least four bytes.
fn fixed() -> impl Iterator<Item = (&'static str, Check)> {
    let plain = sdk::NEEDLES.into_iter().chain(http::NEEDLES).chain(LINKS);
    CHECKED.into_iter().chain(plain.map(|text| (text, Check::None)))
}

/// The needles of one configuration.
#[derive(Debug)]
pub struct Needles {
    searchers: Vec<Searcher>,
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
        let mut all: Vec<(&str, Check)> = fixed().collect();
        all.extend(hosts.map(|h| (h, Check::Host)));
        all.extend(texts.map(|t| (t, Check::None)));
        // A line that holds the longer of two texts holds the shorter one too.
        let any: Vec<&str> = all.iter().filter(|(_, check)| *check == Check::None).map(|(word, _)| *word).collect();
        all.retain(|(word, _)| !any.iter().any(|shorter| word.len() > shorter.len() && word.contains(shorter)));
        let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
        let (ascii, other): (Vec<_>, Vec<_>) = anchors::choose(&words).into_iter().partition(|a| a.bytes.is_ascii());
        let ordinary = Sample::ordinary();
        let mut searchers: Vec<Searcher> = Anchored::all(&ascii, &all, &ordinary).map(Searcher::Anywhere).collect();
        searchers.extend(Anchored::all(&other, &all, &ordinary).map(Searcher::BeyondAscii));
        searchers.extend(Brackets::all(brackets).into_iter().map(Searcher::Brackets));
        Self { searchers }
    }

    /// Starts a new block.
    pub fn start(&self, cursor: &mut Cursor) {
        cursor.next.clear();
        cursor.next.resize(self.searchers.len(), Some(0));
    }

    /// The first position at or after `from` in a line of interest. `from` never goes back within a block.
    pub fn find(&self, block: &[u8], from: usize, cursor: &mut Cursor) -> Option<usize> {
        for (next, searcher) in cursor.next.iter_mut().zip(&self.searchers) {
            if next.is_some_and(|at| at < from || at == 0) {
                *next = searcher.find(block, from);
            }
        }
        cursor.next.iter().flatten().min().copied()
    }

    /// Whether `line` is of interest.
    pub fn stand_in(&self, line: &[u8]) -> bool {
        self.searchers.iter().any(|searcher| searcher.find(line, 0).is_some())
    }
}

/// Finds some of the needles.
#[derive(Debug)]
enum Searcher {
    /// Those with an anchor in ASCII.
    Anywhere(Anchored),
    /// Those without.
    BeyondAscii(Anchored),
    /// Codes in brackets.
    Brackets(Brackets),
}

impl Searcher {
    fn find(&self, block: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::Anywhere(needles) => needles.find(block, from..block.len()),
            Self::BeyondAscii(needles) => needles.find_beyond_ascii(block, from),
            Self::Brackets(heads) => heads.find(block, from),
        }
    }
}

/// How much is read of a value in colours.
const COLOURED: usize = 96;

/// The beginning of a text without colours.
fn plain(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(COLOURED);
    lines::strip_ansi(&text[..text.len().min(COLOURED)], &mut plain);
    plain
}

impl Check {
    /// Whether the word at `start..end` counts by what is behind it, which may be in a terminal's colours.
    fn passes(self, block: &[u8], start: usize, end: usize) -> bool {
        self.holds(block, start, end)
            || self.may_be_coloured(&block[end..]) && self.holds(&plain(&block[start..]), 0, end - start)
    }

    /// Whether a terminal's escape stands where a value would: `code: ` and `finish_reason: ` are followed by one.
    fn may_be_coloured(self, behind: &[u8]) -> bool {
        match (self, behind) {
            (Self::Code | Self::Type, [a, b, c, d, ..]) => [a, b, c, d].contains(&&0x1B),
            (Self::Finish, _) => behind.iter().take(12).any(|b| *b == 0x1B),
            _ => false,
        }
    }

    #[inline]
    fn holds(self, block: &[u8], start: usize, end: usize) -> bool {
        match self {
            Self::None => true,
            Self::Host => value::is_host(block, start, end),
            Self::Code => value::code(&block[end..]).is_some(),
            Self::Type => value::code(&block[end..]).is_some_and(|code| code.quoted && code.number >= 1_000),
            Self::Object => value::opens_object(&block[end..]),
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
        assert_eq!(hits("{ code: \u{1b}[32m'1261'\u{1b}[39m, code: \u{1b}[33m0\u{1b}[39m }"), [2]);
        assert_eq!(hits("finish_reason: \u{1b}[32m'sensitive'\u{1b}[39m"), [2]);
    }

    #[test]
    fn hosts_brackets_and_texts_are_hit_across_searchers() {
        assert_eq!(hits("https://api.z.ai/x foo-api.z.aix [1302][x]"), [12, 33]);
        let texts = hits("a wording number 089 b wording number 000");
        assert!(matches!(texts[..], [2..=19, 23..=40]), "{texts:?}");
    }

    #[test]
    fn the_built_in_needles_take_a_search_of_each_kind() {
        let catalogue = crate::catalogue::Catalogue::built_in();
        let recogniser = crate::recognise::Recogniser::new(catalogue.into(), &[], jiff::tz::TimeZone::UTC);
        let searchers = &recogniser.needles.searchers[..];
        assert!(
            matches!(searchers, [Searcher::Anywhere(_), Searcher::BeyondAscii(_), Searcher::Brackets(_)]),
            "{} searchers: there are more anchors than one search takes; choose needles that share theirs with others",
            searchers.len()
        );
    }
}
