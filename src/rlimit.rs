//! A file that is followed is kept open, so that nothing is lost when it is renamed or deleted: many logs need many
//! descriptors.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files to the most that the system allows this process.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(e) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(
                "cannot raise the limit of open files: {e}; with many logs, raise it from outside (ulimit -n)"
            );
        }
    }
}
