//! Which layer printed a line: its text up to the error, without what changes from call to call.

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};

use super::evidence::Form;
use super::http::METHODS;

/// How much of a line its shape is read from, in bytes.
const HEAD: usize = 8 * 1024;

/// What is the same for all lines that one statement of a program prints, but for a name that may stand in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Shape {
    /// A hash of all but the words.
    frame: u64,
    /// A byte of each of the first words' hashes; 0 where there are fewer.
    words: [u8; WORDS],
}

/// How many words are told apart.
const WORDS: usize = 8;

/// How many words two lines share, one of which is a name: with fewer it may be the logger's.
const SHARED: usize = 3;

/// A shape as it is saved; earlier versions had one number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Saved {
    Words(u64, u64),
    Whole(u64),
}

impl From<Shape> for Saved {
    fn from(shape: Shape) -> Self {
        match u64::from_le_bytes(shape.words) {
            0 => Self::Whole(shape.frame),
            words => Self::Words(shape.frame, words),
        }
    }
}

impl From<Saved> for Shape {
    fn from(saved: Saved) -> Self {
        match saved {
            Saved::Words(frame, words) => Self { frame, words: words.to_le_bytes() },
            Saved::Whole(frame) => Self::whole(frame),
        }
    }
}

impl Shape {
    /// A shape without words.
    pub const fn whole(frame: u64) -> Self {
        Self { frame, words: [0; WORDS] }
    }

    /// The same, printed by another layer.
    pub fn by(self, layer: usize) -> Self {
        Self { frame: self.frame.rotate_left(u32::try_from(layer).unwrap_or(u32::MAX)), ..self }
    }

    /// The same below another line.
    pub fn below(self, head: u64) -> Self {
        Self { frame: self.frame ^ head.rotate_left(1), ..self }
    }

    /// Whether one statement may have printed both: `guide for Lyon failed`, `guide for Porto failed`.
    pub fn is_of_statement(self, other: Self) -> bool {
        if self.frame != other.frame || self.words == other.words {
            return self.frame == other.frame;
        }
        let both = || self.words.iter().zip(&other.words);
        let different = both().filter(|(one, two)| one != two).count();
        let shared = both().filter(|(one, two)| one == two && **one != 0).count();
        different == 1 && shared >= SHARED
    }
}

/// A line, as it is looked at for shapes: a line of hundreds of errors is searched once for what it says behind them.
pub struct Printed<'a> {
    view: &'a [u8],
    last: OnceCell<[Option<usize>; 3]>,
}

impl<'a> Printed<'a> {
    /// A line that nothing was asked of yet.
    pub const fn new(view: &'a [u8]) -> Self {
        Self { view, last: OnceCell::new() }
    }

    /// The shape of the line if its error starts at `start` and is written as `form`.
    pub fn shape(&self, start: usize, form: Form) -> Shape {
        let start = start.min(self.view.len());
        let mut kept = Kept::new(form as u8);
        before(&self.view[..start.min(HEAD)], &mut kept);
        if self.view.first() == Some(&b'{') {
            self.statement_behind(start, &mut kept);
        }
        Shape { frame: kept.frame.0, words: kept.words }
    }

    /// What a structured line says behind its error.
    fn statement_behind(&self, start: usize, kept: &mut Kept) {
        let last = self.last.get_or_init(|| LAST.map(|key| memchr::memmem::rfind(self.view, key)));
        let value = |(at, key): (&Option<usize>, &[u8])| {
            let behind = &self.view[at.filter(|at| *at >= start)? + key.len()..];
            let value = behind[..behind.len().min(HEAD)].trim_ascii_start().strip_prefix(b"\"")?;
            Some(&value[..memchr::memchr(b'"', value)?])
        };
        last.iter().zip(LAST).filter_map(value).for_each(|value| statement(value, kept));
    }
}

