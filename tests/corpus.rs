//! Labelled logs of every client, and of what only looks like them: the counts must be exactly those of the labels.
#![allow(missing_docs)]

mod common;

use common::{count, records};
use zai_exporter::config::Config;

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
