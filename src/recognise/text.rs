//! Messages without a code: the texts that identify a row of the catalogue alone, where a client dropped the body.

use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::evidence::speaks_of_failure;
use crate::catalogue::{Catalogue, Category, Row, Wording, normalise, normalise_mapped};

/// How much of a line around a hit is compared with the wording, in bytes.
const AROUND: Range<usize> = 512..1_536;

/// How much of a line behind a hit is normalised at once.
const WINDOW: usize = 4 * AROUND.end;

/// In how much of a message another code's text is looked for: a line may hold hundreds of messages.
const FIRST_PART: usize = 512;

/// Shorter texts others print too, whole: `Authentication Failed`. Normalised bytes.
const TELLING: usize = 22;

/// How far back a word like `error` is looked for.
const LEAD: usize = 160;

/// All texts of a catalogue, ready to be searched for.
#[derive(Debug)]
pub struct Texts {
    anchors: AhoCorasick,
    /// Behind each anchor, the texts that hold it.
    entries: Vec<Vec<Entry>>,
    words: Vec<String>,
}

#[derive(Debug, Clone)]
struct Entry {
    row: usize,
    wording: Wording,
    /// Whether the text identifies its row alone.
    strong: bool,
}

/// A text found in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The row of the catalogue.
    pub row: usize,
    /// Whether the text identifies its row alone.
    pub strong: bool,
    /// Where it starts in the line.
    pub start: usize,
    /// Its length, normalised: the longer text is the more specific one.
    pub len: usize,
}

impl Texts {
    /// The texts of `catalogue`.
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut words: Vec<String> = Vec::new();
        let mut entries: Vec<Vec<Entry>> = Vec::new();
        for (row, r) in catalogue.rows().iter().enumerate() {
            let strong = r.wordings.iter().map(|w| (w, true));
            for (wording, strong) in strong.chain(r.weak.iter().map(|w| (w, false))) {
                let entry = Entry { row, wording: wording.clone(), strong };
                let anchor = anchor(wording.longest_literal());
                match words.iter().position(|w| *w == anchor) {
                    Some(at) => entries[at].push(entry),
                    None => {
                        words.push(anchor);
                        entries.push(vec![entry]);
                    }
                }
            }
        }
        let anchors = AhoCorasick::new(&words).expect("a few hundred short texts make an automaton");
        Self { anchors, entries, words }
    }

    /// The anchors by which a line with an identifying text is found.
    pub fn needles(&self) -> impl Iterator<Item = &str> {
        let strong = |(word, _): &(&String, &Vec<Entry>)| word.len() >= 4;
        self.words
            .iter()
            .zip(&self.entries)
            .filter(strong)
            .filter(|(_, e)| e.iter().any(|e| e.strong))
            .map(|(w, _)| w.as_str())
    }

    /// The texts in `view` that stand where a client prints a message. `weak` asks for those too that others print.
    pub fn find(&self, view: &[u8], weak: bool) -> Vec<Found> {
        let mut found = Vec::new();
        self.all(view, weak, |text| found.push(text));
        found.retain(|f| is_message(view, f.start));
        found
    }

    /// The row of a business code that a message, in its first part, identifies by its text alone.
    pub fn business<'a>(&self, message: &[u8], catalogue: &'a Catalogue) -> Option<&'a Row> {
        let found = meant(self.find(&message[..message.len().min(FIRST_PART)], false));
        found.iter().map(|f| &catalogue.rows()[f.row]).find(|row| row.category != Category::Http)
    }

    /// The rows whose texts `view` holds: identifying ones anywhere, others where a client prints a message.
    pub fn rows(&self, view: &[u8], mut tell: impl FnMut(usize)) {
        self.all(view, true, |found| {
            if found.strong || is_message(view, found.start) {
                tell(found.row);
            }
        });
    }

    fn all(&self, view: &[u8], weak: bool, mut tell: impl FnMut(Found)) {
        let mut window = Window::default();
        for hit in self.anchors.find_overlapping_iter(view) {
            let mut around = None;
            for entry in self.entries[hit.pattern().as_usize()].iter().filter(|e| e.strong || weak) {
                let around = around.get_or_insert_with(|| window.around(view, hit.start()));
                if let Some((start, len)) = window.whole(view, around, &entry.wording) {
                    tell(Found { row: entry.row, strong: entry.strong, start, len });
                }
            }
        }
    }
}

/// Of texts at one place the longest is meant: 1312's begins with 1305's.
pub fn meant(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|f| (f.start, std::cmp::Reverse(f.len)));
    found.dedup_by_key(|f| f.start);
    found
}

