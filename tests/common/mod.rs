//! What the integration tests share: a scan of bytes in memory, an engine over files, the labelled records of `tests/corpus`, and compressed
//! bytes.
#![allow(dead_code, missing_docs)] // each test binary uses its own part of it

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::Registry;
use serde_json::Value;
use zai_exporter::config::Config;
use zai_exporter::engine::Engine;
use zai_exporter::fold::Event;
use zai_exporter::ledger::{Code, LabelSet, Ledger, Snapshot};
use zai_exporter::log::{Parser, Progress};
use zai_exporter::metrics::{Data, Own};
use zai_exporter::recognise::time::Millis;
use zai_exporter::state::{Disk, Store};

/// A file to be appended to.
pub fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// An exporter without its threads and its server, that follows a path or glob and keeps its state in a folder.
pub fn engine(path: &Path, state: &Path, disk: Box<dyn Disk>, now: Millis) -> Engine {
    let config = Arc::new(Config::default().with_paths(&[path.to_string_lossy().into_owned()]).unwrap());
    let data = Data::new(Arc::clone(&config.recogniser.catalogue));
    let own = Own::new(&Registry::new()).unwrap();
    Engine::new(config, Some(Store::open(state, disk).unwrap()), false, data, own, now)
}

/// What gzip makes of a content.
pub fn gzipped(content: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Counts of one log, by category and code, as the corpus labels them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub errors: BTreeMap<(String, String), u64>,
    pub http_200: u64,
    pub finishes: BTreeMap<String, u64>,
}

impl Counts {
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut counts = Self::default();
        for series in snapshot.errors.iter().filter(|s| s.count > 0) {
            let code = match &series.key.code {
                Code::Number(n) => n.to_string(),
                code => code.as_str().into_owned(),
            };
            *counts.errors.entry((series.key.category.to_string(), code)).or_default() += series.count;
        }
        counts.http_200 = snapshot.answers.iter().filter(|s| s.value == 200).map(|s| s.count).sum();
        let finishes = snapshot.finishes.iter().filter(|s| s.count > 0);
        counts.finishes = finishes.map(|s| (s.value.as_str().to_string(), s.count)).collect();
        counts
    }

    pub fn total(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Feeds `bytes` in pieces of the given sizes (the last size is used again and again), as reads from a file would.
pub fn count_in_pieces(config: &Config, bytes: &[u8], sizes: &[usize]) -> Snapshot {
    let catalogue = Arc::clone(&config.recogniser.catalogue);
    let mut ledger = Ledger::default();
    let set = ledger.open(LabelSet::new(), &catalogue);
    let (mut parser, mut progress) = (Parser::default(), Progress::default());
    let mut events: Vec<Event> = Vec::new();
    let (mut consumed, mut available, mut step) = (0, 0, 0);
    while available < bytes.len() {
        let size = sizes.get(step).or(sizes.last()).copied().unwrap_or(usize::MAX).max(1);
        step += 1;
        available = bytes.len().min(available.saturating_add(size));
        loop {
            // A reader never sees more than a line of that length beyond what it consumed.
            let end = available.min(consumed + config.limits.line_bytes + 2);
            let mut tell = |event| events.push(event);
            let block = &bytes[consumed..end];
            let read = parser.feed(&config.recogniser, &mut progress, block, config.limits.line_bytes, &mut tell);
            consumed += usize::try_from(read.bytes).unwrap();
            if read.bytes == 0 || consumed == available {
                break;
            }
        }
        // What is committed between two reads is all that a restart keeps.
        let saved = serde_json::to_string(&progress).unwrap();
        progress = serde_json::from_str(&saved).unwrap();
    }
    events.extend(progress.held());
    for event in events {
        ledger.count(set, event, &catalogue, 1);
    }
    ledger.snapshot(std::iter::empty(), &catalogue, 1)
}

pub fn count(config: &Config, bytes: &[u8]) -> Counts {
    Counts::of(&count_in_pieces(config, bytes, &[usize::MAX]))
}

/// A labelled record.
#[derive(Debug)]
pub struct Record {
    pub id: String,
    pub log: Vec<u8>,
    pub expected: Vec<BTreeMap<(String, String), u64>>,
    pub http_200: Option<u64>,
    pub finish_reason: Option<String>,
}

pub fn records(text: &str) -> Vec<Record> {
    text.lines().map(|line| record(&serde_json::from_str(line).unwrap())).collect()
}

fn record(value: &Value) -> Record {
    let lines: Vec<&str> = value["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let mut expected = vec![events(&value["expect"])];
    match value["alt_expect"].as_array() {
        Some(list) if list.iter().all(Value::is_array) => expected.extend(list.iter().map(events)),
        Some(_) => expected.push(events(&value["alt_expect"])),
        None => {}
    }
    Record {
        id: value["id"].as_str().unwrap().to_string(),
        log: (lines.join("\n") + "\n").into_bytes(),
        expected,
        http_200: value["expect_success"].as_u64(),
        finish_reason: value["expect_finish_reason"].as_str().map(|r| r.replace('-', "_")),
    }
}

fn events(list: &Value) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for event in list.as_array().unwrap() {
        let category = match event["category"].as_str().unwrap() {
            "Basic Error" => "basic",
            "Authentication Error" => "authentication",
            "Account Error" => "account",
            "API Call Error" => "api_call",
            "API Policy Block Error" => "api_policy_block",
            "HTTP" => "http",
            _ => "unknown",
        };
        let code = event["code"].as_str().unwrap();
        let code = code.strip_prefix("http_").unwrap_or(code);
        *counts.entry((category.to_string(), code.to_string())).or_default() += 1;
    }
    counts
}
