//! The files beside a log in its folder that may be generations of it: what became of a file that was renamed, copied or
//! compressed, and which generations came and went unseen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use super::identity::{FileId, HEAD, Mark};
use super::tail::{Nanos, Opened, born, modified, open};
use crate::recognise::time::Millis;

/// How often a folder is looked at whose files are renamed meanwhile.
pub const ATTEMPTS: usize = 16;

/// What compressed files are called that cannot be read.
const UNREADABLE: [&str; 4] = ["bz2", "lz4", "xz", "zst"];

/// How long a compressed file that ends in its middle is taken to be unfinished, not broken.
const BEING_MADE_MILLIS: Millis = 60_000;

/// What changes of a file when it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its size.
    pub size: u64,
    /// When it was last written to.
    pub written: Millis,
}

/// A file in a log's folder whose name begins with the log's.
#[derive(Debug)]
pub struct Relative {
    /// Its path.
    pub path: PathBuf,
    /// What `stat` says.
    pub meta: Metadata,
    /// Whether its name is the log's with something behind it: only these can be generations that were never seen.
    pub successor: bool,
}

impl Relative {
    /// Which file it is.
    pub fn id(&self) -> FileId {
        FileId::of(&self.meta)
    }

    /// Opens it, if it still has the name that it was listed by.
    pub fn open(&self) -> io::Result<Opened> {
        let opened = open(&self.path)?;
        let same = FileId::of(&opened.1) == self.id();
        if same { Ok(opened) } else { Err(io::Error::new(io::ErrorKind::NotFound, "it was renamed meanwhile")) }
    }

    /// Whether it still has the name that it was listed by.
    pub fn is_there(&self) -> bool {
        FileId::at(&self.path) == Some(self.id())
    }

    /// Whether its name says that it is compressed, in the way that can be read.
    pub fn is_gz(&self) -> bool {
        self.path.extension().is_some_and(|e| e == "gz")
    }

    /// When it was made. A compressed file keeps the time of its original only as that of its last change.
    pub fn born(&self) -> Nanos {
        if self.is_gz() { modified(&self.meta).saturating_mul(1_000_000) } else { born(&self.meta) }
    }

    /// What changes when it is written to.
    pub fn stamp(&self) -> Stamp {
        Stamp { size: self.meta.len(), written: modified(&self.meta) }
    }

    /// Whether it holds what `mark` knows, up to `position`.
    pub fn holds(&self, mark: &Mark, position: u64) -> io::Result<bool> {
        let (file, meta) = self.open()?;
        if self.is_gz() {
            return mark.stands_in_stream(&mut MultiGzDecoder::new(file), position).or(Ok(false));
        }
        Ok(meta.len() >= position && mark.stands_in(&file)?)
    }

    /// Whether it is a copy of what `mark` knows, made before that had grown up to `position`.
    pub fn held_before(&self, mark: &Mark, position: u64) -> io::Result<bool> {
        let (file, _) = self.open()?;
        if self.is_gz() {
            return mark.stood_before_in_stream(&mut MultiGzDecoder::new(file), position);
        }
        mark.stood_before_in(&file, position)
    }

    /// The name of what it would be the compressed form of. The kubelet writes that to a `.tmp` first.
    fn original(&self) -> Option<PathBuf> {
        let made = self.is_gz() || self.path.extension().is_some_and(|e| e == "tmp");
        made.then(|| self.path.with_extension(""))
    }

    /// Whether what is in it so far is in the file beside it, from which it is made.
    fn is_made_of(&self, original: &Relative) -> bool {
        if !self.is_gz() {
            return true;
        }
        let (Ok((file, _)), Ok((original, _))) = (self.open(), original.open()) else { return false };
        let mut begin = Vec::new();
        // It may end anywhere.
        let _ = MultiGzDecoder::new(file).take(HEAD as u64).read_to_end(&mut begin);
        let mut same = vec![0; begin.len()];
        original.read_exact_at(&mut same, 0).is_ok() && begin == same
    }

    /// Of a compressed file: whether it ends in its middle and was just written to. Some loggers compress a file that they renamed to
    /// another name: all of it is read from there.
    pub fn is_being_made(&self, now: Millis) -> bool {
        let whole = |(file, _)| io::copy(&mut MultiGzDecoder::new(file), &mut io::sink()).is_ok();
        now - self.stamp().written < BEING_MADE_MILLIS && !self.open().is_ok_and(whole)
    }

