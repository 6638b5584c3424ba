//! Logs that cannot be opened at a start: no descriptor is free. Alone in its process, whose limit it lowers and raises.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zai_exporter::engine::Engine;
use zai_exporter::recognise::time::Millis;
use zai_exporter::state::RealDisk;

const LOGS: u64 = 20;

struct World {
    folder: tempfile::TempDir,
    written: u64,
    now: Millis,
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends an error that is told apart from all others.
    fn append(&mut self, path: &Path) {
        self.written += 1;
        let mut file = common::append(path);
        let n = self.written;
        writeln!(file, "2026-08-10 08:54:07,768 ERROR call {n} failed: Error code: 429, with error text {{\"error\":{{\"code\":\"1113\",\"message\":\"Insufficient balance or no resource package\"}}}}").unwrap();
    }

    fn append_to_all(&mut self) {
        for n in 0..LOGS {
            self.append(&self.path(&format!("logs/{n}.log")));
        }
    }

    fn engine(&self) -> Engine {
        common::engine(&self.path("logs/*.log"), &self.path("state"), Box::new(RealDisk), self.now)
    }

    fn count(&self, engine: &mut Engine) -> u64 {
        while engine.look(self.now) {}
        engine.commit(self.now).errors.iter().map(|s| s.count).sum()
    }
}

/// Does something while only so many further files can be opened.
fn with_free_descriptors<T>(free: u64, act: impl FnOnce() -> T) -> T {
    let before = getrlimit(Resource::Nofile);
    let open = fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + free), ..before }).unwrap();
    let done = act();
    setrlimit(Resource::Nofile, before).unwrap();
    done
}

#[test]
fn logs_that_a_start_cannot_open_go_on_where_they_were_left() {
    let mut world = World { folder: tempfile::tempdir().unwrap(), written: 0, now: 1_795_521_600_000 };
    fs::create_dir(world.path("logs")).unwrap();
    world.append_to_all();
    let mut engine = world.engine();
    assert_eq!(world.count(&mut engine), LOGS);
    drop(engine);

    // A start, and one after it, with too few descriptors: what is committed meanwhile forgets none of the others.
    world.append_to_all();
    for free in [12, 9] {
        with_free_descriptors(free, || {
            let mut engine = world.engine();
            let counted = world.count(&mut engine);
            assert!((LOGS..2 * LOGS).contains(&counted), "some could be opened, and not all: {counted}");
        });
    }
    assert_eq!(world.count(&mut world.engine()), world.written, "each from where it was left");

    // One that is renamed while it cannot be opened, and followed by another, is read as well.
    with_free_descriptors(9, || {
        let mut engine = world.engine();
        world.count(&mut engine);
    });
    let mut engine = with_free_descriptors(9, || world.engine());
    for n in 0..LOGS {
        let log = world.path(&format!("logs/{n}.log"));
        world.append(&log);
        fs::rename(&log, world.path(&format!("logs/{n}.log.1"))).unwrap();
        world.append(&log);
    }
    world.now += 60_000;
    assert_eq!(world.count(&mut engine), world.written);
}