/// The longest run of a text that no client changes: words with single spaces, or CJK characters, without punctuation
/// and without a capital at its head.
fn anchor(literal: &str) -> String {
    let kind = |c: char| match c {
        c if c.is_ascii_alphanumeric() => 1,
        ' ' => 2,
        c if !c.is_ascii() && !"，。：；！？、（）《》“”‘’—…".contains(c) => 3,
        _ => 0,
    };
    let mut best = "";
    let mut start = 0;
    let mut last = 0;
    for (i, c) in literal.char_indices().chain([(literal.len(), '\n')]) {
        let now = kind(c);
        let joins = now != 0 && (now == last || now + last == 3 && last != 3 && now != 3);
        if !joins {
            let run = literal[start..i].trim_matches(' ');
            if run.len() >= best.len() {
                best = run;
            }
            start = i;
        }
        last = now;
    }
    let capital = best.starts_with(|c: char| c.is_ascii_uppercase()) && best.len() > 5;
    best[usize::from(capital)..].to_string()
}

/// A part of a line, normalised: hits stand close together in a line that is full of them.
#[derive(Default)]
struct Window {
    part: Range<usize>,
    text: Vec<u8>,
    /// Where each byte stood in the line.
    places: Vec<usize>,
}

/// What is compared with the wordings behind a hit: a part of a window, and where the hit stands in the window.
struct Around {
    part: Range<usize>,
    hit: usize,
}

impl Window {
    /// Moves to where what is around `hit` can be seen. Hits come in their order, or nearly so.
    fn around(&mut self, view: &[u8], hit: usize) -> Around {
        let from = hit.saturating_sub(AROUND.start);
        let to = view.len().min(hit + AROUND.end);
        if !(self.part.start <= from && to <= self.part.end) {
            self.move_to(view, from..view.len().min(hit + WINDOW));
        }
        let place = |at: usize| self.places.partition_point(|place| *place < at);
        let start = if from == self.part.start { 0 } else { place(from) };
        let end = if to == self.part.end { self.places.len() } else { place(to) };
        Around { part: start..end, hit: place(hit) }
    }

    fn move_to(&mut self, view: &[u8], part: Range<usize>) {
        let Self { text, places, .. } = self;
        text.clear();
        places.clear();
        text.reserve(part.len());
        places.reserve(part.len());
        normalise_mapped(&view[part.clone()], |byte, at| {
            text.push(byte);
            places.push(part.start + at);
        });
        self.part = part;
    }

    /// Where the wording whose anchor is the hit starts, and its normalised length, if all of it is there.
    fn whole(&self, view: &[u8], around: &Around, wording: &Wording) -> Option<(usize, usize)> {
        let text = &self.text[around.part.clone()];
        let mut range = wording.find_over(text, around.hit - around.part.start)?;
        let place = |range: &Range<usize>| self.places[around.part.start + range.start];
        // A path in the placeholder's place may hold the text's beginning: `API /api/paas does not exist`.
        let within = |start: usize| start > 0 && (view[start - 1] == b'/' || view[start - 1].is_ascii_alphanumeric());
        while within(place(&range))
            && let Some(longer) = wording.find_longer(text, &range)
        {
            range = longer;
        }
        let start = place(&range);
        Some((if wording.opens_with_placeholder() { placeholder_start(view, start) } else { start }, range.len()))
    }
}

/// Where the placeholder that ends at `end` starts: behind the last separator before it.
fn placeholder_start(view: &[u8], end: usize) -> usize {
    let from = end.saturating_sub(48);
    let separator = |b: &u8| matches!(b, b':' | b'"' | b'\'' | b'-' | b'[' | b'\n' | b'=');
    view[from..end].iter().rposition(separator).map_or(from, |at| from + at + 1)
}