/// What stands before an error.
fn before(head: &[u8], kept: &mut Kept) {
    // Indentation is part of a shape, the width of a gap within a line is not.
    let indented_to = head.iter().take_while(|b| **b == b' ').count();
    let mut i = 0;
    while i < head.len() {
        i += match head[i] {
            open @ (b'[' | b'(') => bracketed(head, i, open, kept),
            b'"' | b'\'' => quoted(head, i, kept),
            b'=' => {
                kept.push(b'=');
                1 + word(&head[i + 1..]).0
            }
            b if CLASS[usize::from(b)] & WORD != 0 => {
                let (len, numbered) = word(&head[i..]);
                kept.word(&head[i..i + len], numbered);
                len + if head.get(i + len) == Some(&b':') { path(&head[i + len..]) } else { 0 }
            }
            b' ' if i > 0 && head[i - 1] == b' ' && indented_to < i => 1,
            0xE2 if head.get(i + 1) == Some(&0x96) => 3, // U+2580…: the blocks of a progress bar
            b => {
                kept.push(b);
                1
            }
        };
    }
    // Behind a time or a container's name that is printed before every line, what is left of the line's own indentation.
    let gap = gap_before_key(head);
    if gap > 1 && indented_to + gap < head.len() {
        kept.frame.mix(gap as u64);
    }
}

/// How many spaces stand before the key of an object's member that ends a head, with or without the beginning of its value:
/// `    code`, `    "message": "`.
fn gap_before_key(head: &[u8]) -> usize {
    let unquoted = |text: &'_ [u8]| text.len() - usize::from(matches!(text.last(), Some(b'"' | b'\'')));
    let value = head[..unquoted(head)].trim_ascii_end();
    let member = value.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    let key = member.map_or(head, |member| &member[..unquoted(member)]);
    let word = key.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
    let before = &key[..key.len() - word];
    // Names that a logger aligns to the right are none.
    if member.is_some() && !matches!(&key[before.len()..], b"message" | b"msg" | b"code") {
        return 0;
    }
    before[..unquoted(before)].iter().rev().take_while(|b| **b == b' ').count()
}

/// FNV-1a: shapes are a hundred bytes in pieces of five, too short for a hash that works by blocks to pay.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn push(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn mix(&mut self, hash: u64) {
        self.0 = (self.0 ^ hash).wrapping_mul(0x0100_0000_01B3);
    }

    fn extend_from_slice(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.push(*b);
        }
    }
}

/// What is kept of a line.
struct Kept {
    frame: Hash,
    words: [u8; WORDS],
    count: usize,
    /// Whether no bracket closes any more, round and square ones.
    open: [bool; 2],
}

impl Kept {
    fn new(form: u8) -> Self {
        let mut frame = Hash::new();
        frame.push(form);
        Self { frame, words: [0; WORDS], count: 0, open: [false; 2] }
    }

    fn push(&mut self, byte: u8) {
        self.frame.push(byte);
    }

    fn word(&mut self, text: &[u8], numbered: bool) {
        if numbered || is_method(text) {
            return self.push(b'#');
        }
        let stem = stem(text);
        let mut hash = Hash::new();
        hash.extend_from_slice(stem);
        match self.words.get_mut(self.count) {
            Some(place) if !is_of_errors(stem) => {
                *place = hash.0.to_be_bytes()[0].max(1);
                self.count += 1;
                self.push(1);
            }
            _ => self.frame.mix(hash.0),
        }
    }
}

/// Whether a word stands in every line about an error: levels, classes of exceptions, `Error code: 429, with error text`.
fn is_of_errors(word: &[u8]) -> bool {
    const fn lower(word: &[u8]) -> u64 {
        let (mut packed, mut i) = (0, 0);
        while i < word.len() {
            packed = packed << 8 | (word[i] | 0x20) as u64;
            i += 1;
        }
        packed
    }
    const WORDS: [u64; 14] = [
        lower(b"err"),
        lower(b"code"),
        lower(b"http"),
        lower(b"info"),
        lower(b"text"),
        lower(b"warn"),
        lower(b"with"),
        lower(b"error"),
        lower(b"fatal"),
        lower(b"level"),
        lower(b"severe"),
        lower(b"status"),
        lower(b"warning"),
        lower(b"critical"),
    ];
    match word.last() {
        Some(b'r') if word.ends_with(b"Error") => true,
        Some(b'n') if word.ends_with(b"Exception") => true,
        _ => word.len() <= 8 && WORDS.contains(&lower(word)),
    }
}

