//! The state on disk: one file, versioned, checked, replaced as a whole.
//!
//! A commit writes `state.json.new` and renames it over `state.json`. A kill at any moment leaves one of the two whole; both
//! hold counts and positions that belong together, so either is right to start from, and the one that was committed last is taken.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::ledger;
use crate::source::SavedFollower;

/// The format that this version writes, and the newest that it reads.
const VERSION: u32 = 1;

const MAGIC: &str = "zai-exporter-state";

/// Counts and positions of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Grows with each commit.
    pub sequence: u64,
    /// The counts.
    pub ledger: ledger::Saved,
    /// The positions.
    pub follower: SavedFollower,
}

/// Why a state file cannot be used.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is no state file.
    Foreign,
    /// It was written by a newer version.
    Newer(u32),
    /// It was not written to its end, or was changed afterwards.
    Torn,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(e) => write!(f, "it cannot be read: {e}"),
            Self::Foreign => f.write_str("it is no state file of zai-exporter"),
            Self::Newer(version) => write!(f, "it has version {version}, this program reads up to {VERSION}"),
            Self::Torn => f.write_str("its content does not match its checksum"),
        }
    }
}

/// The system calls of a commit, so that a test can end the process between any two of them.
pub trait Disk: fmt::Debug + Send {
    /// Creates or empties a file and writes all of it.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content survive a loss of power.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    /// Replaces one file by another in one step.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // The parts of a split line may be in it: nobody else's to read.
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_data()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

/// A state directory, held by one exporter at a time.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    disk: Box<dyn Disk>,
    sequence: u64,
    buffer: Vec<u8>,
    _lock: File,
}

/// What a state directory held at the start.
#[derive(Debug)]
pub enum Found {
    /// Nothing: this is the first start.
    Nothing,
    /// The state of the last commit.
    State(Box<State>),
    /// A file that cannot be used. It was kept aside under this name.
    Unusable(Fault, PathBuf),
}

impl Store {
    /// Opens (and makes, if need be) a state directory, and locks it.
    pub fn open(directory: &Path, disk: Box<dyn Disk>) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let lock = File::create(directory.join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|e| {
            if e == rustix::io::Errno::WOULDBLOCK {
                io::Error::new(io::ErrorKind::WouldBlock, "another zai-exporter uses it; give each its own --state.dir")
            } else {
                e.into()
            }
        })?;
        Ok(Self { directory: directory.to_path_buf(), disk, sequence: 0, buffer: Vec::new(), _lock: lock })
    }

    /// Reads what is there.
    pub fn load(&mut self) -> Found {
        let (current, new) = (self.current(), self.new_file());
        let committed = read(&current);
        // A commit that had written all but not renamed yet.
        let orphan = read(&new).ok().flatten();
        let _ = fs::remove_file(&new);
        match committed {
            Ok(Some(state)) => {
                let newest = orphan.filter(|o| o.sequence > state.sequence).unwrap_or(state);
                self.sequence = newest.sequence;
                Found::State(Box::new(newest))
            }
            Ok(None) => orphan.map_or(Found::Nothing, |state| {
                self.sequence = state.sequence;
                Found::State(Box::new(state))
            }),
            Err(fault) => Found::Unusable(fault, self.put_aside()),
        }
    }

    /// Moves the state file out of the way, under a name that tells when.
    pub fn put_aside(&self) -> PathBuf {
        let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let aside = self.directory.join(format!("state.json.unusable-{seconds}"));
        if let Err(e) = fs::rename(self.current(), &aside) {
            tracing::error!(path = %aside.display(), "cannot keep the unusable state file aside: {e}");
        }
        aside
    }

    /// Commits a state. With `durable`, it also survives a loss of power; a kill it survives in any case.
    pub fn commit(&mut self, ledger: ledger::Saved, follower: SavedFollower, durable: bool) -> io::Result<()> {
        let state = State { sequence: self.sequence + 1, ledger, follower };
        let body = serde_json::to_vec(&state).map_err(io::Error::other)?;
        self.buffer.clear();
        writeln!(self.buffer, "{MAGIC} {VERSION} {:016x} {}", xxh3_64(&body), body.len())?;
        self.buffer.extend_from_slice(&body);
        let (current, new) = (self.current(), self.new_file());
        self.disk.write(&new, &self.buffer)?;
        if durable {
            self.disk.sync(&new)?;
        }
        self.disk.rename(&new, &current)?;
        self.sequence += 1;
        Ok(())
    }

    fn current(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    fn new_file(&self) -> PathBuf {
        self.directory.join("state.json.new")
    }
}

