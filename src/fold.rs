//! Signals to events: one failed call is one event, however many lines the client prints for it.
//!
//! - An HTTP failure is held until a coded error claims it, the SDK says that it tries again, or enough lines have passed.
//! - The same failure is printed again by another layer: another shape of line, the same code, no other request id or
//!   message. The same shape again is a new failure.
//!
//! All of this state is committed with the position of its log, so that a restart between two lines changes nothing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::recognise::time::{Millis, Written};
use crate::recognise::{Failure, FinishReason, Identity, Shape, Signal, Source};
use crate::saved::is_default;

/// How many lines after an HTTP failure its coded error is waited for, and a failure is recognised when it is printed again.
/// Chained tracebacks of deep frameworks are 100 to 150 lines long.
pub const WINDOW_LINES: u64 = 200;

/// How far apart an HTTP failure and its coded error are by their own times, at the most.
const WINDOW_MILLIS: u64 = 15_000;

/// How far apart two layers print one failure, by their own times, at the most: whoever catches an exception logs it or throws it on at once.
const RETOLD_MILLIS: u64 = 1_000;

/// How many lines may stand between two prints of one success or one finish reason.
const ECHO_LINES: u64 = 8;

/// How many calls of one log are remembered. More are never open at once but in logs made to be hostile.
const CALLS: usize = 64;

/// How many layers print one failure, at the most.
const SHAPES: usize = 12;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A call failed.
    Failure(Identity, Option<Millis>),
    /// The API answered with this HTTP status.
    Answer(u32),
    /// An answer ended.
    Finish(FinishReason),
    /// A line looked like an error of the API and was not taken for one.
    LookAlike,
}

/// Where a signal's line stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its number.
    pub line: u64,
    /// When it was written: by its own time, or that of the line above that has one.
    pub time: Option<Written>,
    /// Where it has no time of its own: which statement printed that line above, if that speaks of a failure.
    pub head: Option<u64>,
}

/// What is remembered of a log's last lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    calls: VecDeque<Call>,
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    finishes: VecDeque<Finish>,
    #[serde(default, skip_serializing_if = "is_default")]
    successes: Successes,
}

/// A failed call that further lines may be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // independent facts, each learned from a line of its own
struct Call {
    identity: Identity,
    line: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Written>,
    shapes: Vec<Shape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    /// Not counted yet: a coded error may still claim it.
    #[serde(default, skip_serializing_if = "is_default")]
    held: bool,
    /// Its HTTP answer has been counted.
    #[serde(default, skip_serializing_if = "is_default")]
    answered: bool,
    /// The HTTP client or a proxy showed the answer.
    #[serde(default, skip_serializing_if = "is_default")]
    seen: bool,
    /// When another attempt was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<Written>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Finish {
    reason: FinishReason,
    line: u64,
    shapes: Vec<Shape>,
}

/// Successes that an SDK's debug line may repeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Successes {
    line: u64,
    open: u8,
}

impl Fold {
    /// Takes the signal of a line.
    pub fn take(&mut self, signal: Signal, place: Place, tell: &mut dyn FnMut(Event)) {
        self.pass(place.line, tell);
        match signal {
            Signal::Failure(failure) => self.failure(&failure, place, tell),
            Signal::Success { status, derived } => self.success(status, derived, place.line, tell),
            Signal::Finish(reason, shape) => self.finish(reason, shape, place.line, tell),
            Signal::Retry => self.end_last(place, tell),
            Signal::LookAlike => tell(Event::LookAlike),
        }
    }

    /// Line `line` has been reached: what has been held for long enough is counted, and the old is forgotten.
    pub fn pass(&mut self, line: u64, tell: &mut dyn FnMut(Event)) {
        while self.calls.front().is_some_and(|c| line.saturating_sub(c.line) > WINDOW_LINES) {
            self.forget_first(tell);
        }
        while self.finishes.front().is_some_and(|f| line.saturating_sub(f.line) > ECHO_LINES) {
            self.finishes.pop_front();
        }
    }

    /// What is held: counted when the log is at its end and nothing more comes.
    pub fn held(&self) -> impl Iterator<Item = Event> {
        self.calls.iter().filter(|c| c.held).map(|c| Event::Failure(c.identity, millis(c.time)))
    }

