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

use std::cell::OnceCell;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, Match};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use self::body::Coded;
pub use self::context::Context;
use self::evidence::{ENOUGH, Evidence, Form, Marks};
pub use self::finish::FinishReason;
use self::http::By;
pub use self::needles::{Cursor, Needles};
use self::prompt::Prompts;
use self::sdk::Lost;
use self::shape::Printed;
pub use self::shape::Shape;
use self::text::Texts;
use self::view::Seen;
pub use self::view::View;
use self::weigh::{Said, Verdict};
use crate::catalogue::{Agreement, Catalogue, Condition};

/// The API's own hosts; the configuration adds more.
pub const HOSTS: [&str; 2] = ["api.z.ai", "open.bigmodel.cn"];

/// Names that do not answer calls, but tell that a log is about this API.
const KIN: [&str; 2] = ["z.ai", "bigmodel.cn"];

/// Within how many lines of a request its status is shown, where they are members of an object that is printed over several
/// lines: `url: …`, the request's body, `statusCode: 504`. Node's `console.error` of an `AxiosError` has fifty lines between the two.
const REQUEST_OBJECT_LINES: u64 = 64;

/// How many codes of one line are weighed. A line with more is made to be slow.
const CODES: usize = 512;

/// What a cause adds to a line's layer: more than escapes ever do.
const CAUSE: usize = 32;

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
        let reading = Reading {
            recogniser: self,
            view,
            marks,
            known: context.is_of_vendor(number),
            in_error_object: context.in_error_object(number),
            requested,
            below: requested.filter(|_| !marks.foreign()).and_then(|n| http::answer_below(view, n)),
            line,
            printed: Printed::new(view),
            layer: OnceCell::new(),
            // What has a time of its own is another record.
            is_cause: context.is_cause(number) && time::of(line, &self.zone).is_none(),
            names_host: OnceCell::new(),
            said: OnceCell::new(),
            failing: OnceCell::new(),
        };
        let answered = reading.signals(tell);
        if reading.names_host() && !http::is_over(view) {
            context.set_request((!answered).then_some(number));
        } else if reading.below.is_some() {
            context.set_request(None);
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

/// A failure that a line tells of. Whether it is the first of its kind decides whether its shape and its message's hash are looked for.
struct Found<'a> {
    identity: Identity,
    source: Source,
    status: Option<u32>,
    message: Option<Said<'a>>,
    request: Option<u64>,
    /// Where it starts in the line.
    start: usize,
    form: Form,
}

/// One line being read.
struct Reading<'a> {
    recogniser: &'a Recogniser,
    view: &'a [u8],
    marks: Marks,
    known: bool,
    in_error_object: bool,
    /// How many lines before the API's host was named without an answer.
    requested: Option<u64>,
    /// The answer to that request, if the line is one.
    below: Option<http::Answer>,
    /// As it was printed, with its escapes.
    line: &'a [u8],
    printed: Printed<'a>,
    /// How deep it is escaped, and whether it is a cause.
    layer: OnceCell<usize>,
    /// Whether a line above announced it as the cause.
    is_cause: bool,
    /// Whether the line names a host that answers calls.
    names_host: OnceCell<bool>,
    /// The codes whose messages the line prints.
    said: OnceCell<Vec<u32>>,
    /// Where the first word about a failure ends.
    failing: OnceCell<Option<usize>>,
}

impl<'a> Reading<'a> {
    /// The most specific identity wins: codes, then texts, then HTTP, then what is left of an SDK's exception.
    /// Returns whether the line showed an answer or a failure.
    fn signals(&self, tell: &mut dyn FnMut(Signal)) -> bool {
        if retry::is_announced(self.view) && !self.marks.foreign() {
            tell(Signal::Retry);
        }
        let mut taken: Vec<Failure> = Vec::new();
        let answer = self.names_host().then(|| http::answer(self.view)).flatten().or(self.below);
        let (look_alike, quoted) = self.coded(&mut taken);
        if taken.is_empty() && !quoted {
            self.texts(&mut taken);
        }
        if let Some(success) = answer.filter(|a| a.status < 400) {
            tell(Signal::Success { status: success.status, derived: success.by == By::Derived });
        }
        if taken.is_empty() {
            taken.extend(self.http(answer.filter(|a| a.status >= 400)));
        }
        if taken.is_empty() {
            taken.extend(self.lost());
        }
        if taken.is_empty() && look_alike {
            tell(Signal::LookAlike);
        }
        let failed = !taken.is_empty();
        let answered = answer.is_some() || failed;
        for mut failure in taken {
            failure.status = failure.status.or(answer.map(|a| a.status)).filter(|s| *s >= 400);
            if failure.source == Source::Guessed && answer.is_some() {
                failure.source = Source::Told; // the line is the answer itself
            }
            tell(Signal::Failure(failure));
        }
        if failed && retry::follows(self.view) {
            tell(Signal::Retry);
        }
        if !self.marks.foreign() {
            finish::reasons(self.view, |reason, at| {
                tell(Signal::Finish(reason, self.printed.shape(at, Form::Field)));
            });
        }
        answered
    }

    /// The shape of the line up to `start`. A body that is escaped within another text was printed by another layer than the body itself, and
    /// so was what is printed again as a cause.
    fn shape(&self, start: usize, form: Form) -> Shape {
        let layer = || escapes(self.line) + if self.is_cause { CAUSE } else { 0 };
        self.printed.shape(start, form).by(*self.layer.get_or_init(layer))
    }

    /// Whether the line names a host that answers calls.
    fn names_host(&self) -> bool {
        let possible = self.marks.kin || self.recogniser.hosts.len() > HOSTS.len();
        possible && *self.names_host.get_or_init(|| self.recogniser.names_host(self.view))
    }

