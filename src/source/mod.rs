//! Files to blocks of bytes: which files there are, what became of them, how far each has been read.

mod buffer;
mod finished;
mod follow;
mod globs;
mod identity;
mod path_map;
mod reader;
mod relatives;
mod report;
mod tail;

pub use self::buffer::Buffer;
pub use self::follow::{Followed, Follower, QUIET_MILLIS, SavedFollower};
pub use self::globs::glob_paths;
pub use self::identity::FileId;
pub use self::reader::Counter;
pub use self::report::Report;
