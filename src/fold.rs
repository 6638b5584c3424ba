//! Signals to events: one failed call is one event, however many lines the client prints for it.
//!
//! - An HTTP failure is held until a coded error claims it, the SDK says that it tries again, or enough lines have passed.
//! - The same failure is printed again by another layer: another shape of line, the same code, no other request id or
//!   message. The same shape again is a new failure.
//!
//! All of this state is committed with the position of its log, so that a restart between two lines changes nothing.

mod call;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use self::call::{Call, Print, SHAPES};
use crate::recognise::time::{Millis, Written};
use crate::recognise::{FinishReason, Identity, Shape, Signal, Source};
use crate::saved::is_default;

/// How many lines after an HTTP failure its coded error is waited for, and a failure is recognised when it is printed again.
/// Chained tracebacks of deep frameworks are 100 to 150 lines long.
pub const WINDOW_LINES: u64 = 200;

/// How many lines may stand between two prints of one success or one finish reason.
const ECHO_LINES: u64 = 8;

/// How many calls of one log are remembered. More are never open at once but in logs made to be hostile.
const CALLS: usize = 64;

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
            Signal::Failure(failure) => self.failure(Print { failure: &failure, place }, tell),
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
        self.calls.iter().filter(|call| call.held).map(Call::event)
    }

    fn failure(&mut self, print: Print<'_>, tell: &mut dyn FnMut(Event)) {
        let at = match print.failure.source {
            Source::Told | Source::Guessed => self.told_again(print).or_else(|| self.explained(print)),
            Source::Transport => self.calls.iter().rposition(|call| call.held && call.is_shown_again_by(print)),
            Source::Derived => self.calls.iter().rposition(|call| call.is_shown_again_by(print)),
        };
        let Some(at) = at else {
            if print.failure.source != Source::Guessed {
                self.begin(print, tell);
            }
            return;
        };
        let mut call = self.calls.remove(at).expect("the index was just found");
        call.add(print);
        if print.tells() && call.held {
            call.explain(print);
            tell(call.event());
        }
        call.answer(print.failure).into_iter().for_each(tell);
        self.calls.push_back(call);
    }

    fn begin(&mut self, print: Print<'_>, tell: &mut dyn FnMut(Event)) {
        if self.calls.len() == CALLS {
            self.forget_first(tell);
        }
        let mut call = Call::begun_by(print);
        if !call.held {
            tell(call.event());
        }
        call.answer(print.failure).into_iter().for_each(tell);
        // Most logs have one call open, and there may be thousands of logs.
        self.calls.reserve_exact(usize::from(self.calls.is_empty()));
        self.calls.push_back(call);
    }

    /// The call whose reason was told before, by another layer. An HTTP failure since then that this may be the reason of, or the same shape
    /// again, means a new call; the same shape does not where the HTTP client shows each answer, and has shown none since.
    fn told_again(&self, print: Print<'_>) -> Option<usize> {
        for (at, call) in self.calls.iter().enumerate().rev() {
            if call.held {
                if call.is_explained_by(print) {
                    return None;
                }
                continue;
            }
            let none_shown_since = || self.successes.line <= call.line && self.explained(print).is_none();
            let twice = || call.is_told_twice_by(print) && none_shown_since();
            if call.identity == print.failure.identity && (call.is_told_again_by(print) || twice()) {
                return Some(at);
            }
        }
        None
    }

    /// The HTTP failure that this line tells the reason of.
    fn explained(&self, print: Print<'_>) -> Option<usize> {
        self.calls.iter().rposition(|call| call.held && call.is_explained_by(print))
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
            told.end(place.time);
        } else if let Some(at) = self.calls.iter().rposition(|c| c.held) {
            let call = self.calls.remove(at).expect("the index was just found");
            tell(call.event());
        }
    }

    fn forget_first(&mut self, tell: &mut dyn FnMut(Event)) {
        if let Some(call) = self.calls.pop_front().filter(|c| c.held) {
            tell(call.event());
        }
    }
}

#[cfg(test)]
mod tests;
