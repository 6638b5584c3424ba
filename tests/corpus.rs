//! Labelled logs of every client, and of what only looks like them: the counts must be exactly those of the labels.
#![allow(missing_docs)]

mod common;

use common::{count, records};
use zai_exporter::config::Config;
use zai_exporter::fold::{Event, Fold, Place};
use zai_exporter::recognise::{Context, Recogniser, View};

fn check(text: &str) {
    let config = Config::default();
    let mut wrong = Vec::new();
    for record in records(text) {
        let counts = count(&config, &record.log);
        if !record.expected.contains(&counts.errors) {
            wrong.push(format!("{}: counted {:?}, expected {:?}", record.id, counts.errors, record.expected));
        }
        if record.http_200.is_some_and(|n| n != counts.http_200) {
            wrong.push(format!("{}: {} answers with 200, expected {:?}", record.id, counts.http_200, record.http_200));
        }
        if record.finish_reason.as_ref().is_some_and(|r| !counts.finishes.contains_key(r)) {
            wrong.push(format!(
                "{}: finish reasons {:?}, expected {:?}",
                record.id, counts.finishes, record.finish_reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_client_counts_exactly() {
    check(include_str!("corpus/clients.jsonl"));
}

#[test]
fn nothing_that_only_looks_alike_counts() {
    check(include_str!("corpus/lookalikes.jsonl"));
}

/// What counts in `log` where only the lines `of_interest` are read.
fn counted(recogniser: &Recogniser, log: &[u8], of_interest: impl Fn(&[u8]) -> bool) -> Vec<Event> {
    let (mut context, mut view, mut fold) = (Context::default(), View::default(), Fold::default());
    let mut counted = Vec::new();
    for (line, bytes) in (0..).zip(log.split(|b| *b == b'\n')).filter(|(_, bytes)| of_interest(bytes)) {
        recogniser.read(bytes, line, &mut context, &mut view, &mut |signal| {
            fold.take(signal, Place { line, time: None, head: None }, &mut |event| counted.push(event));
        });
    }
    counted.extend(fold.held());
    counted.retain(|event| *event != Event::LookAlike);
    counted
}

#[test]
fn no_line_that_counts_is_passed_over() {
    let recogniser = Config::default().recogniser;
    let (clients, others) = (include_str!("corpus/clients.jsonl"), include_str!("corpus/lookalikes.jsonl"));
    let mut sum = 0;
    for record in [clients, others].into_iter().flat_map(records) {
        let of_all = counted(&recogniser, &record.log, |_| true);
        let of_interest = counted(&recogniser, &record.log, |line| recogniser.needles.stand_in(line));
        assert_eq!(of_interest, of_all, "{}", record.id);
        sum += of_all.len();
    }
    assert!(sum > 300, "{sum}");
}
