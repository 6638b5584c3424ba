//! Which names are followed, which file each of them means now, and which labels its counts get.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Follower;
use super::rotation::RotationPoint;
use crate::config::{Config, Labels, LogPath, SourceConfig};
use crate::ledger::{LabelSet, Ledger, SetId};
use crate::source::glob_paths;
use crate::source::identity::FileId;
use crate::source::path_map::PathMap;
use crate::source::reader::Tally;
use crate::source::relatives::is_compressed;
use crate::source::report::Reporter;

/// A followed name.
#[derive(Debug, Default)]
pub(super) struct Name {
    /// Which source it is of.
    pub source: usize,
    /// Named without a wildcard: waited for while it does not exist.
    pub literal: bool,
    /// There was something of this name when it was last looked at.
    pub there: bool,
    /// Its generations, the oldest first.
    pub queue: VecDeque<FileId>,
    /// The generation that was followed before a restart and is gone: what came after it is still to be read.
    pub gone: Option<RotationPoint>,
    /// The last problem with it, said once.
    pub trouble: Option<String>,
}

impl Name {
    /// Nothing is there of it but what a start remembers: it may come again.
    pub fn is_gone(&self) -> bool {
        self.gone.is_some() && !self.there && !self.literal && self.queue.is_empty()
    }
}

/// What further values of a label become.
const OTHER: &str = "other";

/// A path that a source wants to be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    source: usize,
    literal: bool,
}

/// The values of configured labels, whose number is bounded.
#[derive(Debug, Default)]
pub(super) struct LabelValues(HashMap<String, HashSet<String>>);

impl LabelValues {
    /// Values that have series already, from before a restart.
    pub fn take_in(&mut self, labels: &LabelSet) {
        for (label, value) in labels.iter().filter(|(_, value)| *value != OTHER) {
            self.0.entry(label.clone()).or_default().insert(value.clone());
        }
    }

    /// The labels as they are counted under: new values beyond the limit become `other`, and `folded` is told of which label.
    fn bound(&mut self, mut labels: Labels, limit: usize, mut folded: impl FnMut(&str)) -> LabelSet {
        for (label, value) in &mut labels {
            let values = self.0.entry(label.clone()).or_default();
            if values.contains(value) {
                continue;
            }
            if values.len() < limit {
                values.insert(value.clone());
            } else {
                folded(label);
                *value = OTHER.to_string();
            }
        }
        labels
    }
}

impl Follower {
    /// With labels from the configuration alone, series are there before the first file is.
    pub fn open_series(&mut self, ledger: &mut Ledger) {
        let catalogue = &self.config.recogniser.catalogue;
        for source in self.config.sources.iter().filter(|s| s.path_labels.is_none()) {
            ledger.open(source.labels.clone(), catalogue);
        }
        if self.config.sources.is_empty() {
            ledger.open(LabelSet::new(), catalogue);
        }
    }

    /// Expands the globs: new files are followed from now on, and names that are gone are forgotten.
    pub fn discover(&mut self) {
        let wanted = wanted(&self.config, &mut self.reporter);
        let mut new = Vec::new();
        for (path, &Wanted { source, literal }) in wanted.iter() {
            match self.names.get_mut(path) {
                Some(name) => (name.source, name.literal) = (source, literal),
                None => new.push((path, Name { source, literal, ..Name::default() })),
            }
        }
        self.names.extend(new);
        let Self { config, unwanted, .. } = self;
        self.names.retain(|path, name| {
            if name.source == usize::MAX {
                // A log that is being rotated may be found by no glob just now.
                name.source = source_of(config, path).unwrap_or(usize::MAX);
            }
            if wanted.contains(path) {
                return true;
            }
            if name.source == usize::MAX {
                unwanted.extend(&name.queue);
                return false;
            }
            !name.queue.is_empty() || name.gone.is_some()
        });
    }

