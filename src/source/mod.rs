//! Files to blocks of bytes: which files there are, what became of them, how far each has been read.

mod buffer;
mod finished;
mod follow;
mod identity;
mod reader;
mod relatives;
mod report;
mod tail;

use std::path::PathBuf;

pub use self::buffer::Buffer;
pub use self::follow::{Followed, Follower, QUIET_MILLIS, SavedFollower};
pub use self::report::Report;

/// The files that a glob means now, in order; `**` stands for any number of folders.
pub fn glob_paths(pattern: &str) -> Result<Vec<PathBuf>, glob::PatternError> {
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    Ok(glob::glob_with(pattern, options)?.filter_map(Result::ok).collect())
}
