//! What is saved of the follower, and how a start takes it up again.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Follower;
use super::rotation::RotationPoint;
use super::truncation::{Cut, Fate};
use crate::ledger::{LabelSet, Ledger, SetId};
use crate::recognise::time::Millis;
use crate::source::finished::FinishedFiles;
use crate::source::identity::FileId;
use crate::source::reader::Tally;
use crate::source::relatives::{Relative, relatives};
use crate::source::tail::{Nanos, SavedTail, Tail};

/// The follower's state as it is saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFollower {
    names: Vec<SavedName>,
    #[serde(default)]
    finished: FinishedFiles,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedName {
    path: PathBuf,
    labels: LabelSet,
    generations: Vec<SavedTail>,
}

impl Follower {
    /// The state as it is saved.
    pub fn save(&self, labels_of: impl Fn(SetId) -> LabelSet) -> SavedFollower {
        let mut named: HashSet<FileId> = HashSet::new();
        let mut saved: Vec<SavedName> = Vec::new();
        let mut add = |path: &Path, ids: &mut dyn Iterator<Item = FileId>| {
            let tails: Vec<&Tail> = ids.filter(|id| named.insert(*id)).filter_map(|id| self.tails.get(&id)).collect();
            if let Some(first) = tails.first() {
                let labels = labels_of(first.set);
                let generations = tails.iter().map(|t| t.save()).collect();
                saved.push(SavedName { path: path.to_path_buf(), labels, generations });
            }
        };
        for (path, name) in &self.names {
            add(path, &mut name.queue.iter().copied());
        }
        for tail in self.tails.values() {
            add(&tail.path, &mut std::iter::once(tail.id));
        }
        SavedFollower { names: saved, finished: self.finished.clone() }
    }

    /// Whether a saved state is about none of the logs that are followed now.
    pub fn is_of_other_logs(&self, saved: &SavedFollower) -> bool {
        let patterns: Vec<&String> = self.config.sources.iter().flat_map(|s| &s.paths).collect();
        let ours = |name: &SavedName| {
            patterns
                .iter()
                .any(|p| Path::new(p) == name.path || glob::Pattern::new(p).is_ok_and(|g| g.matches_path(&name.path)))
        };
        !saved.names.is_empty() && !saved.names.iter().any(ours)
    }

    /// Takes up where a saved state was left: every file is found again by what it is, under whatever name, or as a copy.
    pub fn restore(&mut self, saved: SavedFollower, ledger: &mut Ledger, now: Millis) {
        // A file that is known is not new, whatever was asked for the first start.
        self.read_from_end = false;
        self.finished = saved.finished;
        self.discover();
        let tally = &mut Tally { ledger, now };
        let mut gone = Vec::new();
        for name in saved.names {
            let set = tally.ledger.open(name.labels, &self.config.recogniser.catalogue);
            for tail in name.generations {
                match find(&tail, &name.path) {
                    Some(found) => self.restore_tail(&name.path, tail, &found, set, now),
                    None => gone.push((name.path.clone(), tail, set)),
                }
            }
        }
        // A file that is there is no copy of one that is gone: it is known by now.
        for (path, tail, set) in gone {
            self.restore_gone(&path, tail, set, tally);
        }
    }

    fn restore_tail(&mut self, path: &Path, saved: SavedTail, found: &Path, set: SetId, now: Millis) {
        let id = saved.id;
        match Tail::resume(saved, found, set, now) {
            Ok(tail) => {
                self.tails.insert(id, tail);
                if let Some(name) = self.names.get_mut(path) {
                    name.queue.push_back(id);
                }
            }
            Err(e) => self.trouble(path, &format!("cannot open it again: {e}")),
        }
    }

    /// The file is gone: its rest is read from a copy, if there is one, and what came after it is looked for later.
    fn restore_gone(&mut self, path: &Path, saved: SavedTail, set: SetId, tally: &mut Tally<'_>) {
        let gone = RotationPoint { born: saved.born, written: saved.written };
        let fate = Fate::Gone { written: saved.written, deleted: saved.deleted.unwrap_or(Nanos::MAX) };
        let cut = Cut { path, id: saved.id, position: saved.position, mark: &saved.mark, set, fate };
        let mut progress = saved.progress;
        if self.recover_copy(&cut, &mut progress, tally).is_none() {
            self.reporter.lost(path);
        }
        // Another generation follows under the same name, if there is one: it goes on from here.
        self.count_held(&progress, set, tally);
        if let Some(name) = self.names.get_mut(path) {
            name.gone = Some(gone);
        }
    }
}

/// Where a file is now: under the name it had, or another in the same folder.
fn find(saved: &SavedTail, path: &Path) -> Option<PathBuf> {
    for candidate in [saved.path.as_path(), path] {
        if fs::metadata(candidate).is_ok_and(|meta| FileId::of(&meta) == saved.id) {
            return Some(candidate.to_path_buf());
        }
    }
    let relatives = relatives(path, Some(saved.id)).unwrap_or_default();
    // A generation of this log with the same number may have been cut since, or be another that the number was given to:
    // both are found out, and read from their beginnings, when it is looked at. Any other file must hold what was read.
    let same =
        |r: &Relative| r.id() == saved.id && (r.successor || r.holds(&saved.mark, saved.position).unwrap_or(false));
    relatives.into_iter().find(same).map(|r| r.path)
}
