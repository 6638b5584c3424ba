//! Lines to signals: what one line says about calls of the API. Pure, and without memory but for [`Context`].
//!
//! needles (which lines) → view (one form for all quoting) → body, text, http, sdk (candidates) → evidence (whose is it).

mod body;
mod context;
mod evidence;
mod find;
mod finish;
pub mod head;
mod http;
mod needles;
mod prompt;
mod quotation;
mod reading;
mod request_id;
mod retry;
mod sdk;
mod search;
mod shape;
mod text;
pub mod time;
mod value;
mod view;
mod weigh;

use std::sync::Arc;

use aho_corasick::{AhoCorasick, Match};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use self::context::Context;
pub use self::finish::FinishReason;
pub use self::needles::{Cursor, Needles};
use self::prompt::Prompts;
use self::reading::{Line, Reading};
pub use self::shape::Shape;
use self::text::Texts;
use self::view::Seen;
pub use self::view::View;
use crate::catalogue::{Catalogue, Condition};

/// The API's own hosts; the configuration adds more.
pub const HOSTS: [&str; 2] = ["api.z.ai", "open.bigmodel.cn"];

/// Names that do not answer calls, but tell that a log is about this API.
const KIN: [&str; 2] = ["z.ai", "bigmodel.cn"];

/// What an error is, as far as its line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Identity {
    /// A business code.
    Business(u32),
    /// An HTTP status, and the row of its table if the text told.
    Http(u32, Option<Condition>),
    /// An error with neither.
    Unknown,
}

/// How a line spoke of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A code or a text.
    Told,
    /// A text that others print too: it tells why a call of the API failed whose HTTP failure is known, and nothing alone.
    Guessed,
    /// An HTTP client or proxy, at the moment of the answer.
    Transport,
    /// A second line about an HTTP answer.
    Derived,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A call failed.
    Failure(Failure),
    /// A call was answered with success.
    Success {
        /// The HTTP status.
        status: u32,
        /// Whether an earlier line may have shown the same answer.
        derived: bool,
    },
    /// An answer ended.
    Finish(FinishReason, Shape),
    /// Another attempt will be made: what was told of the last one is all there is of it.
    Retry,
    /// A line that looks like an error of the API and was not taken for one.
    LookAlike,
}

/// A line about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub identity: Identity,
    /// How the line knows.
    pub source: Source,
    /// The HTTP status, where the line shows it.
    pub status: Option<u32>,
    /// Which layer printed the line.
    pub shape: Shape,
    /// A hash of the message, where it is there as a whole.
    pub message: Option<u64>,
    /// A hash of the vendor's request id.
    pub request: Option<u64>,
}

/// The recogniser of one configuration.
#[derive(Debug)]
pub struct Recogniser {
    /// The catalogue behind it.
    pub catalogue: Arc<Catalogue>,
    /// Which lines are to be read.
    pub needles: Needles,
    /// The zone of times without an offset.
    pub zone: TimeZone,
    hosts: Vec<String>,
    host_words: AhoCorasick,
    texts: Texts,
    prompts: Prompts,
}

impl Recogniser {
    /// A recogniser for `catalogue` and the API's hosts, `more_hosts` included.
    pub fn new(catalogue: Arc<Catalogue>, more_hosts: &[String], zone: TimeZone) -> Self {
        let hosts: Vec<String> =
            HOSTS.iter().map(ToString::to_string).chain(more_hosts.iter().map(|h| h.to_ascii_lowercase())).collect();
        let texts = Texts::new(&catalogue);
        let mut brackets: Vec<String> =
            catalogue.rows().iter().filter(|r| r.code >= 1_000).map(|r| format!("[{}", r.code / 10)).collect();
        brackets.sort_unstable();
        brackets.dedup();
        let words = KIN.iter().copied().chain(hosts.iter().skip(HOSTS.len()).map(String::as_str));
        let needles = Needles::new(words, brackets.iter().map(String::as_str), texts.needles());
        let host_words = AhoCorasick::builder().ascii_case_insensitive(true).build(&hosts);
        let host_words = host_words.expect("a few hosts make an automaton");
        Self { catalogue, needles, zone, hosts, host_words, texts, prompts: Prompts::new() }
    }

    /// Reads `line`, the `number`th of its log, and hands each signal to `tell`.
    pub fn read(&self, line: &[u8], number: u64, context: &mut Context, view: &mut View, tell: &mut dyn FnMut(Signal)) {
        if value::is_sample(line) {
            return;
        }
        if let Some(status) = http::httpx_success(line, |host| self.is_host(host)) {
            context.names_vendor(number);
            tell(Signal::Success { status, derived: false });
            return;
        }
        let Seen { text: view, lower } = view.of(line, &self.prompts);
        let mut marks = evidence::marks(view, lower, |host| self.is_host(host));
        let requested = context.requested(number);
        // A body alone on the line below a request is its answer.
        let answers = requested == Some(1) && view.starts_with(b"{") && !marks.foreign();
        marks.vendor |= answers;
        let reading = Reading::new(self, Line { bytes: line, view, number }, marks, context);
        let answered = reading.signals(tell);
        if reading.names_host() && !http::is_over(view) {
            context.set_request((!answered).then_some(number));
        } else if reading.is_answer_below() {
            context.set_request(None);
        }
        if let Some(status) = http::failed_above(view).filter(|_| !answered && !marks.foreign()) {
            context.set_failed(number, Some(status));
        } else if answered {
            context.set_failed(number, None);
        }
        if marks.vendor {
            context.names_vendor(number);
        }
        context.announces(view, number);
    }

    fn is_host(&self, host: &[u8]) -> bool {
        self.hosts.iter().any(|h| h.as_bytes().eq_ignore_ascii_case(host))
    }

    fn names_host(&self, view: &[u8]) -> bool {
        let mut urls = value::Urls::default();
        let mut host = |m: Match| {
            let at = m.start();
            value::is_host(view, at, m.end()) && !urls.hold(view, at) && !value::is_referer(view, at)
        };
        self.host_words.find_iter(view).any(&mut host)
    }
}

#[cfg(test)]
mod tests;
