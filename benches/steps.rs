//! The inner steps, one by one: `cargo bench`. Throughput is in bytes of log, so that the steps can be compared with each
//! other and with the speed of memory. What a change costs is told by these; what the program costs, by `bench/run.sh`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use zai_exporter::catalogue::{Catalogue, normalise};
use zai_exporter::fold::Event;
use zai_exporter::ledger::{LabelSet, Ledger};
use zai_exporter::lines::Frames;
use zai_exporter::log::{Parser, Progress};
use zai_exporter::metrics::render_data;
use zai_exporter::recognise::{Context, Cursor, Identity, Recogniser, View};

const LINE_BYTES: usize = 1 << 20;

/// One block as the exporter reads it.
const BLOCK: usize = 128 * 1024;

const QUIET: &str = "2026-08-10 08:54:07,768 - app.worker - INFO - job 7919 user=u17 latency_ms=12 queue depth=3 status ok, next poll in 250 ms";
const JSON: &str =
    r#"{"level":"info","ts":1786352047,"code":0,"error":null,"msg":"handled","path":"/v1/chat","ms":12,"id":4711}"#;
const SUCCESS: &str = "2026-08-10 08:54:07,768 - httpx - INFO - HTTP Request: POST https://open.bigmodel.cn/api/paas/v4/chat/completions \"HTTP/1.1 200 OK\"";
const ERROR: &str = r#"2026-08-10 08:54:07,768 - app.llm - ERROR - call 17 failed: Error code: 429, with error text {"error":{"code":"1302","message":"Rate limit reached for requests"}}"#;
const ESCAPED: &str = r#"{"level":"error","ts":1786352047,"msg":"call failed","err":"429: {\"error\":{\"code\":\"1113\",\"message\":\"\\u4f59\\u989d\\u4e0d\\u8db3\\u6216\\u65e0\\u53ef\\u7528\\u8d44\\u6e90\\u5305,\\u8bf7\\u5145\\u503c\\u3002\"}}"}"#;
const CRI: &str =
    "2026-08-10T08:54:07.768123456Z stderr F 2026-08-10 08:54:07,768 - app.worker - INFO - job 7919 user=u17 done";
const DOCKER: &str = r#"{"log":"2026-08-10 08:54:07,768 - app.worker - INFO - job 7919 user=u17 done\n","stream":"stderr","time":"2026-08-10T08:54:07.768123456Z"}"#;

const KINDS: [(&str, &str); 7] = [
    ("quiet", QUIET),
    ("json", JSON),
    ("success", SUCCESS),
    ("error", ERROR),
    ("escaped", ESCAPED),
    ("cri", CRI),
    ("docker", DOCKER),
];

fn recogniser() -> Recogniser {
    Recogniser::new(Arc::new(Catalogue::built_in()), &[], TimeZone::UTC)
}

fn block(line: &str) -> Vec<u8> {
    format!("{line}\n").into_bytes().repeat(BLOCK / (line.len() + 1))
}

/// Bytes to events: all that happens between reading a block and counting.
fn feed(c: &mut Criterion) {
    let recogniser = recogniser();
    let mut group = c.benchmark_group("feed");
    for (name, line) in KINDS {
        let block = block(line);
        group.throughput(Throughput::Bytes(block.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &block, |b, block| {
            let (mut parser, mut progress) = (Parser::default(), Progress::default());
            b.iter(|| {
                let mut events = 0u64;
                parser.feed(&recogniser, &mut progress, black_box(block), LINE_BYTES, &mut |_| events += 1);
                events
            });
        });
    }
    group.finish();
}

/// The fast path alone: which lines of a block are of interest.
fn needles(c: &mut Criterion) {
    let recogniser = recogniser();
    let mut group = c.benchmark_group("needles");
    for (name, line) in [("quiet", QUIET), ("json", JSON)] {
        let block = block(line);
        group.throughput(Throughput::Bytes(block.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &block, |b, block| {
            let mut cursor = Cursor::default();
            b.iter(|| {
                recogniser.needles.start(&mut cursor);
                recogniser.needles.find(black_box(block), 0, &mut cursor)
            });
        });
    }
    group.finish();
}

/// One line of interest: its view, its candidates, its evidence.
fn read(c: &mut Criterion) {
    let recogniser = recogniser();
    let mut group = c.benchmark_group("read");
    for (name, line) in KINDS {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), line.as_bytes(), |b, line| {
            let (mut context, mut view) = (Context::default(), View::default());
            b.iter(|| {
                let mut signals = 0;
                recogniser.read(black_box(line), 1, &mut context, &mut view, &mut |_| signals += 1);
                signals
            });
        });
    }
    group.finish();
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames");
    for (name, line) in [("plain", QUIET), ("cri", CRI), ("docker", DOCKER)] {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), line.as_bytes(), |b, line| {
            let mut frames = Frames::default();
            b.iter(|| black_box(frames.unwrap(black_box(line), LINE_BYTES)) != zai_exporter::lines::Framed::Part);
        });
    }
    group.finish();
    c.bench_function("normalise", |b| b.iter(|| normalise(black_box("余额不足或无可用资源包,请充值。".as_bytes()))));
}

/// What a scrape costs besides the commit: the text of 60 and of 5,000 series.
fn exposition(c: &mut Criterion) {
    let catalogue = Arc::new(Catalogue::built_in());
    let mut group = c.benchmark_group("exposition");
    for pods in [1, 300] {
        let mut ledger = Ledger::new(50);
        for pod in 0..pods {
            let labels: LabelSet = if pods == 1 {
                LabelSet::new()
            } else {
                [("namespace", "prod".to_string()), ("pod", format!("chat-{pod}"))]
                    .into_iter()
                    .map(|(name, value)| (name.to_string(), value))
                    .collect()
            };
            let set = ledger.open(labels, &catalogue);
            ledger.count(set, Event::Failure(Identity::Business(1302), None), &catalogue, 1_786_352_047_768);
        }
        let snapshot = Arc::new(ledger.snapshot(std::iter::empty(), &catalogue, 1_786_352_047_768));
        group.bench_with_input(BenchmarkId::new("label_sets", pods), &snapshot, |b, snapshot| {
            b.iter(|| render_data(Arc::clone(snapshot), Arc::clone(&catalogue)).map(|text| text.len()));
        });
    }
    group.finish();
}

/// What a start and a reload cost.
fn start(c: &mut Criterion) {
    c.bench_function("catalogue and recogniser", |b| b.iter(recogniser));
}

criterion_group!(steps, feed, needles, read, frames, exposition, start);
criterion_main!(steps);