    fn failure(&mut self, failure: &Failure, place: Place, tell: &mut dyn FnMut(Event)) {
        let at = match failure.source {
            Source::Told | Source::Guessed => self.told_again(failure, place).or_else(|| self.claimed(failure, place)),
            Source::Transport => self.shown_again(failure, place, |c| c.held),
            Source::Derived => self.shown_again(failure, place, |_| true),
        };
        let Some(at) = at else {
            if failure.source == Source::Guessed {
                return;
            }
            return self.begin(failure, place, tell);
        };
        let mut call = self.calls.remove(at).expect("the index was just found");
        call.line = place.line;
        call.seen |= failure.source == Source::Transport;
        call.time = call.time.or(place.time);
        call.message = call.message.or(failure.message);
        call.request = call.request.or(failure.request);
        if call.shapes.len() < SHAPES {
            call.shapes.extend(prints(failure, place));
        }
        if matches!(failure.source, Source::Told | Source::Guessed) && call.held {
            call.identity = failure.identity;
            call.held = false;
            // Layers print it at once from now on, which may be a while after the answer.
            call.time = place.time.or(call.time);
            tell(Event::Failure(call.identity, millis(call.time)));
        }
        answer(&mut call, failure, tell);
        self.calls.push_back(call);
    }

    fn begin(&mut self, failure: &Failure, place: Place, tell: &mut dyn FnMut(Event)) {
        if self.calls.len() == CALLS {
            self.forget_first(tell);
        }
        let mut call = Call {
            identity: failure.identity,
            line: place.line,
            time: place.time,
            shapes: Vec::new(),
            message: failure.message,
            request: failure.request,
            held: failure.source != Source::Told,
            answered: false,
            seen: failure.source == Source::Transport,
            over: None,
        };
        if !call.held {
            tell(Event::Failure(call.identity, millis(place.time)));
        }
        call.shapes.reserve_exact(prints(failure, place).count());
        call.shapes.extend(prints(failure, place));
        answer(&mut call, failure, tell);
        // Most logs have one call open, and there may be thousands of logs.
        self.calls.reserve_exact(usize::from(self.calls.is_empty()));
        self.calls.push_back(call);
    }

    /// The call that this coded error was printed for before, by another layer. An HTTP failure since then, or the
    /// same shape again, means a new call.
    fn told_again(&self, failure: &Failure, place: Place) -> Option<usize> {
        for (at, call) in self.calls.iter().enumerate().rev() {
            if call.held && claims(failure, call, place) {
                return None;
            }
            let same = !call.held && call.identity == failure.identity;
            if same
                && (is_its_request(call, failure)
                    || is_another_layer(call, failure, place)
                    || self.is_printed_twice(call, failure, place))
            {
                return Some(at);
            }
        }
        None
    }

    /// Whether one statement prints this call's failure twice, as `CrewAI` does: at about the same time, and where each call's answer is shown by
    /// the HTTP client, without another since.
    fn is_printed_twice(&self, call: &Call, failure: &Failure, place: Place) -> bool {
        let at_once = call.time.zip(place.time).is_some_and(|(a, b)| a.is_near(b, RETOLD_MILLIS));
        let last = call.seen && call.over.is_none() && self.successes.line <= call.line;
        let same = at_once && last && call.message.is_some() && same_request(call, failure);
        same && self.claimed(failure, place).is_none()
    }

    /// The HTTP failure that this coded error explains.
    fn claimed(&self, failure: &Failure, place: Place) -> Option<usize> {
        self.calls.iter().rposition(|call| call.held && claims(failure, call, place))
    }

    /// The call whose HTTP answer another line has shown before.
    fn shown_again(&self, failure: &Failure, place: Place, eligible: impl Fn(&Call) -> bool) -> Option<usize> {
        self.calls.iter().rposition(|call| {
            eligible(call)
                && (call.identity == failure.identity
                    || matches!(call.identity, Identity::Business(_)) && failure.source == Source::Derived)
                && near(call.time, place.time)
                && !printed(call, failure.shape)
        })
    }

    fn success(&mut self, status: u32, derived: bool, line: u64, tell: &mut dyn FnMut(Event)) {
        let near = line.saturating_sub(self.successes.line) <= ECHO_LINES;
        if derived && near && self.successes.open > 0 {
            self.successes.open -= 1;
            return;
        }
        if !derived {
            let open = if near { self.successes.open } else { 0 };
            self.successes = Successes { line, open: open.saturating_add(1) };
        }
        tell(Event::Answer(status));
    }

