//! A code and what stands around it: whose it is, and what it means.

use xxhash_rust::xxh3::xxh3_64;

use super::body::{self, Coded, Message};
use super::evidence::{ENOUGH, Evidence, Form, LOOKS_ALIKE};
use super::quotation::behind_body;
use super::reading::{Found, Reading};
use super::{Identity, Source, find, http};
use crate::catalogue::{Agreement, Row, normalise};

/// Of a wording a whole message that is shorter, in normalised bytes, is none.
const SHORTEST: usize = 18;

/// How much of a message is compared with wordings, in bytes: a line may hold hundreds of long ones.
const FIRST_PART: usize = 1_024;

/// A candidate that was weighed.
pub(super) enum Verdict<'a> {
    Taken(Found<'a>),
    LooksAlike,
    /// It stands within a sentence, and so does its message.
    Quoted,
    Nothing,
}

/// A message beside a code, ready to be compared.
pub(super) struct Said<'a> {
    message: Message<'a>,
    /// Its first part, normalised.
    first: Vec<u8>,
}

impl<'a> Said<'a> {
    fn of(message: Message<'a>) -> Self {
        Self { message, first: normalise(first_part(body::inner_text(message.text))) }
    }

    /// A hash of all of it but the status that openai-node puts before it, if it is there as a whole.
    pub(super) fn hash(&self) -> Option<u64> {
        let all = body::inner_text(self.message.text);
        let text = if let [b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b' ', text @ ..] = all { text } else { all };
        let is_first = text.len() == all.len() && all.len() <= FIRST_PART;
        self.message.whole.then(|| if is_first { xxh3_64(&self.first) } else { xxh3_64(&normalise(text)) })
    }
}

/// The first part of a text, without a piece of a character at its end.
fn first_part(text: &[u8]) -> &[u8] {
    let within = |end: &usize| text.get(*end).is_some_and(|b| b & 0xC0 == 0x80);
    let end = (0..=text.len().min(FIRST_PART)).rev().take(4).find(|end| !within(end));
    &text[..end.unwrap_or_else(|| text.len().min(FIRST_PART))]
}

