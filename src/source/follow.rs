//! The follower: names to generations to bytes read. It keeps no clock and waits for nothing: [`Follower::look`] is one look
//! at everything, and whoever owns the follower decides when to look again.
//!
//! A followed name has a queue of generations. The last is the file that the name means now; those before it have been
//! renamed or deleted and are read to their ends first, each handing what is unfinished about its last lines to the next.
//! A generation that was left behind is read on for a while, since its writer may still hold it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use super::buffer::Buffer;
use super::generation::{Relative, Stamp, relatives};
use super::glob_paths;
use super::identity::{FileId, Mark};
use super::report::{Report, Reporter};
use super::tail::{Nanos, SavedTail, State, Tail};
use crate::config::Config;
use crate::fold::Event;
use crate::ledger::{LabelSet, Ledger, SetId};
use crate::log::{Parser, Progress, Read};
use crate::recognise::time::Millis;

/// How much of one file is read before the others have their turn, in bytes.
const SLICE: u64 = 4 << 20;

/// How much one look reads before it returns, so that a scrape need not wait for a backlog.
const LOOK: u64 = 16 << 20;

/// How long a renamed file that nobody writes to any more is kept open.
const RENAMED_MILLIS: Millis = 60_000;

/// How long a deleted file that nobody writes to any more is kept open: as long as it is, its disk space is not free.
const DELETED_MILLIS: Millis = 5_000;

/// How many generations of one name are kept open at most.
const GENERATIONS: usize = 32;

/// How many files that are done with are remembered, so that a new name for one of them is not read again.
const FINISHED: usize = 256;

/// How long a log must be quiet until what it holds back is shown.
pub const QUIET_MILLIS: Millis = 2_000;

/// The follower of all logs.
#[derive(Debug)]
pub struct Follower {
    config: Arc<Config>,
    names: BTreeMap<PathBuf, Name>,
    tails: HashMap<FileId, Tail>,
    finished: VecDeque<Finished>,
    labels: HashMap<String, HashSet<String>>,
    buffer: Buffer,
    parser: Parser,
    reporter: Reporter,
    read_from_end: bool,
    first_look: bool,
    changed: bool,
}

/// A followed name.
#[derive(Debug, Default)]
struct Name {
    source: usize,
    /// Named without a wildcard: waited for while it does not exist.
    literal: bool,
    queue: VecDeque<FileId>,
    /// The generation that was followed before a restart and is gone: what came after it is still to be read.
    gone: Option<Reference>,
    /// The last problem with it, said once.
    trouble: Option<String>,
}

/// A generation after which others may have come unseen.
#[derive(Debug, Clone, Copy)]
struct Reference {
    born: Nanos,
    written: Millis,
}

/// A file that is done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Finished {
    id: FileId,
    position: u64,
    mark: Mark,
    stamp: Stamp,
}

/// The follower's state as it is saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFollower {
    names: Vec<SavedName>,
    #[serde(default)]
    finished: Vec<Finished>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedName {
    path: PathBuf,
    labels: LabelSet,
    generations: Vec<SavedTail>,
}

/// A followed file, for the status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Its name.
    pub path: PathBuf,
    /// How far it was read.
    pub position: u64,
    /// Bytes written and not read.
    pub lag: u64,
    /// When it was last written to.
    pub written: Millis,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

impl Follower {
    /// A follower of the configuration's sources. `read_from_end` skips what files hold at the first look.
    pub fn new(config: Arc<Config>, read_from_end: bool) -> Self {
        Self {
            buffer: Buffer::new(config.limits.line_bytes),
            config,
            names: BTreeMap::new(),
            tails: HashMap::new(),
            finished: VecDeque::new(),
            labels: HashMap::new(),
            parser: Parser::default(),
            reporter: Reporter::default(),
            read_from_end,
            first_look: true,
            changed: false,
        }
    }

