//! Files that a start could not open though they are there: what was read of them is kept, saved again, and gone on from as soon as they can
//! be opened.

use std::path::{Path, PathBuf};

use super::Follower;
use super::saved::reopen;
use crate::ledger::SetId;
use crate::recognise::time::Millis;
use crate::source::identity::FileId;
use crate::source::reader::Tally;
use crate::source::relatives::Folders;
use crate::source::tail::SavedTail;

/// How often they are tried again.
const RETRY_MILLIS: Millis = 10_000;

/// A file that could not be opened.
#[derive(Debug)]
pub(super) struct Unopened {
    /// The name that meant it, or the one that it had.
    pub path: PathBuf,
    /// Whether that name meant it.
    pub current: bool,
    /// How far it was read.
    pub saved: SavedTail<'static>,
    /// Which label set its counts go to.
    pub set: SetId,
    /// When it was last tried.
    pub tried: Millis,
}

impl Follower {
    /// Keeps what is known of a file that cannot be opened now.
    pub(super) fn keep_unopened(&mut self, file: Unopened, e: &std::io::Error) {
        self.trouble(&file.path, &format!("cannot open it again: {e}; what was read of it is kept until it can be"));
        self.unopened.insert(file.saved.id, file);
    }

    /// Tries those again that were not tried for a while.
    pub(super) fn reopen_some(&mut self, tally: &mut Tally<'_>) {
        let due = |file: &Unopened| tally.now - file.tried >= RETRY_MILLIS || tally.now < file.tried;
        let due: Vec<FileId> = self.unopened.iter().filter(|(_, file)| due(file)).map(|(id, _)| *id).collect();
        if due.is_empty() {
            return;
        }
        let (files, mut folders) = (self.files_now(), Folders::default());
        for id in due {
            let Some(mut file) = self.unopened.remove(&id) else { continue };
            match reopen(&file.saved, &file.path, &files, &mut folders, file.set, tally.now) {
                Ok(Some(tail)) => {
                    self.well(&file.path);
                    self.restore_tail(&file.path, tail, file.current);
                    self.changed = true;
                }
                Ok(None) => {
                    let leads = folders.tell_of(&file.path, id);
                    self.restore_gone(&file.path, file.saved, leads, file.set, tally);
                    self.changed = true;
                }
                Err(e) => {
                    file.tried = tally.now;
                    self.keep_unopened(file, &e);
                }
            }
        }
    }

    /// Nothing is wrong with a name any more.
    fn well(&mut self, path: &Path) {
        if let Some(name) = self.names.get_mut(path) {
            name.trouble = None;
        }
    }
}
