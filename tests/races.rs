//! Real races: while an exporter is killed and started again and again, its log is rotated as logrotate does it, each file getting the
//! next number, and compressed. A file is another between being listed and being opened, and gone the next moment; each line counts once.
//!
//! No two runs are alike. `ZAI_RACES=500 cargo test --test races` runs more of them.
#![allow(missing_docs)]

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::Compression;
use proptest::prelude::Rng as _;
use proptest::test_runner::TestRunner;
use zai_exporter::state::RealDisk;

use self::common::{append, gzipped};

/// Rotations in one run. None of its files is removed.
const ROTATIONS: u32 = 24;

/// What is compressed.
#[derive(Debug, Clone, Copy)]
enum Compress {
    /// A file, as soon as it is renamed.
    Newest,
    /// The file that was renamed the time before (`delaycompress`).
    Delayed,
}

/// How far the exporter is, so that it gets its turn between any two steps of the writer, or does not.
#[derive(Default)]
struct Pace {
    looks: AtomicU64,
    done: AtomicBool,
}

struct Writer<'a> {
    folder: &'a Path,
    file: File,
    compress: Compress,
    pace: &'a Pace,
    random: TestRunner,
    written: u64,
}

impl Writer<'_> {
    /// Waits for none of the exporter's looks, or for one (for a while: it may have failed).
    fn step(&mut self) {
        let until = self.pace.looks.load(Ordering::Relaxed) + u64::from(self.random.rng().next_u32().is_multiple_of(8));
        for _ in 0..100_000 {
            if self.pace.looks.load(Ordering::Relaxed) >= until {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn name(&self, number: u32, end: &str) -> PathBuf {
        self.folder.join(format!("app.log.{number}{end}"))
    }

    fn write(&mut self) {
        for _ in 0..=self.random.rng().next_u32() % 20 {
            self.written += 1;
            let line = format!(
                "2026-08-10 08:54:07,768 - app.llm - ERROR - call {} failed: Error code: 429, with error text \
                 {{\"error\":{{\"code\":\"1302\",\"message\":\"Rate limit reached for requests\"}}}}\n",
                self.written
            );
            self.file.write_all(line.as_bytes()).unwrap();
        }
    }

    /// As gzip does it.
    fn compress(&mut self, number: u32) {
        let plain = self.name(number, "");
        let Ok(content) = fs::read(&plain) else { return };
        let bytes = gzipped(&content, Compression::fast());
        let mut file = File::create(self.name(number, ".gz")).unwrap();
        self.step();
        file.write_all(&bytes[..bytes.len() / 2]).unwrap();
        self.step();
        file.write_all(&bytes[bytes.len() / 2..]).unwrap();
        file.set_modified(fs::metadata(&plain).unwrap().modified().unwrap()).unwrap();
        self.step();
        fs::remove_file(plain).unwrap();
        self.step();
    }

    fn rotate(&mut self) {
        if matches!(self.compress, Compress::Delayed) {
            self.compress(1);
        }
        for number in (1..=ROTATIONS).rev() {
            for end in ["", ".gz"] {
                if fs::rename(self.name(number, end), self.name(number + 1, end)).is_ok() {
                    self.step();
                }
            }
        }
        fs::rename(self.folder.join("app.log"), self.name(1, "")).unwrap();
        self.step();
        self.file = append(&self.folder.join("app.log"));
        self.step();
        if matches!(self.compress, Compress::Newest) {
            self.compress(1);
        }
    }
}

/// Kills and starts exporters until the writer is done, and returns what the last one counts.
fn export(log: &Path, state: &Path, pace: &Pace, random: &mut TestRunner) -> u64 {
    let mut shown = 0;
    loop {
        let done = pace.done.load(Ordering::Acquire);
        let now = zai_exporter::runner::wall_clock();
        let mut engine = common::engine(log, state, Box::new(RealDisk), now);
        for _ in 0..=random.rng().next_u32() % 3 {
            engine.discover();
            while engine.look(now) {}
            if done || shown == 0 || random.rng().next_u32().is_multiple_of(2) {
                let count = engine.commit(now).errors.iter().map(|s| s.count).sum();
                assert!(count >= shown, "the counter went back from {shown} to {count}");
                shown = count;
            }
            pace.looks.fetch_add(1, Ordering::Release);
        }
        if done {
            return shown;
        }
    }
}

/// One log, rotated [`ROTATIONS`] times: what was written, and what was counted.
fn race(compress: Compress, followed: &str) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let (pace, path) = (Pace::default(), folder.path());
    let file = append(&path.join("app.log"));
    std::thread::scope(|scope| {
        let pace = &pace;
        let writer = scope.spawn(move || {
            let random = TestRunner::default();
            // A log of which nothing was ever seen is read from what it holds then.
            while pace.looks.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            let mut writer = Writer { folder: path, file, compress, pace, random, written: 0 };
            for _ in 0..ROTATIONS {
                writer.write();
                writer.step();
                writer.rotate();
            }
            writer.write();
            pace.done.store(true, Ordering::Release);
            writer.written
        });
        let counted = export(&path.join(followed), &path.join("state"), pace, &mut TestRunner::default());
        (writer.join().unwrap(), counted)
    })
}

fn race_often(compress: Compress, followed: &str) {
    let runs = std::env::var("ZAI_RACES").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    for run in 1..=runs {
        let (written, counted) = race(compress, followed);
        assert_eq!(counted, written, "counted and written, in run {run} of {runs}");
    }
}

#[test]
fn a_log_that_is_renamed_and_compressed_under_restarts_counts_once() {
    race_often(Compress::Newest, "app.log");
}

#[test]
fn a_log_that_is_compressed_at_its_next_rotation_under_restarts_counts_once() {
    race_often(Compress::Delayed, "app.log");
}

#[test]
fn a_log_all_of_whose_generations_are_followed_counts_once_under_restarts() {
    race_often(Compress::Delayed, "app.log*");
}
