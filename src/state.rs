//! The state on disk: one file, versioned, checked, replaced as a whole.
//!
//! A commit writes `state.json.new` and renames it over `state.json`. A kill at any moment leaves one of the two whole; both
//! hold counts and positions that belong together, so either is right to start from, and the one that was committed last is taken.
//!
//! A loss of power may leave what was not synced torn, and the rename undone. So now and then a commit is synced, and kept
//! under a name of its own, `state.json.synced`, which is taken when the others cannot be used: what it lacks is read again.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::ledger;
use crate::source::SavedFollower;

/// The format that this version writes, and the newest that it reads.
const VERSION: u32 = 1;

const MAGIC: &str = "zai-exporter-state";

/// The last commit; one that is being written; the last one that was synced, and the name by which it gets that name.
const CURRENT: &str = "state.json";
const NEW: &str = "state.json.new";
const SYNCED: &str = "state.json.synced";
const KEPT: &str = "state.json.keep";

/// Counts and positions of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State<F = SavedFollower> {
    /// Grows with each commit.
    pub sequence: u64,
    /// The counts.
    pub ledger: ledger::Saved,
    /// The positions.
    pub follower: F,
}

/// Why a state file cannot be used.
#[derive(Debug)]
pub enum Fault {
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
            Self::Foreign => f.write_str("it is no state file of zai-exporter"),
            Self::Newer(version) => write!(f, "it has version {version}, this program reads up to {VERSION}"),
            Self::Torn => f.write_str("its content does not match its checksum"),
        }
    }
}

/// The system calls of a commit, so that a test can end the process between any two of them.
pub trait Disk: fmt::Debug + Send {
    /// Creates or empties a file and writes these bytes to it.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Writes these bytes to the end of a file.
    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content, or the names in a folder, survive a loss of power.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    /// Gives a file another name besides.
    fn link(&mut self, path: &Path, name: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Replaces one file by another in one step.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
}

/// A state is written in pieces of this size: that of thousands of logs never stands in memory as a whole.
const PIECE: usize = 32 << 10;

/// The real disk.
#[derive(Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // The parts of a split line may be in it: nobody else's to read.
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::OpenOptions::new().append(true).open(path)?.write_all(bytes)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn link(&mut self, path: &Path, name: &Path) -> io::Result<()> {
        fs::hard_link(path, name)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
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
    found: Found,
    sequence: u64,
    buffer: Vec<u8>,
    _lock: File,
}

/// What a state directory held at the start.
#[derive(Debug, Default)]
pub struct Found {
    /// The last commit that can be used; none at the first start.
    pub state: Option<Box<State>>,
    /// Why a later one cannot be used, and the name under which it was kept aside.
    pub unusable: Option<(Fault, PathBuf)>,
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
        let mut store = Self {
            directory: directory.to_path_buf(),
            disk,
            found: Found::default(),
            sequence: 0,
            buffer: Vec::new(),
            _lock: lock,
        };
        store.found = store.read()?;
        Ok(store)
    }

    /// What was there when the directory was opened.
    pub fn load(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// Reads what is there, and finishes a commit that had written all but not renamed yet. A file that cannot be read is an
    /// error, since it may be as good as ever.
    fn read(&mut self) -> io::Result<Found> {
        let (current, new) = (self.file(CURRENT), self.file(NEW));
        let committed = read(&current)?;
        // A torn one was never shown.
        let begun = read(&new)?.and_then(Result::ok).filter(|begun| begun.completes(committed.as_ref()));
        let (mut state, unusable) = match committed {
            Some(Ok(state)) => (Some(state), None),
            Some(Err(fault)) => (None, Some((fault, self.put_aside()))),
            None => (None, None),
        };
        if let Some(begun) = begun {
            self.disk.rename(&new, &current)?;
            state = Some(begun);
        } else if state.is_none() {
            // A start that put the last commit aside may have ended before it made another.
            state = read(&self.file(SYNCED))?.and_then(Result::ok);
        }
        self.sequence = state.as_ref().map_or(0, |state| state.sequence);
        Ok(Found { state: state.map(Box::new), unusable })
    }

    /// Has the directory begin anew: what it holds, the newest of it, is kept under a name that tells when.
    pub fn put_all_aside(&mut self) -> PathBuf {
        let aside = self.aside();
        // The newer last: it takes the name.
        for name in [SYNCED, CURRENT] {
            match self.disk.rename(&self.file(name), &aside) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => unmoved(&aside, &e),
                _ => {}
            }
        }
        aside
    }

    /// Moves the state file out of the way, under a name that tells when.
    fn put_aside(&mut self) -> PathBuf {
        let aside = self.aside();
        if let Err(e) = self.disk.rename(&self.file(CURRENT), &aside) {
            unmoved(&aside, &e);
        }
        aside
    }

    fn aside(&self) -> PathBuf {
        let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        self.directory.join(format!("state.json.unusable-{seconds}"))
    }

