//! The files beside a log in its folder that may be generations of it: what became of a file that was renamed, copied or
//! compressed, and which generations came and went unseen.

use std::collections::HashSet;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use super::identity::{FileId, Mark};
use super::tail::{Nanos, born, modified, open};
use crate::recognise::time::Millis;

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

    /// Whether its name says that it is compressed.
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
        let (file, _) = open(&self.path)?;
        if self.is_gz() {
            return mark.stands_in_stream(&mut MultiGzDecoder::new(file), position).or(Ok(false));
        }
        Ok(self.meta.len() >= position && mark.stands_in(&file)?)
    }

    /// Whether it is a copy of what `mark` knows, made before that had grown up to `position`.
    pub fn held_before(&self, mark: &Mark, position: u64) -> io::Result<bool> {
        let (file, _) = open(&self.path)?;
        if self.is_gz() {
            return mark.stood_before_in_stream(&mut MultiGzDecoder::new(file), position);
        }
        mark.stood_before_in(&file, position)
    }

    /// Of a compressed file: whether it ends in its middle and was just written to. Some loggers compress a file that they renamed to
    /// another name: all of it is read from there.
    pub fn is_being_made(&self, now: Millis) -> bool {
        let whole = |(file, _)| io::copy(&mut MultiGzDecoder::new(file), &mut io::sink()).is_ok();
        now - self.stamp().written < BEING_MADE_MILLIS && !open(&self.path).is_ok_and(whole)
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
        let (file, meta) = open(&self.path).ok().filter(|_| !self.is_gz())?;
        Some((meta.len(), Mark::at(&file, meta.len()).ok()?))
    }
}

/// The regular files beside `path` that may be generations of its log: those whose names begin with its name
/// ([`Relative::successor`]) or with its stem, and the file `wanted` whatever its name. `path` itself is left out, and so is what is still
/// being compressed: all of it is in the file beside it, which is removed last.
pub fn relatives(path: &Path, wanted: Option<FileId>) -> io::Result<Vec<Relative>> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let stem = path.file_stem().unwrap_or_default().as_bytes();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(other) = entry.file_name().into_string() else {
            continue; // a path that is not UTF-8 cannot be saved
        };
        let other = other.as_bytes();
        let named = other.starts_with(stem) || wanted.is_some_and(|id| id.has_inode(entry.ino()));
        if named && other != name {
            let successor = other.len() > name.len() && other.starts_with(name);
            found.extend(relative(&entry, successor));
        }
    }
    let unfinished: HashSet<PathBuf> = found.iter().filter(|r| !r.is_gz()).map(|r| with_gz(&r.path)).collect();
    found.retain(|r| !unfinished.contains(&r.path));
    Ok(found)
}

/// The name of a file's compressed form.
fn with_gz(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".gz");
    name.into()
}

fn relative(entry: &DirEntry, successor: bool) -> Option<Relative> {
    // It may be gone again by now.
    let meta = entry.metadata().ok().filter(Metadata::is_file)?;
    Some(Relative { path: entry.path(), meta, successor })
}
