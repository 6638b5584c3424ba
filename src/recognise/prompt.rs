//! Finds what people asked and models answered within a line: an error quoted there is nobody's failure.

use std::cell::OnceCell;
use std::ops::Range;

use super::evidence::first_word_of_failure;
use super::search::Search;
use super::value::separator;
use super::view::closing;

/// Keys whose quoted or listed values are prompts or answers.
const KEYS: &[&str] = &[
    "content",
    "messages",
    "prompt",
    "question",
    "query",
    "answer",
    "reply",
    "completion",
    "reasoning_content",
    "instruction",
    "instructions",
    "system_prompt",
    "user_prompt",
    "user_input",
    "user_message",
    "history",
    "output_text",
    "summary",
    "transcript",
    "utterance",
];

/// Keys whose values are whole requests, objects too.
const REQUESTS: &[&str] =
    &["input", "json_data", "requestbodyvalues", "request_body", "requestbody", "arguments", "action input"];

/// Words that open a turn of a conversation in a log without quotes (`User: why …`).
const SPEAKERS: &[&str] =
    &["user", "assistant", "human", "prompt", "question", "answer", "用户", "助手", "提问", "问题", "回答", "回复"];

/// What may stand between such a word and its colon.
const MORE: &[&str] =
    &[" text", " said", " says", " asked", " message", " reply", " preview", " output", " input", " content"];

/// The finder of prompts.
#[derive(Debug)]
pub struct Prompts {
    words: Search,
}

impl Prompts {
    /// A finder with the built-in keys.
    pub fn new() -> Self {
        Self { words: Search::longest(&[KEYS, REQUESTS, SPEAKERS].concat()) }
    }

    /// Adds the spans of all prompts in `line`, which is `lower` in lower case, in order and without overlap.
    pub fn find(&self, line: &[u8], lower: &[u8], spans: &mut Vec<Range<usize>>) {
        let mut done = 0;
        let failing = OnceCell::new();
        let speaks_of_failure =
            |end| failing.get_or_init(|| first_word_of_failure(line)).is_some_and(|failure| failure <= end);
        for word in self.words.find_iter(lower) {
            if word.start() < done || !starts_a_word(line, word.start()) {
                continue;
            }
            let which = word.pattern().as_usize();
            let request = (KEYS.len()..KEYS.len() + REQUESTS.len()).contains(&which);
            let span = value_span(line, word.end(), request);
            let speaker = SPEAKERS.iter().any(|s| s.as_bytes() == &lower[word.range()]);
            let span = span.or_else(|| speaker.then(|| turn_span(line, word.range(), speaks_of_failure)).flatten());
            if let Some(span) = span {
                done = span.end;
                spans.push(span);
            }
        }
    }
}

fn starts_a_word(line: &[u8], start: usize) -> bool {
    !start
        .checked_sub(1)
        .is_some_and(|i| line[i].is_ascii_alphanumeric() || matches!(line[i], b'_' | b'-' | b'.' | b'/'))
}

/// The value of a key, if it is quoted, a list, or (for a request) an object: without its quotes or brackets.
fn value_span(line: &[u8], key_end: usize, request: bool) -> Option<Range<usize>> {
    let start = key_end + separator(&line[key_end..])?;
    let backslashes = line[start..].iter().take_while(|b| **b == b'\\').count();
    let at = start + backslashes;
    match line.get(at)? {
        quote @ (b'"' | b'\'' | b'`') => {
            let end = closing(&line[at + 1..], *quote, backslashes).map_or(line.len(), |n| at + 1 + n - backslashes);
            Some(at + 1..end)
        }
        // A list of texts is no conversation: a conversation's turns are objects.
        b'[' if !matches!(line[at + 1..].trim_ascii_start().first(), Some(b'"' | b'\'')) => {
            Some(at + 1..bracketed(line, at, b'[', b']'))
        }
        b'{' if request && !is_error(&line[at + 1..]) => Some(at + 1..bracketed(line, at, b'{', b'}')),
        _ => None,
    }
}

/// Whether an object begins as the API's errors do, and no request does: the SDK prints what a stream broke with as `json_data`, too.
fn is_error(object: &[u8]) -> bool {
    let key = object.iter().position(|b| !matches!(b, b' ' | b'\\' | b'"' | b'\'')).map_or(object, |at| &object[at..]);
    key.starts_with(b"code") || key.starts_with(b"error")
}

