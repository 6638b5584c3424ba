#![allow(clippy::cast_possible_truncation)] // sizes of test logs

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::catalogue::Catalogue;
use crate::recognise::Identity;

const ERROR: &str = r#"Error code: 429, with error text {"error":{"code":"1113","message":"Insufficient balance or no resource package"}}"#;

fn recogniser() -> Recogniser {
    Recogniser::new(Arc::new(Catalogue::built_in()), &[], TimeZone::UTC)
}

fn feed(log: &[u8]) -> (Progress, Vec<Event>, Read) {
    let (mut progress, mut events) = (Progress::default(), Vec::new());
    let read = Parser::default().feed(&recogniser(), &mut progress, log, 1 << 20, &mut |e| events.push(e));
    (progress, events, read)
}

fn failures(events: &[Event]) -> Vec<(Identity, Option<time::Millis>)> {
    events.iter().filter_map(|e| if let Event::Failure(i, t) = e { Some((*i, *t)) } else { None }).collect()
}

#[test]
fn lines_are_counted_whether_or_not_they_tell_anything() {
    let log = format!("one\ntwo\n{ERROR}\nfour\npartial");
    let (progress, events, read) = feed(log.as_bytes());
    assert_eq!((progress.lines, read.lines), (4, 4));
    assert_eq!(read.bytes as usize, log.len() - "partial".len());
    assert_eq!(failures(&events), [(Identity::Business(1113), None)]);
}

#[test]
fn an_error_without_a_time_has_that_of_the_line_above() {
    let log = format!("2026-08-10 08:54:07,768 ERROR failed\nTraceback\n  x\n{ERROR}\n");
    let (_, events, _) = feed(log.as_bytes());
    assert_eq!(failures(&events), [(Identity::Business(1113), Some(1_786_352_047_768))]);
}

#[test]
fn an_error_in_the_first_part_of_an_endless_line_counts_once() {
    let mut log = ERROR.as_bytes().to_vec();
    log.resize(2 << 20, b'x');
    log.extend_from_slice(b"\n");
    log.extend_from_slice(ERROR.as_bytes());
    log.extend_from_slice(b"\n");
    let recogniser = recogniser();
    let (mut parser, mut progress, mut events) = (Parser::default(), Progress::default(), Vec::new());
    let (mut at, mut too_long) = (0, 0);
    while at < log.len() {
        let block = &log[at..log.len().min(at + (1 << 20) + 2)];
        let read = parser.feed(&recogniser, &mut progress, block, 1 << 20, &mut |e| events.push(e));
        at += read.bytes as usize;
        too_long += read.too_long;
    }
    assert_eq!((failures(&events).len(), too_long, progress.lines), (2, 1, 2));
}

#[test]
fn a_container_frame_gives_the_time() {
    let log = format!("2026-08-10T08:54:07.768Z stderr F {ERROR}\n");
    let (_, events, _) = feed(log.as_bytes());
    assert_eq!(failures(&events), [(Identity::Business(1113), Some(1_786_352_047_768))]);
}

#[test]
fn which_time_an_error_has_does_not_depend_on_how_its_log_is_read() {
    let line = "x".repeat(99) + "\n";
    for filler in [100, 320, 340, 2_000] {
        let log = format!("2026-08-10 08:54:07,768 ERROR failed\n{}{ERROR}\n", line.repeat(filler));
        let (_, whole, _) = feed(log.as_bytes());
        let recogniser = recogniser();
        let (mut parser, mut progress, mut pieces) = (Parser::default(), Progress::default(), Vec::new());
        for line in log.split_inclusive('\n') {
            parser.feed(&recogniser, &mut progress, line.as_bytes(), 1 << 20, &mut |e| pieces.push(e));
        }
        assert_eq!(whole, pieces, "{filler} lines between the time and the error");
        assert_eq!(failures(&whole)[0].1.is_some(), filler < 330);
    }
}