/// How long the host and path of a URL are, if `text` follows its scheme: they change from call to call.
fn path(text: &[u8]) -> usize {
    let Some(rest) = text.strip_prefix(b"://") else { return 0 };
    let ends = |b: &u8| matches!(b, b' ' | b'"' | b'\'' | b'`' | b')' | b']' | b'>' | b',');
    3 + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Whether a word is the method of a request.
fn is_method(word: &[u8]) -> bool {
    matches!(word.first(), Some(b'G' | b'P' | b'D')) && METHODS.contains(&word)
}

/// What stays of a word without digits: `task-` of `task-a`.
fn stem(word: &[u8]) -> &[u8] {
    match word {
        [.., b'-', _] => &word[..word.len() - 1],
        _ => word,
    }
}

/// A byte that words begin with.
const WORD: u8 = 1;
/// A byte that stands within words.
const WITHIN: u8 = 2;
/// A digit.
const DIGIT: u8 = 4;

static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut b = 0u8;
    loop {
        // 0xE2 begins the blocks of progress bars.
        if b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || b >= 0x80 && b != 0xE2 {
            class[b as usize] |= WORD | WITHIN;
        }
        if b.is_ascii_digit() {
            class[b as usize] |= DIGIT;
        }
        if b == b'.' {
            class[b as usize] |= WITHIN;
        }
        if b == u8::MAX {
            break class;
        }
        b += 1;
    }
};

/// How long the word is that `text` begins with, and whether digits are in it.
fn word(text: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (len, b) in text.iter().enumerate() {
        let class = CLASS[usize::from(*b)];
        if class & WITHIN == 0 {
            return (len, seen & DIGIT != 0);
        }
        seen |= class;
    }
    (text.len(), seen & DIGIT != 0)
}

/// `[worker-3]`, `(channel 7)`: only that it is there.
fn bracketed(head: &[u8], at: usize, open: u8, kept: &mut Kept) -> usize {
    let (close, never) = if open == b'(' { (b')', 0) } else { (b']', 1) };
    let closed = if kept.open[never] { None } else { memchr::memchr(close, &head[at..]) };
    kept.open[never] = closed.is_none();
    kept.push(if closed.is_some() { close } else { open });
    closed.map_or(1, |len| len + 1)
}

/// A quoted text: its words where it is a key, otherwise only that it is there.
fn quoted(head: &[u8], at: usize, kept: &mut Kept) -> usize {
    let Some(len) = memchr::memchr(head[at], &head[at + 1..]) else {
        kept.push(head[at]);
        return 1;
    };
    let after = head[at + len + 2..].trim_ascii_start();
    // `MCP server "reader": failed` names what it failed for.
    let is_key = || matches!(head[..at].trim_ascii_end().last(), None | Some(b'{' | b',' | b'['));
    if matches!(after.first(), Some(b':')) && is_key() {
        kept.frame.extend_from_slice(&head[at..at + len + 2]);
    } else {
        kept.push(head[at]);
        if tells_the_statement(&head[..at]) {
            statement(&head[at + 1..at + 1 + len], kept);
        }
    }
    len + 2
}

/// Keys of structured lines whose values a program's statement sets.
const STATEMENTS: [&[u8]; 7] =
    [b"\"msg\"", b"\"message\"", b"\"event\"", b"\"@mt\"", b"\"type\"", b"\"logger\"", b"\"logger_name\""];

/// Those which loggers print last: winston sorts its keys. What an error itself says is the same for all that print it.
const LAST: [&[u8]; 3] = [b"\"msg\":", b"\"event\":", b"\"message\":"];

/// Whether `before` ends with such a key.
fn tells_the_statement(before: &[u8]) -> bool {
    let key = before.trim_ascii_end().strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    key.is_some_and(|key| STATEMENTS.iter().any(|k| key.ends_with(k)))
}

/// How many words of such a value are kept.
const STATEMENT: usize = 5;

