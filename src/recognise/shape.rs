//! Which layer printed a line: its text up to the error, without what changes from call to call.

use super::evidence::Form;

/// How much of a line its shape is read from, in bytes.
const HEAD: usize = 16 * 1024;

/// A hash that is the same for all lines that one statement of a program prints.
pub type Shape = u64;

/// The shape of a line whose error starts at `start` and is written as `form`.
pub fn of(view: &[u8], start: usize, form: Form) -> Shape {
    let head = &view[..start.min(view.len()).min(HEAD)];
    let mut kept = Hash::new(form as u8);
    // Indentation is part of a shape, the width of a gap within a line is not.
    let indented_to = head.iter().take_while(|b| **b == b' ').count();
    let mut i = 0;
    while i < head.len() {
        i += match head[i] {
            b'[' => bracketed(head, i, b']', &mut kept),
            b'(' => bracketed(head, i, b')', &mut kept),
            b'"' | b'\'' => quoted(head, i, &mut kept),
            b'=' => {
                kept.push(b'=');
                1 + word(&head[i + 1..]).0
            }
            b if CLASS[usize::from(b)] & WORD != 0 => {
                let (len, numbered) = word(&head[i..]);
                kept.extend_from_slice(stem(&head[i..i + len], numbered));
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
    kept.0
}

/// FNV-1a: shapes are a hundred bytes in pieces of five, too short for a hash that works by blocks to pay.
struct Hash(Shape);

impl Hash {
    fn new(first: u8) -> Self {
        let mut hash = Self(0xCBF2_9CE4_8422_2325);
        hash.push(first);
        hash
    }

    fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }

    fn extend_from_slice(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.push(*b);
        }
    }
}

/// How long the host and path of a URL are, if `text` follows its scheme: they change from call to call.
fn path(text: &[u8]) -> usize {
    let Some(rest) = text.strip_prefix(b"://") else { return 0 };
    let ends = |b: &u8| matches!(b, b' ' | b'"' | b'\'' | b'`' | b')' | b']' | b'>' | b',');
    3 + rest.iter().position(ends).unwrap_or(rest.len())
}

/// RFC 9110, section 9, and RFC 5789.
const METHODS: [&[u8]; 5] = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH"];

/// What stays of a word: nothing of a method and of one with digits, and `task-` of `task-a`.
fn stem(word: &[u8], numbered: bool) -> &[u8] {
    match word {
        _ if numbered => b"#",
        [b'G' | b'P' | b'D', ..] if METHODS.contains(&word) => b"#",
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
fn bracketed(head: &[u8], at: usize, close: u8, kept: &mut Hash) -> usize {
    match memchr::memchr(close, &head[at..]) {
        Some(len) => {
            kept.push(close);
            len + 1
        }
        None => {
            kept.push(head[at]);
            1
        }
    }
}

/// A quoted text: its words where it is a key, otherwise only that it is there.
fn quoted(head: &[u8], at: usize, kept: &mut Hash) -> usize {
    let Some(len) = memchr::memchr(head[at], &head[at + 1..]) else {
        kept.push(head[at]);
        return 1;
    };
    let after = head[at + len + 2..].trim_ascii_start();
    // `MCP server "reader": failed` names what it failed for.
    let is_key = || matches!(head[..at].trim_ascii_end().last(), None | Some(b'{' | b',' | b'['));
    if matches!(after.first(), Some(b':')) && is_key() {
        kept.extend_from_slice(&head[at..at + len + 2]);
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

/// Those which loggers print last, and errors do not hold.
const LAST: [&[u8]; 2] = [b"\"msg\":", b"\"event\":"];

/// The same of what a structured line says behind its error.
pub fn statement_behind(view: &[u8], start: usize) -> Shape {
    let behind = &view[start.min(view.len())..];
    if view.first() != Some(&b'{') {
        return 0;
    }
    let value = |key: &&[u8]| {
        let value = behind[memchr::memmem::rfind(behind, key)? + key.len()..].trim_ascii_start().strip_prefix(b"\"")?;
        Some(&value[..memchr::memchr(b'"', value)?])
    };
    let mut said = Hash(0);
    LAST.iter().filter_map(value).for_each(|value| statement(value, &mut said));
    said.0
}

/// Whether `before` ends with such a key.
fn tells_the_statement(before: &[u8]) -> bool {
    let key = before.trim_ascii_end().strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    key.is_some_and(|key| STATEMENTS.iter().any(|k| key.ends_with(k)))
}

/// The first words of such a value: further ones are often what failed.
fn statement(value: &[u8], kept: &mut Hash) {
    let words = value.split(|b| CLASS[usize::from(*b)] & WITHIN == 0).filter(|w| !w.is_empty());
    for text in words.take(4) {
        kept.push(b' ');
        kept.extend_from_slice(stem(text, word(text).1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        of(a.as_bytes(), a.len(), Form::Object) == of(b.as_bytes(), b.len(), Form::Object)
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
        assert!(!same("POST https://api.z.ai/a failed ", "POST https://api.z.ai/a gave up "));
        assert!(!same("x ERROR chat failed: ", ""));
        let behind = |line: &str| statement_behind(line.as_bytes(), 5);
        assert!(behind(r#"{"err":{},"msg":"chat failed"}"#) != behind(r#"{"err":{},"msg":"request failed"}"#));
        assert!(behind(r#"{"err":{},"msg":"try 1 failed"}"#) == behind(r#"{"err":{},"msg":"try 2 failed"}"#));
        assert!(!same(r#"{"msg":"chat failed","error":""#, r#"{"msg":"request failed","error":""#));
    }
}
