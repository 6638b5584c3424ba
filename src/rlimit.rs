//! A file that is followed is kept open, so that nothing is lost when it is renamed or deleted: many logs need many
//! descriptors.

use rustix::process::{Resource, getrlimit, setrlimit};

/// The part of all descriptors that connections may take, so that they leave enough for logs and state.
const FOR_CONNECTIONS: u64 = 4;

/// The most connections, of `wanted`, that leave enough descriptors for what the exporter is there for.
pub fn connections(wanted: usize) -> usize {
    let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(open_files / FOR_CONNECTIONS).unwrap_or(usize::MAX).max(2);
    if most < wanted {
        tracing::warn!(
            "with a limit of {open_files} open files, there are {most} connections at most and not {wanted}; raise it from outside (ulimit -n)"
        );
    }
    most.min(wanted)
}

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