    fn finish(&mut self, reason: FinishReason, shape: Shape, line: u64, tell: &mut dyn FnMut(Event)) {
        let again = self.finishes.iter_mut().rev().find(|f| f.reason == reason && !f.shapes.contains(&shape));
        if let Some(earlier) = again.filter(|f| f.shapes.len() < SHAPES) {
            earlier.shapes.push(shape);
            return;
        }
        if self.finishes.len() == CALLS {
            self.finishes.pop_front();
        }
        self.finishes.push_back(Finish { reason, line, shapes: vec![shape] });
        tell(Event::Finish(reason));
    }

    /// A line announces another attempt: there is nothing more to say of the failure that it tells of, or else of the last that is held.
    fn end_last(&mut self, place: Place, tell: &mut dyn FnMut(Event)) {
        if let Some(told) = self.calls.back_mut().filter(|c| c.line == place.line && !c.held) {
            told.over = place.time;
        } else if let Some(at) = self.calls.iter().rposition(|c| c.held) {
            let call = self.calls.remove(at).expect("the index was just found");
            tell(Event::Failure(call.identity, millis(call.time)));
        }
    }

    fn forget_first(&mut self, tell: &mut dyn FnMut(Event)) {
        if let Some(call) = self.calls.pop_front().filter(|c| c.held) {
            tell(Event::Failure(call.identity, millis(call.time)));
        }
    }
}

/// Counts a call's HTTP answer when a line first shows it.
fn answer(call: &mut Call, failure: &Failure, tell: &mut dyn FnMut(Event)) {
    if let Some(status) = failure.status.filter(|_| !call.answered) {
        call.answered = true;
        tell(Event::Answer(status));
    }
}

/// Whether a coded error can be the reason of a held HTTP failure.
fn claims(failure: &Failure, call: &Call, place: Place) -> bool {
    let status = match (call.identity, failure.status) {
        (Identity::Http(held, _), Some(told)) => held == told,
        _ => true,
    };
    status && near(call.time, place.time)
}

/// Whether both name the vendor's request, which has one answer: then it is told again, whenever and by whomever.
fn is_its_request(call: &Call, failure: &Failure) -> bool {
    call.request.is_some() && call.request == failure.request
}

/// Whether another layer, or another statement above the same exception, prints this call's failure at about the same time.
fn is_another_layer(call: &Call, failure: &Failure, place: Place) -> bool {
    let at_once = call.time.zip(place.time).is_none_or(|(a, b)| a.is_near(b, RETOLD_MILLIS));
    let below = below_head(failure, place).filter(|_| call.time.is_some() && place.time.is_some());
    let another = below.unwrap_or(failure.shape);
    // Of an attempt that is over only the exception is printed, right below the line that says so, whose time it has.
    let over = call.over.is_some() && call.over != place.time;
    at_once && !over && same_request(call, failure) && !printed(call, another)
}

/// A request id decides; without one on both sides, the message does.
fn same_request(call: &Call, failure: &Failure) -> bool {
    match (call.request, failure.request) {
        (Some(a), Some(b)) => a == b,
        _ => agrees(call.message, failure.message),
    }
}

fn agrees(a: Option<u64>, b: Option<u64>) -> bool {
    a.is_none() || b.is_none() || a == b
}

fn near(a: Option<Written>, b: Option<Written>) -> bool {
    a.zip(b).is_none_or(|(a, b)| a.is_near(b, WINDOW_MILLIS))
}

/// What a line leaves of itself: its shape, and that under the line above.
fn prints(failure: &Failure, place: Place) -> impl Iterator<Item = Shape> {
    [Some(failure.shape), below_head(failure, place)].into_iter().flatten()
}

fn below_head(failure: &Failure, place: Place) -> Option<Shape> {
    place.head.map(|head| failure.shape.below(head))
}

/// Whether the statement that prints this shape has printed the call before.
fn printed(call: &Call, shape: Shape) -> bool {
    call.shapes.iter().any(|earlier| earlier.is_of_statement(shape))
}

