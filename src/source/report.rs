//! What happens to files, as it happens: each report is a line in the exporter's own log and a number in its metrics. No
//! content of a log is ever among them.

use std::path::Path;

use crate::log::Read;

/// How many of the files that one look opens, misses or lets go are named in the log: of ten thousand, nobody reads the names.
const NAMED: u64 = 20;

/// Says something of the `number`th file: of the first few at this level, of the others at level debug.
macro_rules! named {
    ($level:ident, $number:expr, $($what:tt)+) => {
        if $number <= NAMED {
            tracing::$level!($($what)+);
        } else {
            tracing::debug!($($what)+);
        }
    };
}

/// What happened since the last report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // nearly each is a metric of the same name, documented there
pub struct Report {
    pub read: Read,
    pub opened: u64,
    pub rotations: u64,
    pub truncations: u64,
    pub copies_recovered: u64,
    pub abandoned_bytes: u64,
    pub errors: u64,
    pub folded: Vec<String>,
}

/// Collects reports.
#[derive(Debug, Default)]
pub struct Reporter {
    report: Report,
    /// Files that are gone, and names that are no longer followed, since the last call.
    lost: u64,
    unfollowed: u64,
}

#[allow(clippy::unused_self)] // one way to report, whether or not there is a number for it
impl Reporter {
    /// What happened since the last call.
    pub fn take(&mut self) -> Report {
        let Self { report, lost, unfollowed } = std::mem::take(self);
        for (number, what) in [(report.opened, "following"), (unfollowed, "no longer following")] {
            if number > NAMED {
                tracing::info!("{what} {} more files; --log.level=debug names them", number - NAMED);
            }
        }
        if lost > NAMED {
            tracing::warn!("{} more files are gone; --log.level=debug names them", lost - NAMED);
        }
        report
    }

    pub(super) fn opened(&mut self, path: &Path, position: u64) {
        self.report.opened += 1;
        named!(info, self.report.opened, path = %path.display(), position, "following the file");
        if path.extension().is_some_and(|e| e == "gz") {
            tracing::warn!(path = %path.display(), "its bytes are read as they stand; `scan` reads what is compressed");
        }
    }

    pub(super) fn waiting(&self, path: &Path) {
        tracing::warn!(path = %path.display(), "the file does not exist; it will be followed as soon as it appears");
    }

    pub(super) fn rotated(&mut self, path: &Path) {
        self.report.rotations += 1;
        tracing::debug!(path = %path.display(), "the name means another file now");
    }

    pub(super) fn truncated(&mut self, path: &Path) {
        self.report.truncations += 1;
        tracing::debug!(path = %path.display(), "the file was truncated or rewritten");
    }

    pub(super) fn recovered(&mut self, path: &Path) {
        self.report.copies_recovered += 1;
        tracing::debug!(path = %path.display(), "the unread rest was read from a copy");
    }

    pub(super) fn closed(&mut self, path: &Path, unread: u64) {
        self.report.abandoned_bytes += unread;
        if unread > 0 {
            tracing::warn!(path = %path.display(), unread, "closed a file whose last line was never finished");
        } else {
            tracing::debug!(path = %path.display(), "closed a file that no name means any more");
        }
    }

    pub(super) fn lost(&mut self, path: &Path) {
        const WHAT: &str = "the file that was followed before the restart is gone, and no copy of it was found; what was written to it after \
                            the last commit is not counted";
        self.lost += 1;
        named!(warn, self.lost, path = %path.display(), "{WHAT}");
    }

    pub(super) fn unfollowed(&mut self, path: &Path) {
        self.unfollowed += 1;
        named!(info, self.unfollowed, path = %path.display(), "no source names it any more: it is no longer followed");
    }

    pub(super) fn folded(&mut self, label: &str) {
        self.report.folded.push(label.to_string());
        tracing::debug!(label, "too many values of a configured label; counted under `other`");
    }

    pub(super) fn error(&mut self, path: &Path, what: &str) {
        self.report.errors += 1;
        tracing::warn!(path = %path.display(), "{what}");
    }

    pub(super) fn error_again(&mut self) {
        self.report.errors += 1;
    }
}
