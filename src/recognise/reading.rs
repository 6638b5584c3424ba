//! One line being read: what it says, the most specific first.

use std::cell::OnceCell;

use xxhash_rust::xxh3::xxh3_64;

use super::body::{self, Coded};
use super::evidence::{ENOUGH, Evidence, Form, Marks};
use super::http::{self, By};
use super::sdk::{self, Lost};
use super::shape::{Printed, Shape};
use super::weigh::{Said, Verdict};
use super::{
    Context, Failure, HOSTS, Identity, Recogniser, Signal, Source, find, finish, request_id, retry, text, time,
};
use crate::catalogue::Agreement;

/// Within how many lines of a request its status is shown, where they are members of an object that is printed over several
/// lines: `url: …`, the request's body, `statusCode: 504`. Node's `console.error` of an `AxiosError` has fifty lines between the two.
const REQUEST_OBJECT_LINES: u64 = 64;

/// How many codes of one line are weighed. A line with more is made to be slow.
const CODES: usize = 512;

/// What a cause adds to a line's layer: more than escapes ever do.
const CAUSE: usize = 32;

/// A failure that a line tells of. Whether it is the first of its kind decides whether its shape and its message's hash are looked for.
pub(super) struct Found<'a> {
    pub identity: Identity,
    pub source: Source,
    pub status: Option<u32>,
    pub message: Option<Said<'a>>,
    pub request: Option<u64>,
    /// Where it starts in the line.
    pub start: usize,
    pub form: Form,
}

/// A line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// As it was printed, with its escapes.
    pub bytes: &'a [u8],
    /// The same without them.
    pub view: &'a [u8],
    pub number: u64,
}

/// One line being read.
pub(super) struct Reading<'a> {
    pub recogniser: &'a Recogniser,
    pub view: &'a [u8],
    pub marks: Marks,
    /// Whether the API was named a short while before.
    pub known: bool,
    in_error_object: bool,
    /// How many lines before the API's host was named without an answer.
    requested: Option<u64>,
    /// The answer to that request, if the line is one.
    below: Option<http::Answer>,
    /// The answer that a line above told of, if this is its request.
    above: Option<http::Answer>,
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
    pub said: OnceCell<Vec<u32>>,
    /// Where the first word about a failure ends.
    pub failing: OnceCell<Option<usize>>,
}

impl<'a> Reading<'a> {
    /// A line of which nothing was asked yet, with what is known of those above.
    pub fn new(recogniser: &'a Recogniser, line: Line<'a>, marks: Marks, context: &Context) -> Self {
        let Line { bytes, view, number } = line;
        let requested = context.requested(number);
        Self {
            recogniser,
            view,
            marks,
            known: context.is_of_vendor(number),
            in_error_object: context.in_error_object(number),
            requested,
            below: requested.filter(|_| !marks.foreign()).and_then(|n| http::answer_below(view, n)),
            above: context
                .failed(number, REQUEST_OBJECT_LINES)
                .filter(|_| http::is_url_member(view))
                .map(|status| http::Answer { status, by: By::Derived }),
            line: bytes,
            printed: Printed::new(view),
            layer: OnceCell::new(),
            // What has a time of its own is another record.
            is_cause: context.is_cause(number) && time::of(bytes, &recogniser.zone).is_none(),
            names_host: OnceCell::new(),
            said: OnceCell::new(),
            failing: OnceCell::new(),
        }
    }

    /// Whether the line answers the request on a line above.
    pub fn is_answer_below(&self) -> bool {
        self.below.is_some()
    }

    /// The most specific identity wins: codes, then texts, then HTTP, then what is left of an SDK's exception.
    /// Returns whether the line showed an answer or a failure.
    pub fn signals(&self, tell: &mut dyn FnMut(Signal)) -> bool {
        if retry::is_announced(self.view) && !self.marks.foreign() {
            tell(Signal::Retry);
        }
        let mut taken: Vec<Failure> = Vec::new();
        let named = || http::answer(self.view).or(self.above);
        let answer = self.names_host().then(named).flatten().or(self.below);
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
        let (failed, told) = (!taken.is_empty(), taken.iter().any(|failure| failure.source == Source::Told));
        let answered = answer.is_some() || failed;
        for mut failure in taken {
            failure.status = failure.status.or(answer.map(|a| a.status)).filter(|s| *s >= 400);
            if failure.source == Source::Guessed && answer.is_some() {
                failure.source = Source::Told; // the line is the answer itself
            }
            tell(Signal::Failure(failure));
        }
        if failed && retry::follows(self.view) || told && retry::is_meant(self.view) {
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
    pub fn names_host(&self) -> bool {
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
