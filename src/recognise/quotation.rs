//! Errors that a line quotes or shows, and that nobody met.

use super::body::{Coded, Message};
use super::reading::Reading;
use super::{evidence, find};

impl Reading<'_> {
    /// Whether a body stands within a sentence: words follow it, and none before it speaks of a failure. What is printed right behind it is
    /// another program's (`…}}Warning: Problem : HTTP error.`), and a field is no word.
    pub(super) fn is_quotation(&self, coded: &Coded<'_>, behind: Option<&[u8]>) -> bool {
        let Some(after) = behind else { return false };
        let glued = after.first().is_some_and(u8::is_ascii_alphabetic);
        let after = after.trim_ascii_start();
        let words = after.first().is_some_and(|b| b.is_ascii_alphabetic() || b == &b'?' || *b >= 0xE3);
        let words = words && !glued && !is_field(after);
        let failing = || *self.failing.get_or_init(|| evidence::first_word_of_failure(self.view));
        words && failing().is_none_or(|end| end > coded.start)
    }

    /// Whether a body shows what errors look like: the value of an `example`, with `...` for a message, in backticks within a
    /// sentence, or in a question.
    pub(super) fn is_example(&self, coded: &Coded<'_>, behind: Option<&[u8]>) -> bool {
        let (before, after) = (&self.view[..coded.start], &self.view[coded.end..]);
        let dots = |m: Message<'_>| matches!(m.text, b"..." | b"\xE2\x80\xA6");
        let shown = coded.message.is_some_and(dots) || is_value_of_example(before) || in_backticks(before, after);
        shown || behind.is_some_and(is_asked) || is_prompt(self.view)
    }
}

/// Whether a text begins with a field: `status=500`.
fn is_field(text: &[u8]) -> bool {
    let key = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    text.get(key) == Some(&b'=')
}

fn is_value_of_example(before: &[u8]) -> bool {
    let Some(key) = before.trim_ascii_end().strip_suffix(b":") else { return false };
    key.strip_suffix(b"\"").or_else(|| key.strip_suffix(b"'")).unwrap_or(key).ends_with(b"example")
}

/// Whether a text is in backticks, with words around them: `I get `…` in my editor`.
fn in_backticks(before: &[u8], after: &[u8]) -> bool {
    let Some(close) = memchr::memchr(b'`', after) else { return false };
    let Some(open) = memchr::memrchr(b'`', before) else { return false };
    let opened = memchr::memchr_iter(b'`', before).count() % 2 == 1;
    let letter = |b: &u8| b.is_ascii_alphabetic() || *b >= 0x80;
    let said = before[..open].strip_suffix(b" ").and_then(<[u8]>::last).is_some_and(letter);
    opened && said && after[close + 1..].trim_ascii_start().first().is_some_and(letter)
}

/// What follows a body, of which `after` is what stands behind its code.
pub fn behind_body(after: &[u8]) -> Option<&[u8]> {
    let rest = &after[memchr::memchr(b'}', after)?..];
    Some(&rest[rest.iter().take_while(|b| **b == b'}').count()..])
}

/// Whether a Chinese question follows a body, before `text`, in the same text: a program that logs a failure asks nothing.
fn is_asked(text: &[u8]) -> bool {
    if text.is_ascii() {
        return false;
    }
    let text = &text[..memchr::memchr2(b'"', b'\'', text).unwrap_or(text.len())];
    find::QUESTION_MARK.find(text).is_some()
}

/// Whether an agent shows what it was asked: `> why do I get …?`
fn is_prompt(view: &[u8]) -> bool {
    view.starts_with(b"> ") && view.trim_ascii_end().ends_with(b"?")
}
