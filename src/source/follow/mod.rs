//! The follower: names to generations to bytes read. It keeps no clock and waits for nothing: [`Follower::look`] is one look
//! at everything, and whoever owns the follower decides when to look again.
//!
//! A followed name has a queue of generations. The last is the file that the name means now; those before it have been
//! renamed or deleted and are read to their ends first, each handing what is unfinished about its last lines to the next.
//! A generation that was left behind is read on for a while, since its writer may still hold it.
//!
//! One look is, in this order: `names` finds out which file each name means now, and `rotation` what came between that and
//! the file before; `reading` reads, and `truncation` finds what a file held that was cut; `release` closes what nobody needs.

mod names;
mod reading;
mod release;
mod rotation;
mod saved;
mod truncation;
mod unopened;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::names::{LabelValues, Name};
pub use self::saved::SavedFollower;
use self::unopened::Unopened;
use super::finished::FinishedFiles;
use super::identity::{FileMap, FileSet};
use super::path_map::PathMap;
use super::reader::{Reader, Tally};
use super::report::{Report, Reporter};
use super::tail::Tail;
use crate::config::Config;
use crate::fold::Event;
use crate::ledger::{Ledger, SetId};
use crate::recognise::time::Millis;

/// How long a log must be quiet until what it holds back is shown.
pub const QUIET_MILLIS: Millis = 2_000;

/// The follower of all logs.
#[derive(Debug)]
pub struct Follower {
    config: Arc<Config>,
    names: PathMap<Name>,
    /// Boxed: the table is twice as large as what it holds.
    tails: FileMap<Box<Tail>>,
    finished: FinishedFiles,
    /// Files that a start could not open, by what they are.
    unopened: FileMap<Unopened>,
    /// Files whose last read failed.
    unreadable: FileSet,
    /// Files of names that no source names any more.
    unwanted: FileSet,
    labels: LabelValues,
    reader: Reader,
    reporter: Reporter,
    read_from_end: bool,
    first_look: bool,
    changed: bool,
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
            reader: Reader::new(Arc::clone(&config)),
            config,
            names: PathMap::default(),
            tails: FileMap::default(),
            finished: FinishedFiles::default(),
            unopened: FileMap::default(),
            unreadable: FileSet::default(),
            unwanted: FileSet::default(),
            labels: LabelValues::default(),
            reporter: Reporter::default(),
            read_from_end,
            first_look: true,
            changed: false,
        }
    }

    /// Follows another configuration from now on. What is followed already goes on where it is.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.reader.set_config(Arc::clone(&config));
        self.config = config;
        // Which source a name is of may have changed; those of none are let go.
        for name in self.names.values_mut() {
            name.source = usize::MAX;
        }
    }

    /// Looks at every followed name once and reads what is new, up to a limit. Returns whether there is more.
    pub fn look(&mut self, ledger: &mut Ledger, now: Millis) -> bool {
        let tally = &mut Tally { ledger, now };
        if self.first_look {
            self.open_series(tally.ledger);
        }
        self.leave_unwanted(tally);
        self.reopen_some(tally);
        for number in 0..self.names.len() {
            self.check(number, tally);
        }
        self.observe_left_behind();
        let more = self.read_all(tally);
        if !more {
            self.first_look = false;
        }
        self.let_go(tally);
        more
    }

    /// What quiet logs hold back, by label set: shown, since nothing more seems to come.
    pub fn held(&self, now: Millis) -> Vec<(SetId, Event)> {
        let quiet =
            |t: &&Tail| now - t.written.max(t.grown) >= QUIET_MILLIS || now - t.written >= QUIET_MILLIS && t.lag() == 0;
        self.tails.values().map(Box::as_ref).filter(quiet).flat_map(|t| t.progress.held().map(|e| (t.set, e))).collect()
    }

    /// What happened since the last call.
    pub fn report(&mut self) -> Report {
        Report { read: self.reader.take_read(), ..self.reporter.take() }
    }

    /// Whether positions have changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All names that are followed or waited for.
    pub fn watched(&self) -> Vec<PathBuf> {
        self.names.iter().filter(|(_, name)| !name.is_gone()).map(|(path, _)| path.to_path_buf()).collect()
    }

    /// Files open, names waited for, bytes unread.
    pub fn totals(&self) -> (usize, usize, u64) {
        let waiting = self.names.values().filter(|n| n.literal && n.queue.is_empty()).count();
        (self.tails.len(), waiting, self.tails.values().map(|t| t.lag()).sum())
    }

    /// Every followed name, for the status page.
    pub fn followed(&self) -> Vec<Followed> {
        let followed = |(path, name): (&Arc<Path>, &Name)| {
            let tail = name.queue.back().and_then(|id| self.tails.get(id));
            Followed {
                path: path.to_path_buf(),
                position: tail.map_or(0, |t| t.position),
                lag: name.queue.iter().filter_map(|id| self.tails.get(id)).map(|t| t.lag()).sum(),
                written: tail.map_or(0, |t| t.written),
                trouble: name.trouble.clone(),
            }
        };
        self.names.iter().filter(|(_, name)| !name.is_gone()).map(followed).collect()
    }
}