/// The first words of such a value: further ones are often what failed.
fn statement(value: &[u8], kept: &mut Kept) {
    let words = value.split(|b| CLASS[usize::from(*b)] & WITHIN == 0).filter(|w| !w.is_empty());
    for text in words.take(STATEMENT) {
        kept.push(b' ');
        kept.word(text, word(text).1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(line: &str) -> Shape {
        Printed::new(line.as_bytes()).shape(line.find("{}").unwrap_or(line.len()), Form::Object)
    }

    fn same(a: &str, b: &str) -> bool {
        shape(a).is_of_statement(shape(b))
    }

    #[test]
    fn a_name_in_a_statement_is_told_from_another_statement() {
        assert!(same("reply to user alice failed: ", "reply to user bob failed: "));
        assert!(same("guide for Lyon: FAILED Error code: 429 - ", "guide for Porto: FAILED Error code: 429 - "));
        assert!(same("api | ERROR glm item 5 failed: ", "indexer | ERROR glm item 7 failed: "));
        assert!(!same("ERROR app.llm chat failed: ", "ERROR app.api chat failed: "), "it may be the logger");
        assert!(!same(
            "ERROR svc chat failed: Error code: 429, with error text ",
            "ERROR web chat failed: Error code: 429, with error text "
        ));
        assert!(!same("ERROR app.llm: openai.RateLimitError: ", "ERROR app.api: openai.RateLimitError: "));
        assert!(!same("the call of the API failed: ", "a call of an API failed: "));
    }

    #[test]
    fn a_shape_is_saved_in_few_digits_and_read_as_it_was() {
        for shape in [shape("reply to user alice failed: "), Shape::whole(7), shape("")] {
            let saved = serde_json::to_string(&shape).unwrap();
            assert_eq!(serde_json::from_str::<Shape>(&saved).unwrap(), shape);
        }
        assert_eq!(serde_json::from_str::<Shape>("12").unwrap(), Shape::whole(12), "as earlier versions wrote it");
    }

    #[test]
    fn times_ids_and_values_do_not_change_a_shape() {
        assert!(same("2026-08-10 08:54:07,768 [Thread-1] ERROR x: ", "2026-01-17 18:00:00,001 [Thread-22] ERROR x: "));
        assert!(same("| 2025e59bb346 | relay error (user id: 1): ", "| 77aa0b346 | relay error (user id: 2): "));
        assert!(same(r#"{"model": "glm-4.5", "ms": 12, "error": ""#, r#"{"model": "glm-5", "ms": 99, "error": ""#));
        assert!(same(r#"{"msg":"try 1 failed","error":""#, r#"{"msg":"try 12 failed","error":""#));
        assert!(same("user=alice err=", "user=bob err="));
        assert!(same("ERROR task-a ", "ERROR task-b "));
        assert!(same("tool \"reader\": failed: ", "tool \"writer\": failed: "));
        assert!(same("GET https://api.z.ai/a/1 \"", "POST https://api.z.ai/b \""));
        assert!(same("Evaluating:  12%|█▏        | 6/50 ", "Evaluating:  94%|█████▎  | 47/50 "));
    }

    #[test]
    fn another_layer_has_another_shape() {
        assert!(!same("openai.RateLimitError: ", "litellm.llms.OpenAIError: "));
        assert!(!same("  code: ", "    code: "));
        // As `kubectl logs --timestamps` and PM2 print it.
        assert!(!same("2026-08-10T08:54:07.1Z   {}code: ", "2026-08-10T08:54:07.2Z     {}code: "));
        assert!(!same("0|app  |   \"message\": \"{}", "0|app  |     \"message\": \"{}"));
        assert!(same("monthly report for   alice: {}", "monthly report for     bob: {}"));
        assert!(!same("0|app  |   \"code{}\": ", "0|app  |     \"code{}\": "));
        assert!(!same("POST https://api.z.ai/a failed ", "POST https://api.z.ai/a gave up "));
        assert!(!same("x ERROR chat failed: ", ""));
        assert!(!same(r#"{"err":{},"msg":"chat failed"}"#, r#"{"err":{},"msg":"request failed"}"#));
        assert!(same(r#"{"err":{},"msg":"try 1 failed"}"#, r#"{"err":{},"msg":"try 2 failed"}"#));
        assert!(!same(r#"{"msg":"chat failed","error":""#, r#"{"msg":"request failed","error":""#));
    }
}
