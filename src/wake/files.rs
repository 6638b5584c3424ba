//! Followed files, watched by linemux's [`MuxedEvents`].

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use linemux::MuxedEvents;
use tokio::sync::watch;

use super::{Bell, unhealthy, well};

/// linemux never removes the watch of a file that was renamed away. It is built anew after this many rotations, or this long,
/// so that they do not add up.
const REBUILD_AFTER: u64 = 256;
const REBUILD_AFTER_TIME: Duration = Duration::from_secs(600);

/// How long after a failure watching is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What there is to watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// The names that are followed or waited for.
    pub paths: Vec<PathBuf>,
    /// How many files were opened so far: a name that could not be watched may be there now.
    pub opened: u64,
    /// How many of them took the place of another: for each, a watch was left behind.
    pub rotations: u64,
}

/// Watches followed files until the list of them ends, ringing `bell` for every event. `healthy` tells whether all files are
/// watched that can be.
pub async fn watch_files(mut files: watch::Receiver<Watched>, bell: Bell, healthy: Arc<AtomicBool>) {
    loop {
        let built = match MuxedEvents::new() {
            Ok(events) => watch_until_rebuild(events, &mut files, &bell, &healthy).await,
            Err(e) => {
                unhealthy(&healthy, &format!("cannot watch files: {e}"));
                Some(RETRY_AFTER)
            }
        };
        let Some(pause) = built else { return };
        tokio::time::sleep(pause).await;
        bell.ring();
    }
}

/// Runs one set of watches. Returns how long to wait before the next, or `None` when there is nothing more to watch.
async fn watch_until_rebuild(
    mut events: MuxedEvents,
    files: &mut watch::Receiver<Watched>,
    bell: &Bell,
    healthy: &AtomicBool,
) -> Option<Duration> {
    let mut watched = HashSet::new();
    let rotations = files.borrow().rotations;
    let rebuild = tokio::time::sleep(REBUILD_AFTER_TIME);
    tokio::pin!(rebuild);
    loop {
        let wanted = files.borrow_and_update().clone();
        if wanted.rotations - rotations >= REBUILD_AFTER {
            return Some(Duration::ZERO);
        }
        if let Err(what) = add(&mut events, &wanted.paths, &mut watched).await {
            unhealthy(healthy, &what);
            return Some(RETRY_AFTER);
        }
        well(healthy);
        loop {
            tokio::select! {
                event = events.next_event() => match event {
                    Ok(Some(_)) => bell.ring(),
                    Ok(None) => {
                        // It ends when it watches nothing; more files may come.
                        files.changed().await.ok()?;
                        break;
                    }
                    Err(_) => bell.ring(),
                },
                changed = files.changed() => {
                    changed.ok()?;
                    break;
                }
                () = &mut rebuild => return Some(Duration::ZERO),
            }
        }
    }
}

/// Watches those of `paths` that are not `watched` yet. One that cannot be watched because of what it is, is left to polling;
/// an error is one that concerns all.
async fn add(events: &mut MuxedEvents, paths: &[PathBuf], watched: &mut HashSet<PathBuf>) -> Result<(), String> {
    for path in paths {
        if watched.contains(path) {
            continue;
        }
        match events.add_file(path).await {
            Ok(_) => {
                watched.insert(path.clone());
            }
            Err(e) if is_its_own_fault(path, &e) => {
                tracing::debug!(path = %path.display(), "the path cannot be watched, only looked at now and then: {e}");
            }
            Err(e) => return Err(format!("cannot watch {}: {e}", path.display())),
        }
    }
    Ok(())
}

/// Whether no watch can be had of this path, but of others: it is a folder, its folder is not there, or it may not be read.
fn is_its_own_fault(path: &Path, e: &io::Error) -> bool {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    e.kind() == io::ErrorKind::PermissionDenied || path.is_dir() || !folder.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_and_a_missing_parent_leave_the_other_files_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.log");
        std::fs::write(&file, "").unwrap();
        let later = folder.path().join("later/app.log");
        let paths = [folder.path().to_path_buf(), later.clone(), file.clone()];
        let mut events = MuxedEvents::new().unwrap();
        let mut watched = HashSet::new();
        add(&mut events, &paths, &mut watched).await.unwrap();
        assert_eq!(watched, HashSet::from([file.clone()]));

        std::fs::create_dir(later.parent().unwrap()).unwrap();
        std::fs::write(&later, "").unwrap();
        add(&mut events, &paths, &mut watched).await.unwrap();
        assert_eq!(watched, HashSet::from([file, later]), "it is there now");
    }
}