fn read(path: &Path) -> Result<Option<State>, Fault> {
    match fs::read(path) {
        Ok(bytes) => parse(&bytes).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Fault::Unreadable(e)),
    }
}

/// Reads the bytes of a state file.
pub fn parse(bytes: &[u8]) -> Result<State, Fault> {
    let end = memchr::memchr(b'\n', &bytes[..bytes.len().min(128)]).ok_or(Fault::Foreign)?;
    let header = std::str::from_utf8(&bytes[..end]).map_err(|_| Fault::Foreign)?;
    let mut words = header.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(Fault::Foreign);
    }
    let version: u32 = words.next().and_then(|w| w.parse().ok()).ok_or(Fault::Foreign)?;
    if version == 0 {
        return Err(Fault::Foreign);
    }
    if version > VERSION {
        return Err(Fault::Newer(version));
    }
    let checksum = words.next().and_then(|w| u64::from_str_radix(w, 16).ok()).ok_or(Fault::Torn)?;
    let length: usize = words.next().and_then(|w| w.parse().ok()).ok_or(Fault::Torn)?;
    let body = &bytes[end + 1..];
    if body.len() != length || xxh3_64(body) != checksum {
        return Err(Fault::Torn);
    }
    serde_json::from_slice(body).map_err(|_| Fault::Torn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(directory: &Path) -> Store {
        Store::open(directory, Box::new(RealDisk)).unwrap()
    }

    #[test]
    fn what_was_committed_last_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = store(directory.path());
        assert!(matches!(one.load(), Found::Nothing));
        for _ in 0..3 {
            one.commit(ledger::Saved::default(), SavedFollower::default(), true).unwrap();
        }
        drop(one);
        let found = store(directory.path()).load();
        assert!(matches!(&found, Found::State(s) if s.sequence == 3), "{found:?}");
    }

    #[test]
    fn a_second_exporter_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let _one = store(directory.path());
        let refused = Store::open(directory.path(), Box::new(RealDisk)).unwrap_err();
        assert!(refused.to_string().contains("another zai-exporter"), "{refused}");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_kept_aside() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = store(directory.path());
        one.commit(ledger::Saved::default(), SavedFollower::default(), false).unwrap();
        let path = directory.path().join("state.json");
        let whole = fs::read(&path).unwrap();
        for (bytes, expected) in [
            (whole[..whole.len() - 1].to_vec(), "checksum"),
            (b"{}".to_vec(), "no state file"),
            (Vec::new(), "no state file"),
            (format!("{MAGIC} 99 0 0\n").into_bytes(), "version 99"),
        ] {
            fs::write(&path, bytes).unwrap();
            let Found::Unusable(fault, aside) = one.load() else { panic!("used") };
            assert!(fault.to_string().contains(expected), "{fault}");
            assert!(aside.exists() && !path.exists());
        }
    }

    #[test]
    fn any_cut_or_changed_byte_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = store(directory.path());
        one.commit(ledger::Saved::default(), SavedFollower::default(), false).unwrap();
        let whole = fs::read(directory.path().join("state.json")).unwrap();
        for len in 0..whole.len() {
            assert!(parse(&whole[..len]).is_err());
            let mut changed = whole.clone();
            changed[len] ^= 1;
            assert!(parse(&changed).is_err() || changed[len] == b'\n', "byte {len}");
        }
    }
}
