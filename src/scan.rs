//! `scan`: the same line as `serve`, walked once over whole files.

mod progress;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;

use self::progress::Shown;
use crate::config::Config;
use crate::ledger::{LabelSet, Ledger, SetId, Snapshot};
use crate::log::{self, Progress};
use crate::recognise::time::Millis;
use crate::runner::wall_clock;
use crate::source::{Buffer, Counter, glob_paths};

/// The bytes that every gzip file begins with (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// What a scan found.
#[derive(Debug)]
pub struct Found {
    /// The counts.
    pub snapshot: Arc<Snapshot>,
    /// Files read.
    pub files: u64,
    /// What was read of them.
    pub read: log::Read,
    /// Lines that looked like errors of the API.
    pub look_alikes: u64,
    /// Files that could not be read, with the reason.
    pub failed: Vec<String>,
}

/// Reads `paths` (files, globs, `-` for standard input) from beginning to end.
pub fn scan(paths: &[String], config: &Config) -> Found {
    let mut scan = Scan {
        config,
        ledger: Ledger::new(config.limits.unknown_codes),
        buffer: Buffer::new(config.limits.line_bytes),
        counter: Counter::default(),
        files: 0,
        failed: Vec::new(),
    };
    let files = scan.expand(paths);
    let mut shown = Shown::of(&files);
    if files.is_empty() {
        scan.ledger.open(LabelSet::new(), &config.recogniser.catalogue);
    }
    for path in files {
        if let Err(e) = scan.file(&path, &mut shown) {
            scan.failed.push(format!("cannot read {}: {e}", path.display()));
        }
    }
    shown.wipe();
    let snapshot = scan.ledger.snapshot(std::iter::empty(), &config.recogniser.catalogue, wall_clock());
    Found {
        snapshot: Arc::new(snapshot),
        files: scan.files,
        read: scan.counter.read,
        look_alikes: scan.ledger.look_alikes(),
        failed: scan.failed,
    }
}

struct Scan<'a> {
    config: &'a Config,
    ledger: Ledger,
    buffer: Buffer,
    counter: Counter,
    files: u64,
    failed: Vec<String>,
}

impl Scan<'_> {
    /// The files that the arguments mean. A name that exists is taken as it stands, even with wildcards in it.
    fn expand(&mut self, paths: &[String]) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for path in paths {
            if path == "-" || Path::new(path).exists() {
                files.push(PathBuf::from(path));
                continue;
            }
            match glob_paths(path) {
                Ok(found) if found.is_empty() => self.failed.push(format!("cannot read {path}: no such file")),
                Ok(found) => files.extend(found),
                Err(e) => self.failed.push(format!("cannot read {path}: {e}")),
            }
        }
        files
    }

    fn file(&mut self, path: &Path, shown: &mut Shown) -> io::Result<()> {
        if path.as_os_str() == "-" {
            let set = self.ledger.open(LabelSet::new(), &self.config.recogniser.catalogue);
            self.buffer.clear();
            return self.pour(shown.count(io::stdin().lock()), set, wall_clock());
        }
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a directory; name the files in it, or a glob",
            ));
        }
        // A line without a time was written no later than its file was.
        let written = meta.modified().map_or_else(|_| wall_clock(), |m| millis(m).min(wall_clock()));
        let labels = labels_of(self.config, path);
        let set = self.ledger.open(labels, &self.config.recogniser.catalogue);
        // Up to where it ends now, which saves asking for more. What has no size (a pipe, a file of `/proc`) is read until it ends.
        let size = Some(meta.len()).filter(|size| *size > 0).unwrap_or(u64::MAX);
        let mut file = shown.count(file.take(size));
        let head = self.buffer.begin(&mut file, GZIP.len())?;
        if head.starts_with(&GZIP) {
            let head = head.to_vec();
            self.buffer.clear();
            self.pour(MultiGzDecoder::new(head.chain(file)), set, written)
        } else {
            self.pour(file, set, written)
        }
    }

    /// Counts what the buffer holds of a stream, and the rest of it.
    fn pour(&mut self, mut stream: impl Read, set: SetId, written: Millis) -> io::Result<()> {
        let Self { config, ledger, buffer, counter, .. } = self;
        let mut progress = Progress::default();
        self.files += 1;
        let all =
            buffer.pour_on(&mut stream, |block| counter.feed(config, &mut progress, block, (set, written), ledger));
        // What was read of a stream that broke off counts, too.
        for event in progress.held() {
            ledger.count(set, event, &config.recogniser.catalogue, written);
        }
        all
    }
}

/// The labels that the configuration gives a file: those of the first source whose globs match its path.
fn labels_of(config: &Config, path: &Path) -> LabelSet {
    if config.sources.is_empty() {
        return LabelSet::new();
    }
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let source = config.sources.iter().find(|s| s.names(&full));
    source.map(|s| s.labels_of(&full.to_string_lossy())).unwrap_or_default()
}

/// A system time as milliseconds since the epoch.
fn millis(time: SystemTime) -> Millis {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX))
}
