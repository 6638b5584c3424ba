//! A line as its reader would see it: colours, escapes and quoted prompts taken out.
//!
//! The same body reaches a log raw, escaped once, escaped twice, or with its characters as `\uXXXX`. The view has them all
//! in one form, so that everything behind it knows only one. What a user asked or a model answered is not the API's word:
//! it is cut out here, before any of it can look like an error.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::prompt::Prompts;
use super::value::ENTITIES;
use crate::lines;

/// The buffers that views are built in, used again for each line.
#[derive(Debug, Default)]
pub struct View {
    plain: Vec<u8>,
    flat: Vec<u8>,
    lower: Vec<u8>,
    spans: Vec<Range<usize>>,
}

/// A view, and the same in lower case (in ASCII).
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// As it was printed.
    pub text: &'a [u8],
    /// In lower case, byte for byte.
    pub lower: &'a [u8],
}

impl View {
    /// The view of `line`; borrowed as it is where nothing is to be taken out.
    pub fn of<'a>(&'a mut self, line: &'a [u8], prompts: &Prompts) -> Seen<'a> {
        let line = if memchr(0x1B, line).is_some() {
            self.plain.clear();
            lines::strip_ansi(line, &mut self.plain);
            &self.plain
        } else {
            line
        };
        self.spans.clear();
        lower(line, &mut self.lower);
        prompts.find(line, &self.lower, &mut self.spans);
        if self.spans.is_empty() && memchr2(b'\\', b'&', line).is_none() {
            return Seen { text: line, lower: &self.lower };
        }
        self.flat.clear();
        let mut from = 0;
        for span in &self.spans {
            flatten(&line[from..span.start], &mut self.flat);
            from = span.end;
        }
        flatten(&line[from..], &mut self.flat);
        lower(&self.flat, &mut self.lower);
        Seen { text: &self.flat, lower: &self.lower }
    }
}

fn lower(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(text);
    out.make_ascii_lowercase();
}

/// Appends `text` without escapes: `\"`, `\\\"`, `\\\\\\\"` and `&quot;` all become `"`; `\n` a newline; `\uXXXX` its character.
fn flatten(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr2(b'\\', b'&', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if rest[0] == b'&' {
            rest = &rest[entity(rest, out)..];
            continue;
        }
        let run = rest.iter().take_while(|b| **b == b'\\').count();
        rest = &rest[run..];
        rest = &rest[escaped(rest, out)..];
    }
    out.extend_from_slice(rest);
}

/// Appends what the `&` stands for that `rest` begins with (only quotes are looked for), and tells how much of `rest` that took.
fn entity(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let (text, byte) = ENTITIES.into_iter().find(|(entity, _)| rest.starts_with(entity)).unwrap_or((b"&", b'&'));
    out.push(byte);
    text.len()
}

/// Appends what a run of backslashes followed by `rest` stands for, and tells how much of `rest` that took.
fn escaped(rest: &[u8], out: &mut Vec<u8>) -> usize {
    match rest.first() {
        Some(b'n' | b'r') => out.push(b'\n'),
        Some(b't') => out.push(b'\t'),
        Some(b'u') => match unicode(rest) {
            Some((c, len)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return len;
            }
            None => out.extend_from_slice(b"\\u"),
        },
        Some(b'x') => match rest.get(1..3).and_then(hex) {
            Some(byte) => {
                out.push(u8::try_from(byte).unwrap_or(b'?'));
                return 3;
            }
            None => out.extend_from_slice(b"\\x"),
        },
        Some(&quote @ (b'"' | b'\'' | b'/' | b'`')) => out.push(quote),
        Some(&other) => out.extend_from_slice(&[b'\\', other]),
        None => return 0,
    }
    1
}

/// `uXXXX`, or a surrogate pair `uXXXX\uXXXX` (with any number of backslashes between): the character and its length.
fn unicode(rest: &[u8]) -> Option<(char, usize)> {
    let high = hex(rest.get(1..5)?)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, 5));
    }
    let backslashes = rest[5..].iter().take_while(|b| **b == b'\\').count();
    let low = rest.get(5 + backslashes..10 + backslashes).filter(|l| l[0] == b'u').and_then(|l| hex(&l[1..]))?;
    let code = 0x1_0000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
    (0xDC00..0xE000).contains(&low).then(|| char::from_u32(code)).flatten().map(|c| (c, 10 + backslashes))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, d| Some(n << 4 | char::from(*d).to_digit(16)?))
}

/// Where the value that opens with `quote` ends: the first quote of the same kind behind as many backslashes as the
/// opening one. `None` where it never closes.
pub(super) fn closing(text: &[u8], quote: u8, backslashes: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = memchr2(quote, b'\\', &text[at..]) {
        at += found;
        let run = text[at..].iter().take_while(|b| **b == b'\\').count();
        let closes = text.get(at + run) == Some(&quote) && run == backslashes;
        if closes {
            return Some(at + run);
        }
        at += run + 1;
        if at > text.len() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(line: &str) -> String {
        let mut view = View::default();
        String::from_utf8_lossy(view.of(line.as_bytes(), &Prompts::new()).text).into_owned()
    }

    #[test]
    fn every_depth_of_escapes_reads_the_same() {
        let (net, html) = (r"{\u0022code\u0022:\u00221113\u0022}", "{&quot;code&quot;:&#34;1113&quot;}");
        for body in [net, html, r#"{"code":"1113"}"#, r#"{\"code\":\"1113\"}"#, r#"{\\\"code\\\":\\\"1113\\\"}"#] {
            assert_eq!(view(body), r#"{"code":"1113"}"#);
        }
        assert_eq!(view(r"\u4f59\u989d \ud83d\ude00 \\u4f59 \xe4\xbd\x99 a\nb"), "余额 😀 余 余 a\nb");
        assert_eq!(view(r"C:\dir \u12 \ud83d"), r"C:\dir \u12 \ud83d");
    }

    #[test]
    fn what_a_person_asked_is_not_in_the_view() {
        let quoted = r#"Request {'content': 'why {"error":{"code":"1113"}} ?', 'model': 'glm'}"#;
        assert!(!view(quoted).contains("1113"), "{}", view(quoted));
        assert!(view(quoted).contains("glm"));
        let escaped = r#"{"messages":[{"role":"user","content":"why {\"code\":\"1113\"}"}],"error":"x"}"#;
        assert!(!view(escaped).contains("1113"));
        assert!(view(escaped).contains("error"));
    }

    #[test]
    fn colours_are_gone() {
        assert_eq!(view("\u{1b}[31mERROR\u{1b}[0m code"), "ERROR code");
    }
}
