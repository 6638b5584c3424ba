//! A failed call, and which further lines are about it.

use serde::{Deserialize, Serialize};

use super::{Event, Place};
use crate::recognise::time::Written;
use crate::recognise::{Failure, Identity, Shape, Source};
use crate::saved::is_default;

/// How far apart an HTTP failure and its coded error are by their own times, at the most.
const WINDOW_MILLIS: u64 = 15_000;

/// How far apart two layers print one failure, by their own times, at the most: whoever catches an exception logs it or throws it on at once.
const RETOLD_MILLIS: u64 = 1_000;

/// How many layers print one failure, at the most.
pub(super) const SHAPES: usize = 12;

/// A line about a failure, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Print<'a> {
    pub failure: &'a Failure,
    pub place: Place,
}

impl Print<'_> {
    /// Whether it tells the reason, and not only that a call failed.
    pub fn tells(self) -> bool {
        matches!(self.failure.source, Source::Told | Source::Guessed)
    }

    /// What the line leaves of itself: its shape, and that under the line above.
    fn shapes(self) -> impl Iterator<Item = Shape> {
        [Some(self.failure.shape), self.below_head()].into_iter().flatten()
    }

    fn below_head(self) -> Option<Shape> {
        self.place.head.map(|head| self.failure.shape.below(head))
    }
}

/// A failed call that further lines may be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Call {
    pub identity: Identity,
    /// The last line about it.
    pub line: u64,
    /// When it failed, and from when on its reason is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Written>,
    shapes: Vec<Shape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    /// Not counted yet: a coded error may still claim it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held: bool,
    /// Its HTTP answer has been counted.
    #[serde(default, skip_serializing_if = "is_default")]
    answered: bool,
    /// The HTTP client or a proxy showed the answer.
    #[serde(default, skip_serializing_if = "is_default")]
    shown: bool,
    /// When another attempt was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<Written>,
}

impl Call {
    /// The call that this line tells of first.
    pub fn begun_by(print: Print<'_>) -> Self {
        let Print { failure, place } = print;
        let mut shapes = Vec::new();
        // There may be thousands of logs.
        shapes.reserve_exact(print.shapes().count());
        shapes.extend(print.shapes());
        Self {
            identity: failure.identity,
            line: place.line,
            time: place.time,
            shapes,
            message: failure.message,
            request: failure.request,
            held: failure.source != Source::Told,
            answered: false,
            shown: failure.source == Source::Transport,
            over: None,
        }
    }

    /// Another line is about it.
    pub fn add(&mut self, print: Print<'_>) {
        let Print { failure, place } = print;
        self.line = place.line;
        self.time = self.time.or(place.time);
        self.message = self.message.or(failure.message);
        self.request = self.request.or(failure.request);
        self.shown |= failure.source == Source::Transport;
        if self.shapes.len() < SHAPES {
            self.shapes.extend(print.shapes());
        }
    }

    /// A line tells its reason, for which it was held.
    pub fn explain(&mut self, print: Print<'_>) {
        self.identity = print.failure.identity;
        self.held = false;
        // Layers print it at once from now on, which may be a while after the answer.
        self.time = print.place.time.or(self.time);
    }

    /// Another attempt is announced at `time`: there is nothing more to say of this one.
    pub fn end(&mut self, time: Option<Written>) {
        self.over = time;
    }

    /// What counts.
    pub fn event(&self) -> Event {
        Event::Failure(self.identity, self.time.and_then(Written::millis))
    }

    /// Its HTTP answer, when a line first shows it.
    pub fn answer(&mut self, failure: &Failure) -> Option<Event> {
        let status = failure.status.filter(|_| !self.answered)?;
        self.answered = true;
        Some(Event::Answer(status))
    }

    /// Whether a line can be the reason of a call that is held.
    pub fn is_explained_by(&self, print: Print<'_>) -> bool {
        let status = match (self.identity, print.failure.status) {
            (Identity::Http(held, _), Some(told)) => held == told,
            _ => true,
        };
        status && self.is_near(print.place)
    }

    /// Whether another layer tells the same of it again, or anybody of its request, which has one answer.
    pub fn is_told_again_by(&self, print: Print<'_>) -> bool {
        let its_request = self.request.is_some() && self.request == print.failure.request;
        its_request || self.is_of_another_layer(print)
    }

    /// Whether the statement that told of it tells the same twice, as `CrewAI`'s does: at about the same time, and where the HTTP client shows each
    /// answer. That it has shown none since is not asked here.
    pub fn is_told_twice_by(&self, print: Print<'_>) -> bool {
        let at_once = || self.time.zip(print.place.time).is_some_and(|(a, b)| a.is_near(b, RETOLD_MILLIS));
        let known = self.shown && self.over.is_none() && self.message.is_some();
        known && self.is_same_request(print.failure) && at_once()
    }

    /// Whether a line that tells no reason shows its answer again.
    pub fn is_shown_again_by(&self, print: Print<'_>) -> bool {
        let failure = print.failure;
        let explained = matches!(self.identity, Identity::Business(_)) && failure.source == Source::Derived;
        let same = self.identity == failure.identity || explained;
        same && self.is_near(print.place) && !self.was_printed_as(failure.shape)
    }

    /// Whether another layer, or another statement above the same exception, prints it at about the same time.
    fn is_of_another_layer(&self, print: Print<'_>) -> bool {
        let Print { failure, place } = print;
        let at_once = || self.time.zip(place.time).is_none_or(|(a, b)| a.is_near(b, RETOLD_MILLIS));
        // Of an attempt that is over only the exception is printed, right below the line that says so, whose time it has.
        let over = self.over.is_some() && self.over != place.time;
        let below = || print.below_head().filter(|_| self.time.is_some() && place.time.is_some());
        let same = !over && self.is_same_request(failure) && at_once();
        same && !self.was_printed_as(below().unwrap_or(failure.shape))
    }

    /// A request id decides; without one on both sides, the message does.
    fn is_same_request(&self, failure: &Failure) -> bool {
        match (self.request, failure.request) {
            (Some(a), Some(b)) => a == b,
            _ => self.message.zip(failure.message).is_none_or(|(a, b)| a == b),
        }
    }

    fn is_near(&self, place: Place) -> bool {
        self.time.zip(place.time).is_none_or(|(a, b)| a.is_near(b, WINDOW_MILLIS))
    }

    /// Whether the statement that prints this shape has printed it before.
    fn was_printed_as(&self, shape: Shape) -> bool {
        self.shapes.iter().any(|earlier| earlier.is_of_statement(shape))
    }
}
