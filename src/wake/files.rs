//! Followed files, watched by linemux's [`MuxedEvents`].
//!
//! The system tells of every single write. Where there are many of them in a second, being told costs more than looking: the
//! watches are let go, and the bell is rung by the clock until the files are quiet again.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use linemux::MuxedEvents;
use tokio::sync::watch;

use super::{Bell, unhealthy, well};

/// linemux never removes the watch of a file that was renamed away. It is built anew after this many rotations, or this long,
/// so that they do not add up.
const REBUILD_AFTER: u64 = 256;
const REBUILD_AFTER_TIME: Duration = Duration::from_secs(600);

/// How long after a failure watching is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// With more events than this in a second, the clock is cheaper.
const BUSY_EVENTS: u32 = 64;

/// How often the bell is rung by the clock.
const BUSY_RING: Duration = Duration::from_millis(50);

/// How long nothing must have been read until files are watched again.
const QUIET: Duration = Duration::from_secs(2);

/// The same as a multiple of what it costs to watch them all.
const QUIET_COSTS: u32 = 100;

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

/// Why a set of watches was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GivenUp {
    /// It is built anew: its left-over watches add up.
    Old,
    /// It could not be built.
    Failed,
    /// The system tells of more than is worth hearing. To watch all files took this long.
    Busy(Duration),
    /// Nobody asks for watches any more.
    Ended,
}

/// Watches followed files until the list of them ends, ringing `bell` when they may have changed. `healthy` tells whether all
/// files are watched that can be; `read` how much has been read of them so far.
pub async fn watch_files(
    mut files: watch::Receiver<Watched>,
    bell: Bell,
    healthy: Arc<AtomicBool>,
    read: impl Fn() -> u64,
) {
    loop {
        let given_up = match MuxedEvents::new() {
            Ok(events) => watch_until_given_up(events, &mut files, &bell, &healthy).await,
            Err(e) => {
                unhealthy(&healthy, &format!("cannot watch files: {e}"));
                GivenUp::Failed
            }
        };
        match given_up {
            GivenUp::Old => {}
            GivenUp::Failed => tokio::time::sleep(RETRY_AFTER).await,
            GivenUp::Busy(cost) => ring_while_busy(&files, &bell, QUIET.max(cost * QUIET_COSTS), &read).await,
            GivenUp::Ended => return,
        }
    }
}

/// Runs one set of watches.
async fn watch_until_given_up(
    mut events: MuxedEvents,
    files: &mut watch::Receiver<Watched>,
    bell: &Bell,
    healthy: &AtomicBool,
) -> GivenUp {
    let mut watched = HashSet::new();
    let mut cost = Duration::ZERO;
    let mut rate = Rate::default();
    let rotations = files.borrow().rotations;
    let rebuild = tokio::time::sleep(REBUILD_AFTER_TIME);
    tokio::pin!(rebuild);
    loop {
        let wanted = files.borrow_and_update().clone();
        if wanted.rotations - rotations >= REBUILD_AFTER {
            return GivenUp::Old;
        }
        let begun = Instant::now();
        if let Err(what) = add(&mut events, &wanted.paths, &mut watched).await {
            unhealthy(healthy, &what);
            return GivenUp::Failed;
        }
        cost += begun.elapsed();
        well(healthy);
        // What was written before a file was watched was told by nobody.
        bell.ring();
        loop {
            tokio::select! {
                event = events.next_event() => match event {
                    Ok(Some(_)) => {
                        bell.ring();
                        if rate.is_busy(Instant::now()) {
                            return GivenUp::Busy(cost);
                        }
                    }
                    Ok(None) => {
                        // It ends when it watches nothing; more files may come.
                        match files.changed().await {
                            Ok(()) => break,
                            Err(_) => return GivenUp::Ended,
                        }
                    }
                    Err(_) => bell.ring(),
                },
                changed = files.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return GivenUp::Ended,
                },
                () = &mut rebuild => return GivenUp::Old,
            }
        }
    }
}

/// Rings by the clock until nothing has been read for `quiet`, or the list of files ends.
async fn ring_while_busy(files: &watch::Receiver<Watched>, bell: &Bell, quiet: Duration, read: impl Fn() -> u64) {
    let (mut before, mut grown) = (read(), Instant::now());
    while grown.elapsed() < quiet && files.has_changed().is_ok() {
        tokio::time::sleep(BUSY_RING).await;
        bell.ring();
        let now = read();
        if now != before {
            (before, grown) = (now, Instant::now());
        }
    }
}

/// Counts events by the second.
#[derive(Debug, Default)]
struct Rate {
    second: Option<Instant>,
    events: u32,
}

impl Rate {
    /// Takes in one event, and tells whether there are too many.
    fn is_busy(&mut self, now: Instant) -> bool {
        if self.second.is_none_or(|start| now - start >= Duration::from_secs(1)) {
            *self = Self { second: Some(now), events: 0 };
        }
        self.events += 1;
        self.events > BUSY_EVENTS
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

    #[test]
    fn many_events_in_one_second_are_too_many() {
        let start = Instant::now();
        let mut rate = Rate::default();
        let tenth = Duration::from_millis(100);
        assert!((0..100).all(|n| !rate.is_busy(start + n * tenth)));
        let later = start + 100 * tenth;
        assert_eq!((0..100).position(|_| rate.is_busy(later)), Some(BUSY_EVENTS as usize));
    }

    #[tokio::test]
    async fn a_busy_log_is_rung_for_by_the_clock_and_watched_again_when_it_is_quiet() {
        use std::io::Write as _;
        use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut log = std::fs::File::create(&path).unwrap();
        let (sender, mut files) = watch::channel(Watched { paths: vec![path], ..Watched::default() });
        let rings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rings);
        let bell = Bell::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let healthy = AtomicBool::new(true);
        let until_busy = async {
            let events = MuxedEvents::new().unwrap();
            watch_until_given_up(events, &mut files, &bell, &healthy).await
        };
        let writes = async {
            loop {
                log.write_all(b"a line\n").unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            given_up = until_busy => assert!(matches!(given_up, GivenUp::Busy(_)), "{given_up:?}"),
            () = writes => unreachable!(),
        }

        // Five reads later there is nothing more.
        let reads = AtomicU64::new(0);
        bell.heard();
        let before = rings.load(Ordering::SeqCst);
        let read = || reads.fetch_add(1, Ordering::SeqCst).min(5);
        ring_while_busy(&files, &bell, 4 * BUSY_RING, read).await;
        assert!(bell.heard() && rings.load(Ordering::SeqCst) > before);
        assert!(reads.load(Ordering::SeqCst) > 5);

        drop(sender);
        ring_while_busy(&files, &bell, Duration::MAX, || 0).await;
    }

    #[tokio::test]
    async fn watches_are_built_anew_before_those_of_renamed_files_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        std::fs::write(&path, "").unwrap();
        let (sender, mut files) = watch::channel(Watched { paths: vec![path], rotations: 7, ..Watched::default() });
        let (bell, healthy) = (Bell::new(|| ()), AtomicBool::new(true));
        let given_up = watch_until_given_up(MuxedEvents::new().unwrap(), &mut files, &bell, &healthy);
        let rotate = async {
            for _ in 1..REBUILD_AFTER {
                sender.send_modify(|w| w.rotations += 1);
                tokio::task::yield_now().await;
            }
            assert!(!sender.is_closed());
            sender.send_modify(|w| w.rotations += 1);
        };
        assert_eq!(tokio::join!(given_up, rotate).0, GivenUp::Old);
    }

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