/// Whether a text that starts at `start` stands where clients print messages: at the start of a line, behind a status,
/// behind a key like `message`, or behind the colon or dash of a line about a failure. In a sentence it is a quotation.
fn is_message(view: &[u8], start: usize) -> bool {
    let quoted = view[..start].trim_ascii_end();
    let before = strip_end(quoted, &["\"", "'", "`", "“", "「", "'", "("]).trim_ascii_end();
    if is_behind_code(quoted, before) {
        return false;
    }
    if before.is_empty() || view[before.len()..start].contains(&b'\n') || is_bullet(before) {
        return true;
    }
    if status_at_end(strip_end(before, &["-", "–", "—", ":", "："]).trim_ascii_end()) {
        return true;
    }
    if is_behind_cells(before) {
        return true;
    }
    // go-openai's `error, …`
    if before.ends_with(b"error,") {
        return true;
    }
    // Ruby's `RateLimitError (…)`.
    if quoted.ends_with(b"(") && (before.ends_with(b"Error") || before.ends_with(b"Exception")) {
        return true;
    }
    let separated = [":", "：", "=", "-", "–", "—", ">", "|", "·", "]"].iter().any(|s| before.ends_with(s.as_bytes()));
    let lead = &before[before.len().saturating_sub(LEAD)..];
    separated && (speaks_of_failure(lead) || message_key(before))
}

/// Whether a text is all that openai-python 3 prints of an error: `Error code: 400 - Prompt exceeds max length`, to the end of the line, or
/// of the quotes around it.
pub fn is_sdk_message(view: &[u8], found: &Found) -> bool {
    let before = view[..found.start].strip_suffix(b" - ").filter(|before| status_at_end(before));
    let Some(before) = before.and_then(|before| before[..before.len() - 3].strip_suffix(b"Error code: ")) else {
        return false;
    };
    let text = &view[found.start..];
    let quote = before.last().filter(|b| matches!(b, b'"' | b'\''));
    let end = quote.and_then(|quote| memchr::memchr(*quote, text)).unwrap_or(text.len());
    found.len >= TELLING && normalise(&text[..end]).len() == found.len
}

/// Whether a text stands behind a status and a code: in the cells of a table of calls (`glm-4.6,400,1301,"…"`), or printed one after the other
/// (`chat failed 429 1302 …`).
fn is_behind_cells(before: &[u8]) -> bool {
    let (code, separator) = before.strip_suffix(b",").map_or((before, b' '), |code| (code, b','));
    let digits = digits_at_end(code);
    let status = code[..code.len() - digits].strip_suffix(&[separator]);
    digits == 4 && status.is_some_and(status_at_end)
}

/// Whether a text stands where a list of all messages has it: behind the code in a table (`1113 | …`; `app-1 | ` is what Docker Compose prints
/// before a line), or behind the code as a key (`"1113":"…"`).
fn is_behind_code(quoted: &[u8], before: &[u8]) -> bool {
    let cell = before.strip_suffix(b"|").map(<[u8]>::trim_ascii_end);
    let key = || {
        let key = before.strip_suffix(b":").filter(|_| quoted.len() > before.len())?.trim_ascii_end();
        key.strip_suffix(b"\"").or_else(|| key.strip_suffix(b"'")).or_else(|| is_bare_key(key).then_some(key))
    };
    let Some(code) = cell.or_else(key) else { return false };
    let digits = digits_at_end(code);
    // A key may be longer: `'error.glm.1301': '…'`.
    let word = |b: &u8| b.is_ascii_alphanumeric() || cell.is_some() && matches!(b, b'-' | b'_' | b'.');
    digits == 4 && !code[..code.len() - digits].last().is_some_and(word)
}

/// Whether a number is a key in source code: `  1113: "…",`, also behind what grep prints before a line.
fn is_bare_key(key: &[u8]) -> bool {
    let digits = digits_at_end(key);
    let before = &key[..key.len() - digits];
    before.trim_ascii().is_empty()
        || before.ends_with(b"  ")
        || matches!(before.trim_ascii_end().last(), Some(b'{' | b','))
}

fn strip_end<'a>(text: &'a [u8], ends: &[&str]) -> &'a [u8] {
    ends.iter().find_map(|e| text.strip_suffix(e.as_bytes())).unwrap_or(text)
}

fn is_bullet(before: &[u8]) -> bool {
    matches!(before.trim_ascii(), b"-" | b"*" | b">" | b"#" | b"\xE2\x8E\xBF" | b"|")
}

/// What messages stand behind.
const MESSAGE_KEYS: [&str; 9] =
    ["message", "msg", "reason", "detail", "details", "description", "信息", "原因", "详情"];

fn message_key(before: &[u8]) -> bool {
    let key = before.trim_ascii_end();
    // PHP prints `[message] => …`.
    let key = strip_end(key, &[":", "：", "=>", "="]).trim_ascii_end();
    let key = strip_end(strip_end(key, &["]"]), &["\"", "'"]);
    let ends = |word: &str| {
        key.len().checked_sub(word.len()).is_some_and(|at| key[at..].eq_ignore_ascii_case(word.as_bytes()))
    };
    MESSAGE_KEYS.iter().any(|word| ends(word))
}