    /// Whether it is the compressed form of an older generation than `other`, by the dates in their names: the kubelet compresses a file at
    /// the next rotation, and gives it the time of that.
    pub fn is_dated_before(&self, other: &Path) -> bool {
        let (own, other) = (self.path.with_extension(""), other.as_os_str().as_bytes());
        let own = own.as_os_str().as_bytes();
        let digits = own.iter().rev().take_while(|b| !b.is_ascii_alphabetic()).filter(|b| b.is_ascii_digit()).count();
        self.is_gz() && digits >= 8 && own.len() == other.len() && own < other
    }

    /// How much it holds, and what stands there, where that can be told without decompressing it.
    pub fn end(&self) -> Option<(u64, Mark)> {
        let (file, meta) = self.open().ok().filter(|_| !self.is_gz())?;
        Some((meta.len(), Mark::at(&file, meta.len()).ok()?))
    }
}

/// Whether a file's name says that it is compressed, in whatever way.
pub fn is_compressed(path: &Path) -> bool {
    is_unreadable(path) || path.extension().is_some_and(|e| e == "gz")
}

/// Whether its name says that it is compressed in a way that cannot be read.
fn is_unreadable(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|e| UNREADABLE.contains(&e))
}

/// The folders of logs, each listed once: thousands of files may be gone from one, and each would list it again and again.
#[derive(Debug, Default)]
pub struct Folders(HashMap<PathBuf, Option<Listing>>);

/// What a folder holds: names, and which file had which number.
#[derive(Debug, PartialEq, Eq)]
struct Listing {
    names: BTreeSet<OsString>,
    inodes: HashMap<u64, PathBuf>,
}

impl Listing {
    fn of(folder: &Path) -> io::Result<Self> {
        let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        let names = entries.iter().map(DirEntry::file_name).collect();
        Ok(Self { names, inodes: entries.iter().map(|entry| (entry.ino(), entry.path())).collect() })
    }

    /// Whether the file was in it, or another whose name begins as the log's.
    fn tells_of(&self, path: &Path, id: FileId) -> bool {
        let stem = path.file_stem().unwrap_or_default();
        let mut alike =
            self.names.range(stem.to_os_string()..).take_while(|name| name.as_bytes().starts_with(stem.as_bytes()));
        if alike.any(|name| Some(name.as_os_str()) != path.file_name()) {
            return true;
        }
        let Some(now) = self.inodes.get(&id.inode()).map(|path| FileId::at(path)) else { return false };
        // Its number may be another's by now. What was renamed since is looked for.
        now.is_none_or(|now| now == id || now.inode() != id.inode())
    }
}

impl Folders {
    /// Whether anything can have become of a file, known as the log at `path`, but that it was deleted before this was asked first.
    pub fn tell_of(&mut self, path: &Path, id: FileId) -> bool {
        let folder = folder_of(path);
        let listing = self.0.entry(folder.to_path_buf()).or_insert_with(|| {
            let (listing, (), still) = until_still(|| Listing::of(folder), |_| ()).ok()?;
            still.then_some(listing)
        });
        listing.as_ref().is_none_or(|listing| listing.tells_of(path, id))
    }
}