impl<'a> Reading<'a> {
    /// Weighs a code, beside which a request id may stand.
    pub(super) fn weigh(&self, coded: &Coded<'a>, request: Option<u64>) -> Verdict<'a> {
        let catalogue = &self.recogniser.catalogue;
        let said = coded.message.map(Said::of);
        let identity = self.identity(coded, said.as_ref());
        let (http, business);
        let rows: &[&Row] = match identity {
            Identity::Http(status, _) => {
                http = catalogue.http(status).collect::<Vec<_>>();
                &http
            }
            Identity::Business(code) => {
                business = catalogue.business(code);
                business.as_slice()
            }
            Identity::Unknown => &[],
        };
        let status = http::status_before(self.view, coded.start);
        let fits = |s: u32| {
            rows.is_empty() || rows.iter().any(|r| r.http.is_empty() || r.http.contains(&s)) || s == coded.number
        };
        let mut message = said.as_ref().and_then(|said| agreement(said, rows));
        if message.is_none() && matches!(coded.form, Form::Field | Form::Stated) && self.says(coded.number) {
            message = Some(Agreement::Whole);
        }
        let behind = behind_body(&self.view[coded.end..]);
        let evidence = Evidence {
            form: coded.form,
            documented: !rows.is_empty(),
            short: coded.number < 1_000,
            message,
            free_text: rows.iter().any(|r| r.free_text),
            status: status.is_some_and(fits),
            request_id: request.is_some(),
            quoted: self.is_quotation(coded, behind),
            line: self.marks,
            context: self.known,
        };
        match evidence.weight() {
            LOOKS_ALIKE.. if self.is_example(coded, behind) => Verdict::Quoted,
            ENOUGH.. => Verdict::Taken(Found {
                identity,
                source: Source::Told,
                status,
                message: said,
                request,
                start: coded.start,
                form: coded.form,
            }),
            LOOKS_ALIKE.. if evidence.quoted => Verdict::Quoted,
            LOOKS_ALIKE.. => Verdict::LooksAlike,
            _ => Verdict::Nothing,
        }
    }

    /// `"code":"500"` is the basic error of the business table; any other HTTP status in its place is that status.
    fn identity(&self, coded: &Coded<'_>, said: Option<&Said<'_>>) -> Identity {
        let catalogue = &self.recogniser.catalogue;
        if coded.number >= 1_000 || catalogue.business(coded.number).is_some() {
            return Identity::Business(coded.number);
        }
        // A gateway puts the status there, and the API's own words into its message.
        if let Some(row) = coded.message.and_then(|m| self.recogniser.texts.business(m.text, catalogue)) {
            return Identity::Business(row.code);
        }
        let text = said.map(|said| said.first.as_slice()).unwrap_or_default();
        // "Terminal account anomaly" holds "Account anomaly": the longer text is meant.
        let whole = |r: &Row| {
            let said = r.wordings.iter().chain(&r.weak).filter(|w| w.agreement(text) == Agreement::Whole);
            said.map(|w| w.text.len()).max()
        };
        let row = catalogue.http(coded.number).filter_map(|r| Some((whole(r)?, r))).max_by_key(|(len, _)| *len);
        Identity::Http(coded.number, row.map(|(_, r)| r.condition))
    }

    /// Whether the line prints a message of this code, wherever that stands.
    fn says(&self, code: u32) -> bool {
        let rows = self.recogniser.catalogue.rows();
        let all = || {
            let mut codes = Vec::new();
            self.recogniser.texts.rows(self.view, |row| codes.push(rows[row].code));
            codes
        };
        self.said.get_or_init(all).contains(&code)
    }
}

/// How a message agrees with the wordings of `rows`; `None` where it is no text that could be compared.
fn agreement(said: &Said<'_>, rows: &[&Row]) -> Option<Agreement> {
    let (message, printed) = (said.message, first_part(said.message.text));
    // A user interface that shortens a message says so.
    let ellipsis = find::DOTS.find(printed).into_iter().chain(find::ELLIPSIS.find(printed)).min();
    let shortened = ellipsis.map(|end| normalise(body::inner_text(&printed[..end])));
    let text = shortened.as_deref().unwrap_or(&said.first);
    if text.len() < 2 {
        return None;
    }
    let wordings =
        || rows.iter().flat_map(|r| r.wordings.iter().chain(&r.weak)).chain(rows.iter().map(|r| &r.documented));
    // Nearly every message begins with its wording: looked at first, since a search costs more.
    if wordings().any(|w| w.begins(text)) {
        return Some(Agreement::Whole);
    }
    let best = wordings().map(|w| w.agreement(text)).max().unwrap_or(Agreement::None);
    let legible = || std::str::from_utf8(printed).is_ok_and(|t| !t.chars().any(is_damage));
    let cut = !message.whole && text.len() < 12;
    // A short text that nobody cut is another's: 余额不足.
    if best == Agreement::Cut && message.whole && shortened.is_none() && text.len() < SHORTEST {
        return Some(Agreement::None);
    }
    if best == Agreement::None && (cut || !legible()) { None } else { Some(best) }
}

/// What a text holds that was read in another encoding: the replacement character, and UTF-8 read as Latin-1 (`Prompt è¶\u{85}`).
fn is_damage(c: char) -> bool {
    c == '\u{FFFD}' || ('\u{80}'..='\u{9F}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_message_ends_with_a_character() {
        assert_eq!(first_part(b"x"), b"x");
        let long = "余".repeat(1_000);
        assert_eq!(first_part(long.as_bytes()), "余".repeat(FIRST_PART / 3).as_bytes());
        assert_eq!(first_part(&[0x80; 2_000]).len(), FIRST_PART, "what is no text is cut anywhere");
    }

    #[test]
    fn a_message_with_its_status_is_the_same() {
        let hash = |text: &'static str| Said::of(Message { text: text.as_bytes(), whole: true }).hash();
        assert_eq!(hash("429 Rate limit reached"), hash("Rate limit reached."));
        assert_ne!(hash("4290 limits"), hash("limits"));
    }

    #[test]
    fn long_messages_that_begin_alike_are_two() {
        let hash = |end: &str| Said::of(Message { text: ("x".repeat(2_000) + end).as_bytes(), whole: true }).hash();
        assert!(hash("a") == hash("A.") && hash("a") != hash("b"));
    }
}
