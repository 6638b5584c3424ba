//! Files that are done with, remembered so that a new name for one of them, or a copy, is not read again.

use std::collections::VecDeque;
use std::fs::File;

use serde::{Deserialize, Serialize};

use super::identity::{FileId, Mark};
use super::relatives::{Relative, Stamp};

/// How many are remembered, of all logs: each is compared with each file that may be a copy.
const FINISHED: usize = 256;

/// A file that is done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Which file it was.
    pub id: FileId,
    /// How far it was read.
    pub position: u64,
    /// What it held there.
    pub mark: Mark,
    /// What would tell that it was written to since.
    pub stamp: Stamp,
}

/// The last files that were done with, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FinishedFiles(VecDeque<Finished>);

impl FinishedFiles {
    /// Remembers one, and forgets the oldest if they are too many.
    pub fn remember(&mut self, mut finished: Finished) {
        if self.0.len() == FINISHED {
            self.0.pop_front();
        }
        finished.mark.rest();
        self.0.push_back(finished);
    }

    /// Forgets a file and tells what was known of it: it is opened again.
    pub fn take(&mut self, id: FileId) -> Option<Finished> {
        let index = self.0.iter().rposition(|f| f.id == id)?;
        self.0.remove(index)
    }

    /// Whether a file is one of them.
    pub fn has(&self, id: FileId) -> bool {
        self.0.iter().any(|f| f.id == id)
    }

    /// Whether a file is one of them and has not been written to since.
    pub fn knows(&self, r: &Relative) -> bool {
        self.0.iter().any(|f| f.id == r.id() && f.stamp == r.stamp() && f.position > 0)
    }

    /// Those of which something was read and that are not among the files of a folder.
    pub fn not_among(&self, files: &[FileId]) -> impl Iterator<Item = &Finished> {
        self.0.iter().filter(|f| f.position > 0 && !files.contains(&f.id))
    }

    /// How much of a file has been read as the content of one of them, of which it is a copy.
    pub fn read_in_copy(&self, file: &File) -> u64 {
        let copied = |f: &&Finished| f.mark.stands_in(file).unwrap_or(false);
        self.0.iter().find(copied).map_or(0, |f| f.position)
    }
}