#[test]
fn what_follows_a_line_that_was_too_long_is_read_with_its_end() {
    let recogniser = recogniser();
    let (mut parser, mut progress, mut events) = (Parser::default(), Progress::default(), Vec::new());
    let mut feed = |block: &[u8]| parser.feed(&recogniser, &mut progress, block, 1_000, &mut |e| events.push(e));
    assert_eq!(feed(&[b'x'; 2_000]).too_long, 1);
    let rest = format!("the end\n{ERROR}\npartial");
    assert_eq!(feed(rest.as_bytes()), Read { bytes: rest.len() as u64 - 7, lines: 2, too_long: 0 });
    assert_eq!(failures(&events).len(), 1);
}

#[test]
fn what_a_cut_line_tells_does_not_depend_on_how_it_arrives() {
    let fill = "x".repeat(1_000);
    for (long, failures) in [
        // It holds a name of the API that alone makes no line worth a look.
        (format!("zhipu {fill}"), 0),
        // What makes it worth a look stands behind the cut, or across it.
        (format!("zhipu {fill} {ERROR}"), 0),
        (format!("zhipu {}{ERROR}", &fill[..980]), 0),
        // The cut makes a host's name of a longer word.
        (format!("zhipu {} z.aix{fill}", &fill[..989]), 0),
        (format!("{ERROR} {fill}\r"), 1),
    ] {
        let log = |line: &str| format!("short\n{line}\nshort\n{}\r\n", "y".repeat(1_000));
        let (cut, log) = (log(&long[..1_000]), log(&long));
        let (whole, pieces) = (by_reads_of(&log, log.len()), by_reads_of(&log, 1_002));
        assert_eq!(whole, pieces, "{}", &long[..40]);
        let (progress, events, read) = whole;
        assert_eq!((self::failures(&events).len(), read.too_long), (failures, 1), "{}", &long[..40]);
        // It tells what its first part would tell as a line.
        let (short, told, _) = by_reads_of(&cut, cut.len());
        assert_eq!((progress, events), (short, told), "{}", &long[..40]);
    }
}

#[test]
fn what_is_remembered_ages_with_the_end_of_a_line_that_was_too_long() {
    for (first, lines) in [("finish_reason='length'\n", 8), ("POST https://api.z.ai/x \"HTTP/1.1 429\"\n", 200)] {
        let log = format!("{first}{}{}\n", "x\n".repeat(lines - 1), "y".repeat(2_000));
        let (whole, pieces) = (by_reads_of(&log, log.len()), by_reads_of(&log, 1_002));
        assert_eq!(whole, pieces);
        assert!(
            whole.0.fold == crate::fold::Fold::default() && !whole.1.is_empty(),
            "it is told and forgotten with the last line's end"
        );
    }
}

#[test]
fn the_greatest_number_of_a_line_that_a_state_may_tell_stays() {
    let mut progress = Progress { lines: u64::MAX, ..Progress::default() };
    let log = format!("one\n{ERROR}\ntwo\n{}\n", "x".repeat(2_000));
    for block in [log.as_bytes(), &[b'x'; 2_000], b"\n"] {
        Parser::default().feed(&recogniser(), &mut progress, block, 1_000, &mut |_| {});
    }
    assert_eq!(progress.lines, u64::MAX);
}

/// With lines of up to 1,000 bytes. Each read brings so many bytes, or what is there.
fn by_reads_of(log: &str, bytes: usize) -> (Progress, Vec<Event>, Read) {
    let recogniser = recogniser();
    let (mut parser, mut progress, mut events) = (Parser::default(), Progress::default(), Vec::new());
    let (mut sum, mut taken, mut there) = (Read::default(), 0, 0);
    while there < log.len() {
        there = log.len().min(taken + bytes);
        let block = &log.as_bytes()[taken..there];
        sum.add(parser.feed(&recogniser, &mut progress, block, 1_000, &mut |e| events.push(e)));
        taken = sum.bytes as usize;
    }
    (progress, events, sum)
}