    /// Follows another configuration from now on. What is followed already goes on where it is.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.buffer = Buffer::new(config.limits.line_bytes);
        self.config = config;
        // Which source a name is of may have changed; those of none are let go.
        for name in self.names.values_mut() {
            name.source = usize::MAX;
        }
    }

    /// The series of sources that the configuration names alone are there before their first file is.
    pub fn open_series(&mut self, ledger: &mut Ledger) {
        self.open_label_sets(ledger);
    }

    /// What happened since the last call.
    pub fn report(&mut self) -> Report {
        self.reporter.take()
    }

    /// Whether positions have changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All names that are followed or waited for, and all folders in which more may appear.
    pub fn watched(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }

    /// Expands the globs: new files are followed from now on, and names that are gone are forgotten.
    pub fn discover(&mut self) {
        let config = Arc::clone(&self.config);
        let mut wanted: BTreeMap<PathBuf, (usize, bool)> = BTreeMap::new();
        for (index, source) in config.sources.iter().enumerate() {
            for pattern in &source.paths {
                let literal = !has_wildcard(pattern) || Path::new(pattern).exists();
                let found = if literal { Ok(vec![PathBuf::from(pattern)]) } else { glob_paths(pattern) };
                let found = match found {
                    Ok(found) => found,
                    Err(e) => {
                        self.reporter.error(Path::new(pattern), &format!("cannot expand the glob: {e}"));
                        continue;
                    }
                };
                for path in found {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    if literal || !source.excludes(&name) && path.extension().is_none_or(|e| e != "gz") {
                        wanted.entry(path).or_insert((index, literal));
                    }
                }
            }
        }
        for (path, (source, literal)) in &wanted {
            let name = self.names.entry(path.clone()).or_default();
            (name.source, name.literal) = (*source, *literal);
        }
        self.names
            .retain(|path, name| wanted.contains_key(path) || name.source != usize::MAX && !name.queue.is_empty());
    }

    /// Looks at every followed name once and reads what is new, up to a limit. Returns whether there is more.
    pub fn look(&mut self, ledger: &mut Ledger, now: Millis) -> bool {
        if self.first_look {
            self.open_label_sets(ledger);
        }
        let paths: Vec<PathBuf> = self.names.keys().cloned().collect();
        for path in &paths {
            self.check(path, ledger, now);
        }
        self.observe_left_behind();
        let more = self.read_all(&paths, ledger, now);
        if !more {
            self.first_look = false;
        }
        self.let_go(ledger, now);
        more
    }

    /// What quiet logs hold back, by label set: shown, since nothing more seems to come.
    pub fn held(&self, now: Millis) -> Vec<(SetId, Event)> {
        let quiet =
            |t: &&Tail| now - t.written.max(t.grown) >= QUIET_MILLIS || now - t.written >= QUIET_MILLIS && t.lag() == 0;
        self.tails.values().filter(quiet).flat_map(|t| t.progress.held().map(|e| (t.set, e))).collect()
    }

    /// Files open, names waited for, bytes unread.
    pub fn totals(&self) -> (usize, usize, u64) {
        let waiting = self.names.values().filter(|n| n.literal && n.queue.is_empty()).count();
        (self.tails.len(), waiting, self.tails.values().map(Tail::lag).sum())
    }

    /// Every followed name, for the status page.
    pub fn followed(&self) -> Vec<Followed> {
        let followed = |(path, name): (&PathBuf, &Name)| {
            let tail = name.queue.back().and_then(|id| self.tails.get(id));
            Followed {
                path: path.clone(),
                position: tail.map_or(0, |t| t.position),
                lag: name.queue.iter().filter_map(|id| self.tails.get(id)).map(Tail::lag).sum(),
                written: tail.map_or(0, |t| t.written),
                trouble: name.trouble.clone(),
            }
        };
        self.names.iter().map(followed).collect()
    }

    /// With labels from the configuration alone, series are there before the first file is.
    fn open_label_sets(&mut self, ledger: &mut Ledger) {
        let config = Arc::clone(&self.config);
        for source in config.sources.iter().filter(|s| s.path_labels.is_none()) {
            ledger.open(source.labels.clone(), &config.recogniser.catalogue);
        }
        if config.sources.is_empty() {
            ledger.open(LabelSet::new(), &config.recogniser.catalogue);
        }
    }

    // ---- names ----------------------------------------------------------------------------------------------------

    /// Finds out which file a name means now.
    fn check(&mut self, path: &Path, ledger: &mut Ledger, now: Millis) {
        let meta = match fs::metadata(path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(meta) => {
                let what =
                    if meta.is_dir() { "a directory; name the files in it, or a glob" } else { "not a regular file" };
                return self.trouble(path, &format!("cannot follow it: it is {what}"));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return self.missing(path),
            Err(e) => return self.trouble(path, &format!("cannot look at it: {e}")),
        };
        let id = FileId::of(&meta);
        let known = self.names.get(path).and_then(|n| n.queue.back().copied());
        let gone = self.names.get(path).is_some_and(|n| n.gone.is_some());
        if known == Some(id)
            && !gone
            && let Some(tail) = self.tails.get_mut(&id)
        {
            tail.observe(&meta);
            return;
        }
        match self.begin(path, id, known, ledger, now) {
            Ok(()) => {
                self.well(path);
                if let Some(tail) = self.tails.get_mut(&id) {
                    tail.observe(&meta);
                }
            }
            Err(e) => self.trouble(path, &format!("cannot open it: {e}")),
        }
    }

    /// A name means a file that it did not mean before.
    fn begin(
        &mut self,
        path: &Path,
        id: FileId,
        before: Option<FileId>,
        ledger: &mut Ledger,
        now: Millis,
    ) -> io::Result<()> {
        let set = self.label_set(path, ledger);
        let reference =
            before.and_then(|old| self.tails.get(&old)).map(|t| Reference { born: t.born, written: t.written });
        // Between the look at the name and the opening it may have come to mean yet another file: what was opened counts.
        let opened = if self.tails.contains_key(&id) { None } else { Some(self.open(path, id, set, now)?) };
        let id = opened.as_ref().map_or(id, |tail| tail.id);
        let gone = self.names.get_mut(path).and_then(|n| n.gone.take());
        if let Some(reference) = gone.or(reference) {
            self.reporter.rotated(path);
            let mut unseen = self.unseen_generations(path, reference, id);
            if !unseen.is_empty() {
                // What is open is read first: only then can its copies be told.
                self.read_open_generations(path, ledger, now);
                unseen.retain(|r| !self.is_copy(r));
            }
            for unseen in unseen {
                self.queue_unseen(path, &unseen, set, ledger, now);
            }
        }
        if let Some(tail) = opened {
            self.reporter.opened(path, tail.position);
            self.tails.entry(id).or_insert(tail);
        }
        if let Some(tail) = self.tails.get_mut(&id) {
            tail.path = path.to_path_buf();
        }
        if let Some(name) = self.names.get_mut(path) {
            name.queue.retain(|queued| *queued != id);
            name.queue.push_back(id);
        }
        self.changed = true;
        Ok(())
    }

    /// Opens a file where it was left when it was done with before, otherwise at its beginning (or, at the first look, at its
    /// end if that was asked for).
    fn open(&mut self, path: &Path, id: FileId, set: SetId, now: Millis) -> io::Result<Tail> {
        if let Some(done) = self.finished.iter().rposition(|f| f.id == id) {
            let done = self.finished.remove(done).expect("the index was just found");
            let saved = SavedTail {
                id,
                path: path.to_path_buf(),
                position: done.position,
                mark: done.mark,
                progress: Progress::default(),
                born: 0,
                copied: 0,
                written: 0,
            };
            // If it is another file with the same number, its content says so when it is read.
            return Tail::resume(saved, path, set, now);
        }
        let copy_of_known =
            self.finished.iter().find(|f| File::open(path).is_ok_and(|file| f.mark.stands_in(&file).unwrap_or(false)));
        let from = copy_of_known.map_or(0, |f| f.position);
        if self.first_look && self.read_from_end {
            return Tail::open_at_end(path, set, now);
        }
        Tail::open(path, from, set, now)
    }

    fn missing(&mut self, path: &Path) {
        let Some(name) = self.names.get_mut(path) else { return };
        if name.literal && name.queue.is_empty() && name.trouble.is_none() {
            name.trouble = Some("waiting for it to appear".to_string());
            self.reporter.waiting(path);
        }
    }

    /// The label set of a path. Values beyond the limit become `other`.
    fn label_set(&mut self, path: &Path, ledger: &mut Ledger) -> SetId {
        let config = Arc::clone(&self.config);
        let source = self.names.get(path).and_then(|n| config.sources.get(n.source));
        let mut labels = source.map(|s| s.labels_of(&path.to_string_lossy())).unwrap_or_default();
        for (label, value) in &mut labels {
            let values = self.labels.entry(label.clone()).or_default();
            if !values.contains(value) {
                if values.len() >= config.limits.label_values {
                    self.reporter.folded(label);
                    *value = "other".to_string();
                    continue;
                }
                values.insert(value.clone());
            }
        }
        ledger.open(labels, &config.recogniser.catalogue)
    }

    // ---- generations ------------------------------------------------------------------------------------------------

    /// Reads this name's generations, and all files left behind, to their ends.
    fn read_open_generations(&mut self, path: &Path, ledger: &mut Ledger, now: Millis) {
        let current: HashSet<FileId> = self.names.values().filter_map(|n| n.queue.back().copied()).collect();
        let mut ids: Vec<FileId> = self.names.get(path).map(|n| n.queue.iter().copied().collect()).unwrap_or_default();
        ids.extend(self.tails.keys().filter(|id| !current.contains(id)));
        for id in ids {
            if let Some(tail) = self.tails.get_mut(&id) {
                // A failure shows again, and is reported, when the file is looked at in its turn.
                let _ = tail.stat();
            }
            let mut budget = u64::MAX;
            while self.read_tail(id, &mut budget, ledger, now) {}
        }
    }

    /// Files that may be generations which came and went between two looks: younger than the one that was followed, and not
    /// known.
    fn unseen_generations(&self, path: &Path, reference: Reference, new: FileId) -> Vec<Relative> {
        let mut unseen: Vec<Relative> = relatives(path, None).unwrap_or_default();
        unseen.retain(|r| {
            let after = if r.is_gz() { reference.written.saturating_mul(1_000_000) } else { reference.born };
            r.successor && r.id() != new && r.born() >= after && !self.is_known(r)
        });
        unseen.sort_by_key(Relative::born);
        unseen
    }

    /// Whether a file is open, or was done with and has not been written to since.
    fn is_known(&self, r: &Relative) -> bool {
        let done = |f: &Finished| f.id == r.id() && f.stamp == r.stamp() && f.position > 0;
        self.tails.contains_key(&r.id()) || self.finished.iter().any(done)
    }

    /// Whether a file holds what another did that has been read.
    fn is_copy(&self, relative: &Relative) -> bool {
        let tails = self.tails.values().map(|t| (&t.mark, t.position));
        let finished = self.finished.iter().map(|f| (&f.mark, f.position));
        tails.chain(finished).any(|(mark, position)| position > 0 && relative.holds(mark, position).unwrap_or(false))
    }

    fn queue_unseen(&mut self, path: &Path, unseen: &Relative, set: SetId, ledger: &mut Ledger, now: Millis) {
        if unseen.is_gz() {
            let mut progress = Progress::default();
            let done = self.read_compressed(unseen, 0, Mark::default(), &mut progress, set, ledger, now);
            if let Ok(done) = done {
                self.count_held(&progress, set, ledger, now);
                self.remember(done);
                self.reporter.recovered(&unseen.path);
            }
            return;
        }
        if let Ok(tail) = Tail::open(&unseen.path, 0, set, now)
            && !self.tails.contains_key(&tail.id)
        {
            self.reporter.opened(&unseen.path, 0);
            if let Some(name) = self.names.get_mut(path) {
                name.queue.push_back(tail.id);
            }
            self.tails.insert(tail.id, tail);
        }
    }

    /// A file no longer holds what was read of it: the rest of what it held is looked for in copies of it, then it is read
    /// from its beginning.
    fn rewritten(&mut self, id: FileId, ledger: &mut Ledger, now: Millis) {
        let Some(tail) = self.tails.get(&id) else { return };
        let (path, position, mark, set) = (tail.path.clone(), tail.position, tail.mark.clone(), tail.set);
        let mut copied = tail.copied;
        let mut progress = self.tails.get_mut(&id).map(|t| std::mem::take(&mut t.progress)).unwrap_or_default();
        if position > 0 {
            self.reporter.truncated(&path);
            let copy = self.recover_copy(&path, id, position, &mark, &mut progress, set, ledger, now);
            copied = copy.unwrap_or(copied);
        }
        for unseen in self.unseen_copies(&path, id, copied) {
            copied = unseen.born();
            match self.read_copy(&unseen, 0, &mut progress, set, ledger, now) {
                Ok(done) => {
                    self.remember(done);
                    self.reporter.recovered(&unseen.path);
                }
                Err(e) => self.reporter.error(&unseen.path, &format!("cannot read a copy of {}: {e}", path.display())),
            }
        }
        if let Some(tail) = self.tails.get_mut(&id) {
            tail.progress = progress.carried_over();
            tail.copied = copied;
            tail.rewind();
        }
        self.changed = true;
    }

    /// Copies of a file that were made, and the file cut after them, between two looks: younger than the last one that was
    /// seen, and neither known nor what the file holds now.
    fn unseen_copies(&self, path: &Path, id: FileId, after: Nanos) -> Vec<Relative> {
        let Some(tail) = self.tails.get(&id) else { return Vec::new() };
        // A file that is copied and cut keeps its name; beside one that was renamed there are other generations, not copies.
        let keeps_its_name = self.names.contains_key(path) && fs::metadata(path).is_ok_and(|m| FileId::of(&m) == id);
        if !keeps_its_name {
            return Vec::new();
        }
        let mut unseen: Vec<Relative> = relatives(path, None).unwrap_or_default();
        unseen.retain(|r| {
            let candidate = r.successor && !r.is_gz() && r.id() != id && r.born() > after && !self.is_known(r);
            candidate && !tail.begins_like(&r.path).unwrap_or(true) && !self.is_copy(r)
        });
        unseen.sort_by_key(Relative::born);
        unseen
    }

    /// Reads what a copy of a file holds beyond `position`.
    #[allow(clippy::too_many_arguments)] // what is known of a file that is gone: nothing to group
    fn recover_copy(
        &mut self,
        path: &Path,
        id: FileId,
        position: u64,
        mark: &Mark,
        progress: &mut Progress,
        set: SetId,
        ledger: &mut Ledger,
        now: Millis,
    ) -> Option<Nanos> {
        let copies = relatives(path, None).unwrap_or_default();
        let mut copies: Vec<Relative> =
            copies.into_iter().filter(|r| r.id() != id && !self.tails.contains_key(&r.id())).collect();
        // The newest first: it is the copy of this generation, if heads and tails are all alike.
        copies.sort_by_key(|r| std::cmp::Reverse(r.born()));
        let copy = copies.into_iter().find(|r| r.holds(mark, position).unwrap_or(false))?;
        let done = if copy.is_gz() {
            self.read_compressed(&copy, position, mark.clone(), progress, set, ledger, now)
        } else {
            self.read_copy(&copy, position, progress, set, ledger, now)
        };
        match done {
            Ok(finished) => {
                self.remember(finished);
                self.reporter.recovered(&copy.path);
                Some(copy.born())
            }
            Err(e) => {
                self.reporter
                    .error(&copy.path, &format!("cannot read the rest of {} from its copy: {e}", path.display()));
                None
            }
        }
    }

    fn read_copy(
        &mut self,
        copy: &Relative,
        position: u64,
        progress: &mut Progress,
        set: SetId,
        ledger: &mut Ledger,
        now: Millis,
    ) -> io::Result<Finished> {
        let mut tail = Tail::open(&copy.path, position, set, now)?;
        std::mem::swap(&mut tail.progress, progress);
        let read = self.read_to_end(&mut tail, ledger, now);
        std::mem::swap(&mut tail.progress, progress);
        read?;
        Ok(Finished { id: tail.id, position: tail.position, mark: tail.mark, stamp: copy.stamp() })
    }

    /// Reads a compressed file from `position` of its content on, before which `mark` stands.
    #[allow(clippy::too_many_arguments)] // what is known of a file that is gone: nothing to group
    fn read_compressed(
        &mut self,
        file: &Relative,
        mut position: u64,
        mut mark: Mark,
        progress: &mut Progress,
        set: SetId,
        ledger: &mut Ledger,
        now: Millis,
    ) -> io::Result<Finished> {
        let mut stream = MultiGzDecoder::new(File::open(&file.path)?);
        io::copy(&mut io::Read::take(&mut stream, position), &mut io::sink())?;
        let Self { buffer, parser, config, reporter, .. } = self;
        buffer.clear();
        loop {
            let take = |block: &[u8]| {
                let mut tell = |event| ledger.count(set, event, &config.recogniser.catalogue, now);
                let read = parser.feed(&config.recogniser, progress, block, config.limits.line_bytes, &mut tell);
                reporter.read(read);
                let taken = usize::try_from(read.bytes).unwrap_or(block.len());
                position += read.bytes;
                mark.consumed(&block[..taken], position);
                taken
            };
            if buffer.step(|room| io::Read::read(&mut stream, room), take)? == 0 {
                return Ok(Finished { id: file.id(), position, mark, stamp: file.stamp() });
            }
        }
    }

    // ---- reading --------------------------------------------------------------------------------------------------

    /// Reads the first generation of every name, and those left behind.
    fn read_all(&mut self, paths: &[PathBuf], ledger: &mut Ledger, now: Millis) -> bool {
        let mut budget = LOOK;
        let mut more = false;
        for path in paths {
            more |= self.read_queue(path, &mut budget, ledger, now);
        }
        let queued: HashSet<FileId> = self.names.values().flat_map(|n| n.queue.iter().copied()).collect();
        let left_behind: Vec<FileId> = self.tails.keys().filter(|id| !queued.contains(id)).copied().collect();
        for id in left_behind {
            more |= self.read_tail(id, &mut budget, ledger, now);
        }
        more
    }

    /// Reads a name's generations in turn. Returns whether there is more.
    fn read_queue(&mut self, path: &Path, budget: &mut u64, ledger: &mut Ledger, now: Millis) -> bool {
        loop {
            let Some(name) = self.names.get(path) else { return false };
            let (Some(front), next) = (name.queue.front().copied(), name.queue.get(1).copied()) else { return false };
            if next.is_some()
                && let Some(tail) = self.tails.get_mut(&front)
            {
                // Its name means another file by now, so its size must be asked of itself.
                let _ = tail.stat();
            }
            if self.read_tail(front, budget, ledger, now) {
                return true;
            }
            let Some(next) = next else { return false };
            let left = self.tails.get_mut(&front).map(|t| t.progress.carried_over());
            if let (Some(progress), Some(tail)) = (left, self.tails.get_mut(&next))
                && tail.position == 0
            {
                tail.progress = progress;
            }
            if let Some(name) = self.names.get_mut(path) {
                name.queue.pop_front();
            }
            self.changed = true;
        }
    }

    /// Reads a file, up to a slice. Returns whether there is more.
    fn read_tail(&mut self, id: FileId, budget: &mut u64, ledger: &mut Ledger, now: Millis) -> bool {
        let Some(state) = self.tails.get_mut(&id).map(Tail::state) else { return false };
        match state {
            Ok(State::Quiet) => return false,
            Ok(State::Grown) => {}
            Ok(State::Rewritten) => self.rewritten(id, ledger, now),
            Err(e) => return self.read_failed(id, &e),
        }
        if *budget == 0 {
            return true;
        }
        let Some(mut tail) = self.tails.remove(&id) else { return false };
        let result = self.read_slice(&mut tail, SLICE.min(*budget), ledger, now);
        self.tails.insert(id, tail);
        match result {
            Ok((read, end)) => {
                *budget = budget.saturating_sub(read.bytes);
                !end
            }
            Err(e) => self.read_failed(id, &e),
        }
    }

    fn read_slice(
        &mut self,
        tail: &mut Tail,
        slice: u64,
        ledger: &mut Ledger,
        now: Millis,
    ) -> io::Result<(Read, bool)> {
        let Self { buffer, parser, config, reporter, .. } = self;
        let (set, written) = (tail.set, tail.written.min(now));
        let feed = |progress: &mut Progress, block: &[u8]| {
            let mut tell = |event| ledger.count(set, event, &config.recogniser.catalogue, written);
            parser.feed(&config.recogniser, progress, block, config.limits.line_bytes, &mut tell)
        };
        let (read, end) = tail.read(buffer, slice, now, feed)?;
        if read.bytes > 0 {
            reporter.read(read);
            self.changed = true;
        }
        Ok((read, end))
    }

    fn read_to_end(&mut self, tail: &mut Tail, ledger: &mut Ledger, now: Millis) -> io::Result<()> {
        while !self.read_slice(tail, SLICE, ledger, now)?.1 {}
        Ok(())
    }

    fn read_failed(&mut self, id: FileId, e: &io::Error) -> bool {
        let path = self.tails.get(&id).map(|t| t.path.clone()).unwrap_or_default();
        self.trouble(&path, &format!("cannot read it: {e}"));
        false
    }

    // ---- letting go -----------------------------------------------------------------------------------------------

    fn observe_left_behind(&mut self) {
        let current: HashSet<FileId> = self.names.values().filter_map(|n| n.queue.back().copied()).collect();
        for (id, tail) in &mut self.tails {
            if !current.contains(id)
                && let Err(e) = tail.stat()
            {
                self.reporter.error(&tail.path, &format!("cannot look at it: {e}"));
            }
        }
    }

    /// Closes files that no name means any more and that nobody writes to.
    fn let_go(&mut self, ledger: &mut Ledger, now: Millis) {
        let mut current = HashSet::new();
        for (path, name) in &self.names {
            let there = fs::symlink_metadata(path).is_ok() || name.queue.len() > 1;
            current.extend(name.queue.iter().take(if there { usize::MAX } else { 0 }).copied());
        }
        let mut done: Vec<(Millis, FileId)> = Vec::new();
        let mut left_behind = 0;
        for (id, tail) in &mut self.tails {
            if current.contains(id) {
                tail.left_behind = None;
                continue;
            }
            let since = *tail.left_behind.get_or_insert(now);
            if tail.lag() > 0 && tail.state().is_ok_and(|s| s == State::Grown) {
                continue;
            }
            left_behind += 1;
            let limit = if tail.stat().unwrap_or(false) { RENAMED_MILLIS } else { DELETED_MILLIS };
            let quiet = now - tail.grown.max(since);
            if quiet >= limit {
                done.push((quiet, *id));
            }
        }
        if left_behind > GENERATIONS * self.names.len().max(1) {
            let oldest =
                self.tails.values().filter(|t| !current.contains(&t.id) && t.lag() == 0).min_by_key(|t| t.grown);
            done.extend(oldest.map(|t| (0, t.id)));
        }
        for (_, id) in done {
            self.finish(id, ledger, now);
        }
    }

    /// Closes a file: what it held back is counted, and it is remembered.
    fn finish(&mut self, id: FileId, ledger: &mut Ledger, now: Millis) {
        let Some(tail) = self.tails.remove(&id) else { return };
        self.count_held(&tail.progress, tail.set, ledger, now);
        self.reporter.closed(&tail.path, tail.lag());
        let stamp = Stamp { size: tail.size, written: tail.written };
        self.remember(Finished { id, position: tail.position, mark: tail.mark, stamp });
        for name in self.names.values_mut() {
            name.queue.retain(|queued| *queued != id);
        }
        self.changed = true;
    }

    fn count_held(&self, progress: &Progress, set: SetId, ledger: &mut Ledger, now: Millis) {
        for event in progress.held() {
            ledger.count(set, event, &self.config.recogniser.catalogue, now);
        }
    }

    fn remember(&mut self, finished: Finished) {
        if self.finished.len() == FINISHED {
            self.finished.pop_front();
        }
        self.finished.push_back(finished);
    }

    /// Says what is wrong with a name, once.
    fn trouble(&mut self, path: &Path, what: &str) {
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

    fn well(&mut self, path: &Path) {
        if let Some(name) = self.names.get_mut(path) {
            name.trouble = None;
        }
    }

    // ---- state ----------------------------------------------------------------------------------------------------

    /// The state as it is saved.
    pub fn save(&self, labels_of: impl Fn(SetId) -> LabelSet) -> SavedFollower {
        let mut named: HashSet<FileId> = HashSet::new();
        let mut saved: Vec<SavedName> = Vec::new();
        let mut add = |path: &Path, ids: &mut dyn Iterator<Item = FileId>, named: &mut HashSet<FileId>| {
            let tails: Vec<&Tail> = ids.filter(|id| named.insert(*id)).filter_map(|id| self.tails.get(&id)).collect();
            if let Some(first) = tails.first() {
                let labels = labels_of(first.set);
                let generations = tails.iter().map(|t| t.save()).collect();
                saved.push(SavedName { path: path.to_path_buf(), labels, generations });
            }
        };
        for (path, name) in &self.names {
            add(path, &mut name.queue.iter().copied(), &mut named);
        }
        for tail in self.tails.values() {
            add(&tail.path, &mut std::iter::once(tail.id), &mut named);
        }
        SavedFollower { names: saved, finished: self.finished.iter().cloned().collect() }
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
        self.finished = saved.finished.into();
        self.discover();
        for name in saved.names {
            let set = ledger.open(name.labels, &self.config.recogniser.catalogue);
            for tail in name.generations {
                self.restore_tail(&name.path, tail, set, ledger, now);
            }
        }
    }

    fn restore_tail(&mut self, path: &Path, saved: SavedTail, set: SetId, ledger: &mut Ledger, now: Millis) {
        let (id, position) = (saved.id, saved.position);
        let mark = saved.mark.clone();
        let Some(found) = find(&saved, path) else {
            let gone = Reference { born: saved.born, written: saved.written };
            let mut progress = saved.progress;
            if self.recover_copy(path, id, position, &mark, &mut progress, set, ledger, now).is_none() {
                self.reporter.lost(path);
            }
            // Another generation follows under the same name, if there is one: it goes on from here.
            self.count_held(&progress, set, ledger, now);
            if let Some(name) = self.names.get_mut(path) {
                name.gone = Some(gone);
            }
            return;
        };
        match Tail::resume(saved, &found, set, now) {
            Ok(tail) => {
                self.tails.insert(id, tail);
                if let Some(name) = self.names.get_mut(path) {
                    name.queue.push_back(id);
                }
            }
            Err(e) => self.trouble(path, &format!("cannot open it again: {e}")),
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

fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}