fn millis(time: Option<Written>) -> Option<Millis> {
    time.and_then(Written::millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPX: Shape = Shape::whole(1);
    const LOGGER: Shape = Shape::whole(2);
    const TRACEBACK: Shape = Shape::whole(3);

    fn on(line: u64) -> Place {
        Place { line, time: None, head: None }
    }

    fn at(line: u64, millis: Millis) -> Place {
        Place { time: Some(Written::At(millis)), ..on(line) }
    }

    fn told(code: u32, shape: Shape) -> Signal {
        Signal::Failure(Failure {
            identity: Identity::Business(code),
            source: Source::Told,
            status: Some(429),
            shape,
            message: None,
            request: None,
        })
    }

    fn http(status: u32, shape: Shape, source: Source) -> Signal {
        let identity = Identity::Http(status, None);
        Signal::Failure(Failure { identity, source, status: Some(status), shape, message: None, request: None })
    }

    fn httpx(status: u32) -> Signal {
        http(status, HTTPX, Source::Transport)
    }

    /// What signals on lines 10, 20, 30 … count as, with what is held at the end.
    fn counted(signals: &[Signal]) -> Vec<Identity> {
        let mut fold = Fold::default();
        let mut out = Vec::new();
        for (i, signal) in signals.iter().enumerate() {
            let mut tell = |e| out.push(e);
            fold.take(*signal, on(10 * (i as u64 + 1)), &mut tell);
        }
        out.extend(fold.held());
        let failures = out.iter().filter_map(|e| match e {
            Event::Failure(identity, _) => Some(*identity),
            _ => None,
        });
        failures.collect()
    }

    #[test]
    fn an_http_line_and_its_coded_error_are_one_call() {
        assert_eq!(counted(&[httpx(429), told(1113, LOGGER)]), [Identity::Business(1113)]);
    }

    #[test]
    fn a_guess_explains_an_http_failure_and_is_none_alone() {
        let guess = |status| match told(1220, LOGGER) {
            Signal::Failure(f) => Signal::Failure(Failure { source: Source::Guessed, status: Some(status), ..f }),
            other => other,
        };
        assert_eq!(counted(&[guess(403)]), []);
        assert_eq!(counted(&[httpx(403), guess(403)]), [Identity::Business(1220)]);
        assert_eq!(counted(&[httpx(429), guess(403)]), [Identity::Http(429, None)]);
    }

    #[test]
    fn retries_without_a_code_are_failures_of_their_own() {
        let signals = [httpx(429), Signal::Retry, httpx(429), Signal::Retry, httpx(429), told(1302, LOGGER)];
        let http = Identity::Http(429, None);
        assert_eq!(counted(&signals), [http, http, Identity::Business(1302)]);
    }

    #[test]
    fn another_layer_repeats_and_the_same_layer_fails_again() {
        let once = [told(1302, LOGGER), told(1302, TRACEBACK)];
        assert_eq!(counted(&once).len(), 1);
        let twice = [told(1302, LOGGER), told(1302, LOGGER), told(1302, TRACEBACK), told(1302, TRACEBACK)];
        assert_eq!(counted(&twice).len(), 2);
        assert_eq!(counted(&[told(1302, LOGGER), told(1301, TRACEBACK)]).len(), 2);
    }

    #[test]
    fn the_second_attempt_is_not_taken_for_the_first_ones_echo() {
        let signals = [httpx(429), told(1302, LOGGER), httpx(429), told(1302, TRACEBACK)];
        assert_eq!(counted(&signals).len(), 2);
    }

    #[test]
    fn what_one_statement_prints_twice_is_one_call_where_the_client_shows_each() {
        let message = |signal| match signal {
            Signal::Failure(f) => Signal::Failure(Failure { message: Some(1), ..f }),
            other => other,
        };
        let failures = |prints: &[(Signal, Millis)]| {
            let (mut fold, mut failures) = (Fold::default(), 0);
            for (line, (signal, millis)) in (1..).zip(prints) {
                let tell = &mut |e| failures += i32::from(matches!(e, Event::Failure(..)));
                fold.take(*signal, at(line, *millis), tell);
            }
            failures
        };
        let (shown, told) = (httpx(429), message(told(1302, LOGGER)));
        let success = Signal::Success { status: 200, derived: false };
        assert_eq!(failures(&[(shown, 0), (told, 1), (told, 5)]), 1);
        assert_eq!(failures(&[(shown, 0), (told, 1), (told, 1_002)]), 2, "too late");
        assert_eq!(failures(&[(told, 1), (told, 5)]), 2, "nothing shows how many there are");
        assert_eq!(failures(&[(shown, 0), (told, 1), (success, 4), (told, 5)]), 2, "a stream that failed");
        assert_eq!(failures(&[(shown, 0), (shown, 0), (told, 1), (told, 5)]), 2);
    }

    #[test]
    fn what_is_told_with_the_next_attempts_announcement_is_over() {
        let failures = |prints: &[(Signal, u64, Millis)]| {
            let (mut fold, mut failures) = (Fold::default(), 0);
            for (signal, line, millis) in prints {
                let tell = &mut |e| failures += i32::from(matches!(e, Event::Failure(..)));
                fold.take(*signal, at(*line, *millis), tell);
            }
            failures
        };
        let (told, traceback) = (told(1302, LOGGER), told(1302, TRACEBACK));
        assert_eq!(failures(&[(told, 1, 0), (traceback, 2, 5)]), 1);
        assert_eq!(failures(&[(told, 1, 0), (Signal::Retry, 1, 0), (traceback, 2, 5)]), 2);
        assert_eq!(failures(&[(told, 1, 0), (Signal::Retry, 1, 0), (traceback, 2, 0)]), 1, "its own traceback");
    }

    #[test]
    fn every_line_about_one_http_answer_counts_once() {
        let signals = [
            httpx(429),
            http(429, Shape::whole(7), Source::Derived),
            http(429, Shape::whole(8), Source::Derived),
            told(1302, LOGGER),
        ];
        assert_eq!(counted(&signals), [Identity::Business(1302)]);
    }

    #[test]
    fn another_status_is_another_call() {
        assert_eq!(counted(&[httpx(500), told(1113, LOGGER)]).len(), 2);
    }

    #[test]
    fn what_nothing_claims_is_counted_after_enough_lines() {
        let mut fold = Fold::default();
        let mut out = Vec::new();
        fold.take(httpx(429), on(1), &mut |e| out.push(e));
        fold.pass(WINDOW_LINES + 1, &mut |e| out.push(e));
        assert_eq!(out, [Event::Answer(429)]);
        fold.pass(WINDOW_LINES + 2, &mut |e| out.push(e));
        assert_eq!(out, [Event::Answer(429), Event::Failure(Identity::Http(429, None), None)]);
        assert!(fold.calls.is_empty());
    }

    #[test]
    fn times_far_apart_are_different_calls() {
        let mut fold = Fold::default();
        let mut failures = 0;
        let mut tell = |e| failures += i32::from(matches!(e, Event::Failure(..)));
        fold.take(told(1302, LOGGER), at(1, 0), &mut tell);
        fold.take(told(1302, TRACEBACK), at(2, 60_000), &mut tell);
        assert_eq!(failures, 2);
    }

    #[test]
    fn a_debug_line_repeats_a_success() {
        let mut fold = Fold::default();
        let mut answers = 0;
        for (line, derived) in [(1, false), (2, true), (3, false), (4, true), (40, true)] {
            let signal = Signal::Success { status: 200, derived };
            fold.take(signal, on(line), &mut |e| answers += i32::from(e == Event::Answer(200)));
        }
        assert_eq!(answers, 3);
    }

    #[test]
    fn an_exception_under_another_statement_is_the_one_that_was_thrown_on() {
        let failures = |prints: &[(Option<u64>, Millis)]| {
            let (mut fold, mut failures) = (Fold::default(), 0);
            for (line, (head, millis)) in (1..).zip(prints) {
                let tell = &mut |e| failures += i32::from(matches!(e, Event::Failure(..)));
                fold.take(told(1302, TRACEBACK), Place { head: *head, ..at(line, *millis) }, tell);
            }
            failures
        };
        assert_eq!(failures(&[(Some(1), 0), (Some(2), 20)]), 1);
        assert_eq!(failures(&[(Some(1), 0), (Some(1), 20), (Some(2), 21)]), 2);
        assert_eq!(failures(&[(Some(1), 0), (Some(2), 1_001)]), 2, "too late");
        assert_eq!(failures(&[(None, 0), (None, 20)]), 2);
    }

    #[test]
    fn memory_stays_bounded_and_nothing_is_lost() {
        let mut fold = Fold::default();
        let mut failures = 0;
        for _ in 0..10_000 {
            fold.take(httpx(429), on(1), &mut |e| failures += usize::from(matches!(e, Event::Failure(..))));
        }
        assert_eq!(failures + fold.held().count(), 10_000);
        assert!(fold.calls.len() <= CALLS);
    }
}