    /// Finds out which file the name of this number means now. It is not opened to find that out: the writer of a FIFO would notice.
    pub(super) fn check(&mut self, number: usize, tally: &mut Tally<'_>) {
        let path = &Arc::clone(self.names.path(number));
        let found = fs::metadata(path);
        let name = self.names.nth_mut(number);
        name.there = !matches!(&found, Err(e) if e.kind() == io::ErrorKind::NotFound);
        let (known, gone) = (name.queue.back().copied(), name.gone.is_some());
        if path.to_str().is_none() {
            // The state file is JSON, and so is the status.
            return self.trouble(path, "cannot follow it: its name is not UTF-8; rename it");
        }
        let meta = match found {
            Ok(meta) if meta.is_file() => meta,
            Ok(meta) => {
                let what =
                    if meta.is_dir() { "a directory; name the files in it, or a glob" } else { "not a regular file" };
                return self.trouble(path, &format!("cannot follow it: it is {what}"));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return self.missing(number),
            Err(e) => return self.trouble(path, &format!("cannot look at it: {e}")),
        };
        let id = FileId::of(&meta);
        if known == Some(id)
            && !gone
            && let Some(tail) = self.tails.get_mut(&id)
        {
            tail.observe(&meta);
            if !self.unreadable.contains(&id) {
                name.trouble = None;
            }
            return;
        }
        if !self.tails.contains_key(&id) && self.is_copy_so_far(number, id, tally) {
            return;
        }
        match self.begin(number, id, known, tally) {
            Ok(()) => {
                self.names.nth_mut(number).trouble = None;
                if let Some(tail) = self.tails.get_mut(&id) {
                    tail.observe(&meta);
                }
            }
            Err(e) => self.trouble(path, &format!("cannot open it: {e}")),
        }
    }

    /// The label set of the name of this number.
    pub(super) fn label_set(&mut self, number: usize, ledger: &mut Ledger) -> SetId {
        let config = Arc::clone(&self.config);
        let source = config.sources.get(self.names.nth(number).source);
        let labels = source.map(|s| s.labels_of(&self.names.path(number).to_string_lossy())).unwrap_or_default();
        let labels = self.labels.bound(labels, config.limits.label_values, |label| self.reporter.folded(label));
        ledger.open(labels, &config.recogniser.catalogue)
    }

    fn missing(&mut self, number: usize) {
        let path = Arc::clone(self.names.path(number));
        let name = self.names.nth_mut(number);
        // A link may point nowhere for a moment, while what it means is replaced.
        name.there = fs::symlink_metadata(&path).is_ok();
        if name.literal && name.queue.is_empty() && name.trouble.is_none() {
            name.trouble = Some("waiting for it to appear".to_string());
            self.reporter.waiting(&path);
        }
    }

    /// Says what is wrong with a name, once.
    pub(super) fn trouble(&mut self, path: &Path, what: &str) {
        let first = self.names.get_mut(path).is_none_or(|name| {
            let first = name.trouble.as_deref() != Some(what);
            name.trouble = Some(what.to_string());
            first
        });
        if first {
            self.reporter.error(path, what);
        } else {
            self.reporter.error_again();
        }
    }
}

/// What the sources name now. A path that several of them name belongs to the first.
fn wanted(config: &Config, reporter: &mut Reporter) -> PathMap<Wanted> {
    let mut found = Vec::new();
    for (index, source) in config.sources.iter().enumerate() {
        for named in &source.paths {
            let literal = named.literal().map(Path::to_path_buf);
            let is_literal = literal.is_some();
            let paths = literal.map_or_else(|| expanded(named, reporter), |path| vec![path]);
            let wanted = Wanted { source: index, literal: is_literal };
            let named = paths.into_iter().filter(|path| is_literal || belongs(source, path));
            found.extend(named.map(|path| (path, wanted)));
        }
    }
    let mut wanted = PathMap::default();
    wanted.extend(found);
    wanted
}

/// The files that a glob means now.
fn expanded(path: &LogPath, reporter: &mut Reporter) -> Vec<PathBuf> {
    let pattern = path.glob().unwrap_or_default();
    glob_paths(pattern).unwrap_or_else(|e| {
        reporter.error(Path::new(pattern), &format!("cannot expand the glob: {e}"));
        Vec::new()
    })
}

/// The source that a path is of, whether there is such a file or not.
pub(super) fn source_of(config: &Config, path: &Path) -> Option<usize> {
    config.sources.iter().position(|source| source.names(path) && belongs(source, path))
}

/// Whether a path that a glob found is to be followed.
fn belongs(source: &SourceConfig, path: &Path) -> bool {
    !source.excludes(path) && !is_compressed(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_label_beyond_the_limit_become_other() {
        let mut values = LabelValues::default();
        let mut folded = 0;
        let mut bound = |pod: &str| {
            let labels = Labels::from([("pod".to_string(), pod.to_string())]);
            values.bound(labels, 2, |label| folded += usize::from(label == "pod"))["pod"].clone()
        };
        assert_eq!(["a", "b", "c", "a", "d"].map(&mut bound), ["a", "b", "other", "a", "other"]);
        assert_eq!(folded, 2);
    }
}
