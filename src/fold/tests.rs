use super::*;
use crate::recognise::Failure;

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
