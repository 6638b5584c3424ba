//! Storms with the real binary: a writer at 4,000 lines/s, rotations, kill -9 at random moments, scrapes all the while. At the
//! end the counts equal the writer's exactly, and no counter has ever gone back.
//!
//! `ZAI_STORM_RUNS=20 cargo test --release --test storm` runs longer.
#![allow(missing_docs, clippy::float_cmp)] // counts are whole numbers

#[path = "common/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "common/prometheus.rs"]
mod prometheus;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use process::{Exporter, value};
use prometheus::Prometheus;

const LINES_PER_SECOND: u32 = 4_000;
const LINES_PER_FILE: u32 = 400;
const SECONDS: u32 = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rotation {
    Rename,
    CopyTruncate,
}

fn runs() -> u32 {
    std::env::var("ZAI_STORM_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(2)
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// Writes pairs of an HTTP line and its coded error, and single successes; returns the failed calls and the successes.
fn write(folder: &Path, rotation: Rotation, done: &AtomicBool) -> (u32, u32) {
    let path = folder.join("app.log");
    let mut file = append(&path);
    let start = Instant::now();
    let (mut failed, mut succeeded, mut lines, mut generation) = (0, 0, 0u32, 0);
    while lines < LINES_PER_SECOND * SECONDS {
        let due = start + Duration::from_secs_f64(f64::from(lines) / f64::from(LINES_PER_SECOND));
        while Instant::now() < due {
            std::thread::park_timeout(due - Instant::now());
        }
        for _ in 0..8 {
            let text = if lines % 4 == 0 {
                succeeded += 1;
                "2026-08-10 08:54:07,768 - httpx - INFO - HTTP Request: POST https://api.z.ai/api/paas/v4/x \"HTTP/1.1 200 OK\"\n".to_string()
            } else {
                failed += 1;
                format!(
                    "2026-08-10 08:54:07,768 - app - ERROR - call {lines} failed: Error code: 429, with error text {{\"error\":{{\"code\":\"1302\",\"message\":\"Rate limit reached for requests\"}}}}\n"
                )
            };
            // Now and then a line arrives in two halves.
            let half = if lines % 97 == 0 { text.len() / 2 } else { text.len() };
            file.write_all(&text.as_bytes()[..half]).unwrap();
            file.write_all(&text.as_bytes()[half..]).unwrap();
            lines += 1;
            if lines % LINES_PER_FILE == 0 {
                generation += 1;
                file = rotate(&path, &file, rotation, generation);
            }
        }
    }
    done.store(true, Ordering::Release);
    (failed, succeeded)
}

fn rotate(path: &PathBuf, file: &File, rotation: Rotation, generation: u32) -> File {
    let old = path.with_file_name(format!("app.log.{generation}"));
    match rotation {
        Rotation::Rename => {
            std::fs::rename(path, old).unwrap();
            append(path)
        }
        Rotation::CopyTruncate => {
            std::fs::copy(path, old).unwrap();
            file.set_len(0).unwrap();
            append(path)
        }
    }
}

/// A small generator of numbers (xorshift), seeded by the clock; the seed is printed.
fn dice() -> impl FnMut(u64) -> u64 {
    let mut state = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() | 1;
    println!("seed {state}");
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Runs a storm, `started` being told the exporter's port before it; returns the exporter and the failed calls.
fn storm(rotation: Rotation, kills: bool, started: impl FnOnce(u16, &Path)) -> (Exporter, u32, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    append(&log);
    let state = folder.path().join("state");
    let args = [log.to_str().unwrap(), "--state.dir", state.to_str().unwrap(), "--log.level=warn"];
    let mut exporter = Exporter::start(&args, &folder.path().join("journal"));
    let errors = |scrape: &str| value(scrape, "zai_api_errors_total", "");
    exporter.scrape_until("the first pass", |_| true);
    started(exporter.port, folder.path());
    let done = AtomicBool::new(false);
    let mut roll = dice();
    let (mut shown, mut restarts) = (0.0, 0);
    let (failed, succeeded) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(folder.path(), rotation, &done));
        while !done.load(Ordering::Acquire) {
            if let Some(scrape) = exporter.scrape() {
                let now = errors(&scrape);
                assert!(now >= shown, "the counter went back from {shown} to {now}");
                shown = now;
            }
            if kills && roll(20) == 0 {
                exporter.kill_and_restart();
                restarts += 1;
            }
        }
        writer.join().unwrap()
    });
    let last = exporter.scrape_until(&format!("{failed} failed calls"), |scrape| errors(scrape) >= f64::from(failed));
    assert_eq!(errors(&last), f64::from(failed), "failed calls, after {restarts} restarts");
    assert_eq!(value(&last, "zai_http_responses_total", "status=\"200\""), f64::from(succeeded), "successes");
    assert!(!kills || restarts > 0);
    (exporter, failed, folder)
}

#[test]
fn a_real_prometheus_sees_no_reset_and_the_whole_increase() {
    let mut prometheus = None;
    let (_exporter, failed, _folder) =
        storm(Rotation::Rename, true, |port, folder| prometheus = Some(Prometheus::start(port, "", folder)));
    let (prometheus, failed) = (prometheus.unwrap(), f64::from(failed));
    prometheus.until("sum(zai_api_errors_total)", |sum| sum == failed);
    assert_eq!(prometheus.query("sum(resets(zai_api_errors_total[10m]))"), Some(0.0));
    assert_eq!(prometheus.query("sum(resets(zai_http_responses_total[10m]))"), Some(0.0));
    let increase = prometheus.query("sum(increase(zai_api_errors_total[10m]))").unwrap();
    // Prometheus extrapolates by up to half a scrape interval at each end.
    assert!((increase - failed).abs() <= failed * 0.1, "an increase of {increase} for {failed} written");
}

#[test]
fn renames_and_kills_lose_nothing_and_double_nothing() {
    for _ in 0..runs() {
        storm(Rotation::Rename, true, |_, _| ());
    }
}

#[test]
fn copies_and_truncations_lose_nothing() {
    for _ in 0..runs() {
        storm(Rotation::CopyTruncate, false, |_, _| ());
    }
}