    /// Commits a state: from now on a kill leaves it.
    pub fn commit(&mut self, ledger: ledger::Saved, follower: impl Serialize) -> io::Result<()> {
        let state = State { sequence: self.sequence + 1, ledger, follower };
        let (current, new) = (self.file(CURRENT), self.file(NEW));
        Pieces::new(self.disk.as_mut(), &new, &mut self.buffer).write_state(&state)?;
        self.disk.rename(&new, &current)?;
        self.sequence += 1;
        Ok(())
    }

    /// Keeps the last commit so that a loss of power leaves it too. Waits for the disk.
    pub fn keep(&mut self) -> io::Result<()> {
        let (current, kept, synced) = (self.file(CURRENT), self.file(KEPT), self.file(SYNCED));
        self.disk.sync(&current)?;
        match self.disk.remove(&kept) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        match self.disk.link(&current, &kept) {
            Ok(()) => self.disk.rename(&kept, &synced)?,
            // Without second names the synced commit is the current one until the next.
            Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {}
            Err(e) => return Err(e),
        }
        self.disk.sync(&self.directory)
    }

    /// An error, with where it happened.
    pub fn named(&self, e: &io::Error) -> io::Error {
        io::Error::new(e.kind(), format!("{}: {e}", self.directory.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn unmoved(aside: &Path, e: &io::Error) {
    tracing::error!(path = %aside.display(), "cannot keep the unusable state file aside: {e}");
}

/// Writes a state file in pieces: a line that says what it is, the state, and a line with the checksum and the length of the two
/// before it.
struct Pieces<'a> {
    disk: &'a mut dyn Disk,
    path: &'a Path,
    buffer: &'a mut Vec<u8>,
    hash: Xxh3,
    written: usize,
}

impl<'a> Pieces<'a> {
    fn new(disk: &'a mut dyn Disk, path: &'a Path, buffer: &'a mut Vec<u8>) -> Self {
        buffer.clear();
        Self { disk, path, buffer, hash: Xxh3::new(), written: 0 }
    }

    fn write_state(mut self, state: &impl Serialize) -> io::Result<()> {
        writeln!(self, "{MAGIC} {VERSION}")?;
        serde_json::to_writer(&mut self, state).map_err(io::Error::from)?;
        self.hash.update(self.buffer);
        let length = self.written + self.buffer.len();
        write!(self.buffer, "\n{:016x} {length}\n", self.hash.digest())?;
        self.put()
    }

    fn put(&mut self) -> io::Result<()> {
        match self.written {
            0 => self.disk.write(self.path, self.buffer)?,
            _ => self.disk.append(self.path, self.buffer)?,
        }
        self.written += self.buffer.len();
        self.buffer.clear();
        Ok(())
    }
}

impl io::Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// A state is written in pieces of a few bytes, a hundred for each log.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > PIECE {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn flush(&mut self) -> io::Result<()> {
        self.hash.update(self.buffer);
        self.put()
    }
}

impl State {
    /// Whether this state, which was written whole and not renamed yet, comes after the one that was committed. Only what a
    /// newer version wrote does not give way to it.
    fn completes(&self, committed: Option<&Result<Self, Fault>>) -> bool {
        match committed {
            Some(Ok(committed)) => self.sequence > committed.sequence,
            Some(Err(Fault::Newer(_))) => false,
            Some(Err(Fault::Torn | Fault::Foreign)) | None => true,
        }
    }
}

/// Reads a state file, if there is one.
fn read(path: &Path) -> io::Result<Option<Result<State, Fault>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(parse(&bytes))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io::Error::new(
            e.kind(),
            format!("cannot read {}: {e}; it may be whole, so it is neither replaced nor ignored", path.display()),
        )),
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
    // No version but a newer one writes anything else there.
    if header != format!("{MAGIC} {VERSION}") {
        return Err(Fault::Foreign);
    }
    let (state, seal) = sealed(bytes).ok_or(Fault::Torn)?;
    let (checksum, length) = seal.split_once(' ').ok_or(Fault::Torn)?;
    let checksum = u64::from_str_radix(checksum, 16).map_err(|_| Fault::Torn)?;
    if length.parse() != Ok(state.len()) || xxh3_64(state) != checksum {
        return Err(Fault::Torn);
    }
    // What is sealed may be no more than its first line.
    let body = state.get(end + 1..).ok_or(Fault::Torn)?;
    serde_json::from_slice(body).map_err(|_| Fault::Torn)
}

/// Splits off the last line of a state file.
fn sealed(bytes: &[u8]) -> Option<(&[u8], &str)> {
    let whole = bytes.strip_suffix(b"\n")?;
    let end = memchr::memrchr(b'\n', whole)?;
    Some((&whole[..end], std::str::from_utf8(&whole[end + 1..]).ok()?))
}

#[cfg(test)]
mod tests;