/// Lists a folder, and looks at what was listed, until a second listing is the same: what is renamed meanwhile may be listed under no name, or
/// under one that is another's by now. Tells whether it came to that.
fn until_still<L: PartialEq, T>(list: impl Fn() -> io::Result<L>, look: impl Fn(&L) -> T) -> io::Result<(L, T, bool)> {
    let (mut listed, mut attempts) = (list()?, ATTEMPTS);
    loop {
        let found = look(&listed);
        let before = std::mem::replace(&mut listed, list()?);
        let still = listed == before;
        attempts -= 1;
        if still || attempts == 0 {
            return Ok((listed, found, still));
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The regular files beside `path` that may be generations of its log: those whose names begin with its name
/// ([`Relative::successor`]) or with its stem, and the file `wanted` whatever its name. `path` itself is left out, and so are what cannot be
/// read and what is still being compressed: all of that is in the file beside it, which is removed last.
pub fn relatives(path: &Path, wanted: Option<FileId>) -> io::Result<Vec<Relative>> {
    let folder = folder_of(path);
    let look = |names: &BTreeMap<String, u64>| -> Vec<Relative> {
        names.keys().filter_map(|name| relative(folder, path, name)).collect()
    };
    let (_, mut found, _) = until_still(|| list(folder, path, wanted), look)?;
    let by_path: HashMap<&Path, &Relative> = found.iter().map(|r| (r.path.as_path(), r)).collect();
    let is_unfinished = |r: &Relative| {
        let original = r.original().and_then(|path| by_path.get(path.as_path()).copied());
        original.is_some_and(|original| r.is_made_of(original))
    };
    let unfinished: HashSet<FileId> = found.iter().filter(|r| is_unfinished(r)).map(Relative::id).collect();
    found.retain(|r| !unfinished.contains(&r.id()) && r.path.file_name() != path.file_name());
    Ok(found)
}

/// The names in a folder that concern the log at `path`, and their files' numbers.
fn list(folder: &Path, path: &Path, wanted: Option<FileId>) -> io::Result<BTreeMap<String, u64>> {
    let stem = path.file_stem().unwrap_or_default().as_bytes();
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(other) = entry.file_name().into_string() else {
            continue; // a path that is not UTF-8 cannot be saved
        };
        let wanted = wanted.is_some_and(|id| id.inode() == entry.ino());
        let named = other.as_bytes().starts_with(stem) && !is_unreadable(Path::new(&other));
        if named || wanted {
            found.insert(other, entry.ino());
        }
    }
    Ok(found)
}

fn relative(folder: &Path, path: &Path, other: &str) -> Option<Relative> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let successor = other.len() > name.len() && other.as_bytes().starts_with(name);
    let path = folder.join(other);
    // It may be gone again by now.
    let meta = fs::symlink_metadata(&path).ok().filter(Metadata::is_file)?;
    Some(Relative { path, meta, successor })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_is_being_made_of_a_file_is_left_out_and_so_is_what_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
        let gz = |name: &str, content: &[u8], halves: usize| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).unwrap();
            let bytes = encoder.finish().unwrap();
            write(name, &bytes[..bytes.len() * halves / 2]);
        };
        let listed = |log: &str| {
            let found = relatives(&folder.path().join(log), None).unwrap();
            found.iter().map(|r| r.path.file_name().unwrap().to_str().unwrap().to_string()).collect::<Vec<_>>()
        };
        let (one, two): (Vec<u8>, Vec<u8>) = ((0..200).collect(), (0..200).rev().collect());
        for name in ["app.log", "app.log.1", "app.log.1.tmp", "app.log.2", "app.log.2.xz", "app-0.log", "other.log"] {
            write(name, &one);
        }
        gz("app.log.1.gz", &one, 1);
        gz("app.log.2.gz", &two, 2);
        gz("app.log.3.gz", &one, 1);
        let beside = ["app-0.log", "app.log.1", "app.log.2", "app.log.2.gz", "app.log.3.gz"];
        assert_eq!(listed("app.log"), beside);
        let with_same_stem = ["app.log", "app.log.2", "app.log.2.gz", "app.log.3.gz"];
        assert_eq!(listed("app.log.1"), with_same_stem, "and nothing that is made of it");
        gz("app.log.2.gz", &one, 0);
        assert!(!listed("app.log").contains(&"app.log.2.gz".to_string()), "nothing is in it yet");
    }

    #[test]
    fn a_folder_tells_whether_anything_can_have_become_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.log"), "a").unwrap();
        fs::write(path("other.log"), "b").unwrap();
        let id = FileId::at(&path("a.log")).unwrap();
        let told = || Folders::default().tell_of(&path("a.log"), id);
        fs::rename(path("a.log"), path("renamed")).unwrap();
        assert!(told(), "by its number");
        let mut before = Folders::default();
        assert!(before.tell_of(&path("a.log"), id));
        fs::rename(path("renamed"), path("again")).unwrap();
        assert!(before.tell_of(&path("a.log"), id), "it was there");
        fs::remove_file(path("again")).unwrap();
        assert!(!told(), "it is gone");
        fs::write(path("a.log"), "another").unwrap();
        assert!(!told(), "a file of its name is no relative");
        fs::write(path("a.log.1.gz"), "").unwrap();
        assert!(told(), "this may be made of it");
    }
}