    /// What codes tell. Returns whether some looked like the API's and were not taken, and whether some were quoted.
    fn coded(&self, taken: &mut Vec<Failure>) -> (bool, bool) {
        let requests: Vec<(usize, u64)> = request_id::all(self.view).collect();
        // Of several the one behind it is its own.
        let request_of = |coded: &Coded<'_>| {
            let own = requests.iter().find(|(at, _)| *at > coded.end).or_else(|| requests.last());
            own.map(|(_, id)| *id)
        };
        let (mut look_alike, mut quoted, mut left) = (false, false, CODES);
        let mut weigh = |coded: &Coded<'a>, request| {
            left -= 1;
            match self.weigh(coded, request) {
                Verdict::Taken(found) => self.add(taken, &found),
                Verdict::LooksAlike => look_alike = true,
                Verdict::Quoted => (look_alike, quoted) = (true, true),
                Verdict::Nothing => {}
            }
            left > 0
        };
        // A search goes on only for the next one: the last of so many ends it.
        let all = body::codes(self.view, self.in_error_object).all(|coded| weigh(&coded, request_of(&coded)));
        if all {
            body::brackets(self.view).all(|(coded, id)| {
                let id = id.filter(|id| request_id::is_vendors(id)).map(xxh3_64);
                weigh(&coded, id.or_else(|| request_of(&coded)))
            });
        }
        (look_alike, quoted)
    }

    /// What texts alone tell, and if that is nothing, what can be guessed by them.
    fn texts(&self, taken: &mut Vec<Failure>) {
        let found = self.recogniser.texts.find(self.view, true);
        let told = found.iter().filter(|text| text.strong || self.marks.vendor).cloned().collect();
        self.take_texts(Source::Told, told, taken);
        if taken.is_empty() && !self.marks.vendor {
            self.take_texts(Source::Guessed, found, taken);
        }
    }

    /// What texts alone tell: those that identify a row, or all if the line is the API's. Others are guesses, and only where a status that
    /// the row may have is printed before them; on a line that names the API's models, and with a documented status, they tell as well.
    fn take_texts(&self, source: Source, found: Vec<text::Found>, taken: &mut Vec<Failure>) {
        let catalogue = &self.recogniser.catalogue;
        let guessed = source == Source::Guessed;
        let likely = self.marks.hint && !self.marks.foreign();
        for found in text::meant(found) {
            let row = &catalogue.rows()[found.row];
            let status = http::status_before(self.view, found.start);
            let documented = status.is_some_and(|s| row.http.contains(&s));
            let evidence = Evidence {
                form: Form::Text,
                documented: true,
                short: false,
                message: Some(Agreement::Whole),
                free_text: false,
                status: documented || guessed && status.is_some() && row.http.is_empty(),
                request_id: false,
                quoted: false,
                line: self.marks,
                context: false,
            };
            if evidence.weight() < ENOUGH || guessed && (found.strong || !evidence.status) {
                continue;
            }
            let identity = if found.is_http(catalogue) {
                Identity::Http(row.code, Some(row.condition))
            } else {
                Identity::Business(row.code)
            };
            let all_is_said = || !self.marks.foreign() && text::is_sdk_message(self.view, &found);
            let told = documented && likely || evidence.status && all_is_said();
            let source = if told { Source::Told } else { source };
            let (start, form) = (found.start, Form::Text);
            self.add(taken, &Found { identity, source, status, message: None, request: None, start, form });
        }
    }

    /// An HTTP failure of the API's host, which this line names, or one of the lines just before.
    fn http(&self, answer: Option<http::Answer>) -> Option<Failure> {
        let requested = self.requested.is_some_and(|n| n <= REQUEST_OBJECT_LINES);
        let answer = answer.or_else(|| requested.then(|| http::status_member(self.view)).flatten())?;
        let source = if answer.by == By::Transport { Source::Transport } else { Source::Derived };
        Some(self.bare(Identity::Http(answer.status, None), source, Some(answer.status)))
    }

    fn lost(&self) -> Option<Failure> {
        match sdk::lost(self.view)? {
            Lost::Status(status) => Some(self.bare(Identity::Http(status, None), Source::Derived, Some(status))),
            Lost::Unknown => Some(self.bare(Identity::Unknown, Source::Derived, None)),
        }
    }

    /// One line tells of one failure of a kind, however often it repeats it; request ids tell several apart.
    fn add(&self, taken: &mut Vec<Failure>, new: &Found<'_>) {
        let message = || new.message.as_ref().and_then(Said::hash);
        let same = |old: &&mut Failure| {
            old.identity == new.identity && old.request.zip(new.request).is_none_or(|(old, new)| old == new)
        };
        match taken.iter_mut().find(same) {
            Some(old) => {
                old.message = old.message.or_else(message);
                old.request = old.request.or(new.request);
                old.status = old.status.or(new.status);
            }
            None => taken.push(Failure {
                identity: new.identity,
                source: new.source,
                status: new.status,
                shape: self.shape(new.start, new.form),
                message: message(),
                request: new.request,
            }),
        }
    }

    /// A failure without code and text: its shape is that of the whole line.
    fn bare(&self, identity: Identity, source: Source, status: Option<u32>) -> Failure {
        let shape = self.shape(self.view.len(), Form::Field);
        Failure { identity, source, status, shape, message: None, request: None }
    }
}

/// How many backslashes stand before the quote of the first key `code`: the depth of what it is escaped in.
fn escapes(line: &[u8]) -> usize {
    let key = find::QUOTED_CODE.find(line);
    key.map_or(0, |at| line[..at].iter().rev().take_while(|b| **b == b'\\').count())
}

#[cfg(test)]
mod tests;