/// Where the bracket that opens at `at` closes, texts in quotes left aside; the end of the line where it never does.
fn bracketed(line: &[u8], at: usize, open: u8, close: u8) -> usize {
    let mut depth = 0usize;
    let mut i = at;
    while i < line.len() {
        match line[i] {
            b'"' | b'\'' => {
                let backslashes = line[at..i].iter().rev().take_while(|b| **b == b'\\').count();
                // An apostrophe within a word opens nothing.
                let apostrophe = line[i] == b'\'' && i > 0 && line[i - 1].is_ascii_alphanumeric();
                if !apostrophe {
                    match closing(&line[i + 1..], line[i], backslashes) {
                        Some(end) => i += end + 1,
                        None => return line.len(),
                    }
                }
            }
            b if b == open => depth += 1,
            b if b == close => {
                depth -= 1;
                if depth == 0 {
                    return i;
                }
            }
            _ => {}
        }
        i += 1;
    }
    line.len()
}

/// `User: …` to the end of the line, unless the line speaks of a failure before it; and `user> …`.
fn turn_span(line: &[u8], word: Range<usize>, speaks_of_failure: impl Fn(usize) -> bool) -> Option<Range<usize>> {
    let end = word.end;
    if word.start == 0 && line[end..].starts_with(b"> ") {
        return Some(end + 1..line.len());
    }
    // `answer text:`, `user said:`
    let more =
        MORE.iter().find(|m| line[end..].len() > m.len() && line[end..][..m.len()].eq_ignore_ascii_case(m.as_bytes()));
    let end = end + more.map_or(0, |m| m.len());
    let colon = [b":".as_slice(), "：".as_bytes()].into_iter().find(|c| line[end..].starts_with(c))?;
    let from = end + colon.len();
    let says = line.get(from).is_some_and(|b| *b == b' ' || !b.is_ascii());
    let quiet = says && !speaks_of_failure(end);
    quiet.then_some(from..line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str) -> String {
        let mut spans = Vec::new();
        Prompts::new().find(line.as_bytes(), line.to_ascii_lowercase().as_bytes(), &mut spans);
        let mut out = String::new();
        let mut from = 0;
        for span in spans {
            out.push_str(&line[from..span.start]);
            out.push('…');
            from = span.end;
        }
        out + &line[from..]
    }

    #[test]
    fn values_of_prompt_keys_are_found() {
        assert_eq!(cut(r#"{"content":"a \"b\" c","x":1}"#), r#"{"content":"…","x":1}"#);
        assert_eq!(cut(r#"{\"prompt\": \"a \\\"b\\\" c\", x"#), r#"{\"prompt\": \"…\", x"#);
        assert_eq!(cut("Error messages: {'a': 1}"), "Error messages: {'a': 1}");
        assert_eq!(cut("'json_data': {'a': {}}, b"), "'json_data': {…}, b");
        assert_eq!(cut("messages=[{'a': ']'}, 'it'] model=x"), "messages=[…] model=x");
        assert_eq!(cut("messages: [ [Object] ],"), "messages: […],");
        assert_eq!(cut("'content-type': 'json'"), "'content-type': 'json'");
        assert_eq!(cut("\"contentFilter\":[1]"), "\"contentFilter\":[1]");
    }

    #[test]
    fn a_turn_of_a_conversation_runs_to_the_end_of_the_line() {
        assert_eq!(cut("12:00 INFO User: why 1113?"), "12:00 INFO User:…");
        assert_eq!(cut("用户：为什么"), "用户：…");
        assert_eq!(cut("user> why 1113?"), "user>…");
        assert_eq!(cut("ERROR user: alice failed"), "ERROR user: alice failed");
        assert_eq!(cut("user: alice failed, user: bob"), "user:…");
        assert_eq!(cut("err user: alice"), "err user: alice");
        assert_eq!(cut("(channel id 1, user id: 1): x"), "(channel id 1, user id: 1): x");
    }

    #[test]
    fn hostile_quotes_end() {
        let line = "content".to_string() + ": \"\\".repeat(2000).as_str();
        cut(&line);
        cut(&"messages=[{\"".repeat(500));
    }
}
