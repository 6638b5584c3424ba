//! A code and what stands around it: whose it is, and what it means.

use xxhash_rust::xxh3::xxh3_64;

use super::body::{self, Coded, Message};
use super::evidence::{ENOUGH, Evidence, Form, LOOKS_ALIKE};
use super::{Failure, Identity, Reading, Source, find, http};
use crate::catalogue::{Agreement, Row, normalise};

/// Of a wording a whole message that is shorter, in normalised bytes, is none.
const SHORTEST: usize = 18;

/// A candidate that was weighed.
pub(super) enum Verdict {
    Taken(Failure),
    LooksAlike,
    /// It stands within a sentence, and so does its message.
    Quoted,
    Nothing,
}

impl Reading<'_> {
    /// Weighs a code, beside which a request id may stand.
    pub(super) fn weigh(&self, coded: Coded<'_>, request: Option<u64>) -> Verdict {
        let catalogue = &self.recogniser.catalogue;
        let identity = self.identity(&coded);
        let rows: Vec<&Row> = match identity {
            Identity::Http(status, _) => catalogue.http(status).collect(),
            Identity::Business(code) => catalogue.business(code).into_iter().collect(),
            Identity::Unknown => Vec::new(),
        };
        let status = http::status_before(self.view, coded.start).filter(|s| *s != coded.number || coded.start > 0);
        let fits = |s: u32| {
            rows.is_empty() || rows.iter().any(|r| r.http.is_empty() || r.http.contains(&s)) || s == coded.number
        };
        let said = coded.message.map(|m| (m, normalise(body::inner_text(m.text))));
        let mut message = said.as_ref().and_then(|(m, said)| agreement(m, said, &rows));
        if message.is_none() && matches!(coded.form, Form::Field | Form::Stated) && self.says(coded.number) {
            message = Some(Agreement::Whole);
        }
        let evidence = Evidence {
            form: coded.form,
            documented: !rows.is_empty(),
            short: coded.number < 1_000,
            message,
            free_text: rows.iter().any(|r| r.free_text),
            status: status.is_some_and(fits),
            request_id: request.is_some(),
            quoted: self.is_quotation(&coded),
            line: self.marks,
            context: self.known,
        };
        match evidence.weight() {
            LOOKS_ALIKE.. if self.is_example(&coded) => Verdict::Quoted,
            ENOUGH.. => Verdict::Taken(Failure {
                identity,
                source: Source::Told,
                status,
                shape: self.shape(coded.start, coded.form),
                message: said.filter(|(m, _)| m.whole).map(|(_, said)| xxh3_64(&said)),
                request,
                head: None,
            }),
            LOOKS_ALIKE.. if evidence.quoted => Verdict::Quoted,
            LOOKS_ALIKE.. => Verdict::LooksAlike,
            _ => Verdict::Nothing,
        }
    }

    /// `"code":"500"` is the basic error of the business table; any other HTTP status in its place is that status.
    fn identity(&self, coded: &Coded<'_>) -> Identity {
        let catalogue = &self.recogniser.catalogue;
        if coded.number >= 1_000 || catalogue.business(coded.number).is_some() {
            return Identity::Business(coded.number);
        }
        // A gateway puts the status there, and the API's own words into its message.
        if let Some(row) = coded.message.and_then(|m| self.recogniser.texts.business(m.text, catalogue)) {
            return Identity::Business(row.code);
        }
        let text = coded.message.map(|m| normalise(m.text)).unwrap_or_default();
        // "Terminal account anomaly" holds "Account anomaly": the longer text is meant.
        let whole = |r: &&Row| {
            let said = r.wordings.iter().chain(&r.weak).filter(|w| w.agreement(&text) == Agreement::Whole);
            said.map(|w| w.text.len()).max()
        };
        let row = catalogue.http(coded.number).filter(|r| whole(r).is_some()).max_by_key(whole);
        Identity::Http(coded.number, row.map(|r| r.condition))
    }

    /// Whether the line prints a message of this code, wherever that stands.
    fn says(&self, code: u32) -> bool {
        let rows = self.recogniser.catalogue.rows();
        let all = || self.recogniser.texts.rows(self.view).map(|row| rows[row].code).collect();
        self.said.get_or_init(all).contains(&code)
    }
}

/// How a message, `said` when normalised, agrees with the wordings of `rows`; `None` where it is no text that could be compared.
fn agreement(message: &Message<'_>, said: &[u8], rows: &[&Row]) -> Option<Agreement> {
    // A user interface that shortens a message says so.
    let ellipsis = find::DOTS.find(message.text).into_iter().chain(find::ELLIPSIS.find(message.text)).min();
    let shortened = ellipsis.map(|end| normalise(body::inner_text(&message.text[..end])));
    let text = shortened.as_deref().unwrap_or(said);
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
    let legible = || std::str::from_utf8(message.text).is_ok_and(|t| !t.contains('\u{FFFD}'));
    let cut = !message.whole && text.len() < 12;
    // A short text that nobody cut is another's: 余额不足.
    if best == Agreement::Cut && message.whole && shortened.is_none() && text.len() < SHORTEST {
        return Some(Agreement::None);
    }
    if best == Agreement::None && (cut || !legible()) { None } else { Some(best) }
}