/// How many digits `text` ends with.
fn digits_at_end(text: &[u8]) -> usize {
    text.iter().rev().take_while(|b| b.is_ascii_digit()).count()
}

/// Whether `text` ends with an HTTP status of an error.
pub fn status_at_end(text: &[u8]) -> bool {
    let text = strip_end(text, &[")", "]"]);
    let digits = digits_at_end(text);
    digits == 3 && matches!(text[text.len() - 3], b'4' | b'5')
}

impl Found {
    /// Whether `catalogue`'s row is one of the HTTP table.
    pub fn is_http(&self, catalogue: &Catalogue) -> bool {
        catalogue.rows()[self.row].category == Category::Http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(view: &str) -> Option<u32> {
        let catalogue = Catalogue::built_in();
        let found = meant(Texts::new(&catalogue).find(view.as_bytes(), false));
        found.first().map(|f| catalogue.rows()[f.row].code)
    }

    #[test]
    fn anchors_have_nothing_in_them_that_clients_change() {
        assert_eq!(anchor("您当前使用该API的并发数过高，请降低并发"), "的并发数过高");
        assert_eq!(
            anchor("Insufficient balance or no resource package. x"),
            "nsufficient balance or no resource package"
        );
        assert_eq!(anchor("Prompt 超长"), "超长");
    }

    #[test]
    fn messages_are_found_where_clients_print_them() {
        for (line, expected) in [
            ("openai.RateLimitError: Error code: 429 - 您的账户已达到速率限制，请您控制请求频率", 1302),
            ("429 余额不足或无可用资源包,请充值。", 1113),
            ("litellm.BadRequestError: ZaiException - Invalid API parameter, please check the documentation.", 1210),
            ("relay error (channel id 1, user id: 1): 您当前使用该 API 的并发数过高，请降低并发", 1302),
            ("\"message\":\"Insufficient balance or no resource package. Please recharge.\"", 1113),
            ("Error code: 429 - Usage limit reached for 5 hour. Your limit will reset at 2026-01-25", 1308),
            ("Error: 429 该模型当前访问量过大，请您稍后再试，或切换其他模型如 x", 1312),
            ("Error: 429 该模型当前访问量过大，请您稍后再试", 1305),
            ("ZaiException - The messages parameter is illegal. Please check the documentation.", 1214),
            ("error: \"messages 参数非法。请检查文档。\"", 1214),
        ] {
            assert_eq!(code(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_sentence_that_quotes_a_message_is_none() {
        assert_eq!(code("错误码 1301 表示系统检测到输入或生成内容可能包含不安全或敏感内容"), None);
        assert_eq!(code("error table: | 1301 | 系统检测到输入或生成内容可能包含不安全或敏感内容 |"), None);
        assert_eq!(code(r#"errors: {"1000":"x","1301":"系统检测到输入或生成内容可能包含不安全或敏感内容"}"#), None);
        assert_eq!(code(r#"src/errors.ts:14:  1301: "系统检测到输入或生成内容可能包含不安全或敏感内容","#), None);
        assert_eq!(code(r#"Error 1301: "系统检测到输入或生成内容可能包含不安全或敏感内容""#), Some(1301));
        assert_eq!(code(r"+  'error.glm.1301': '系统检测到输入或生成内容可能包含不安全或敏感内容',"), None);
        assert!(!is_behind_code(b"app-1 |", b"app-1 |") && !is_behind_code(b"at 12.1113 |", b"at 12.1113 |"));
        assert!(!is_behind_code(b"\"1113:", b"\"1113:"), "the code and its message in one text");
        assert_eq!(code("INFO docs say Rate limit reached for requests means 1302"), None);
        assert_eq!(code("Error code: 429 - Rate limit reached for gpt-4o in organization"), None);
    }

    #[test]
    fn a_window_shows_of_each_hit_what_a_look_at_the_line_would() {
        let line = "x, ".repeat(400) + &"余额不足或无可用资源包，请充值。 ".repeat(300);
        let wording = Wording::parse("余额不足或无可用资源包,请充值。");
        let mut window = Window::default();
        for (at, _) in line.match_indices("无可用资源包") {
            let around = window.around(line.as_bytes(), at);
            let found = window.whole(line.as_bytes(), &around, &wording);
            assert_eq!(found.map(|(start, _)| start), Some(at - "余额不足或".len()));
        }
        assert!(window.text.len() <= AROUND.start + WINDOW, "{} bytes at a time", window.text.len());
    }
}
