//! Crash points: the exporter dies between each two system calls of its commits, and in the middle of each write. Whatever
//! had been written by then, the restart counts every line once, and never less than a scrape has shown.
#![allow(missing_docs)]

mod common;

use std::io::{self, Write as _};
use std::path::Path;

use zai_exporter::engine::Engine;
use zai_exporter::state::{Disk, RealDisk};

const LINE: &str = "2026-08-10 08:54:07,768 ERROR failed: Error code: 429, with error text {\"error\":{\"code\":\"1113\",\"message\":\"Insufficient balance or no resource package\"}}\n";

/// A disk that stops for good at one of its system calls, the write half done: as a killed process leaves it.
#[derive(Debug)]
struct Dying {
    calls_left: u32,
    dead: bool,
}

impl Dying {
    fn call(&mut self) -> io::Result<()> {
        self.dead |= self.calls_left == 0;
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.dead { Err(io::Error::other("killed")) } else { Ok(()) }
    }

    fn halved(&mut self, bytes: &[u8], write: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let was_dead = self.dead;
        match self.call() {
            Ok(()) => write(bytes),
            Err(killed) => {
                if !was_dead {
                    write(&bytes[..bytes.len() / 2])?;
                }
                Err(killed)
            }
        }
    }
}

impl Disk for Dying {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.halved(bytes, |part| RealDisk.write(path, part))
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.halved(bytes, |part| RealDisk.append(path, part))
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.sync(path)
    }

    fn link(&mut self, path: &Path, name: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.link(path, name)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.remove(path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.rename(from, to)
    }
}

fn engine(folder: &Path, disk: Box<dyn Disk>) -> Engine {
    common::engine(&folder.join("app.log"), &folder.join("state"), disk, zai_exporter::runner::wall_clock())
}

fn scrape(engine: &mut Engine) -> u64 {
    let now = zai_exporter::runner::wall_clock();
    while engine.look(now) {}
    engine.commit(now).errors.iter().map(|s| s.count).sum()
}

/// Writes, scrapes and rotates until the disk dies at its `calls`th system call, then restarts. Returns whether it died.
fn dies_at(calls: u32) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut written = 0;
    let failures = {
        let mut engine = engine(folder.path(), Box::new(Dying { calls_left: calls, dead: false }));
        for step in 0..6 {
            for _ in 0..3 {
                written += 1;
                file.write_all(LINE.replace("failed", &format!("call {written} failed")).as_bytes()).unwrap();
            }
            scrape(&mut engine);
            engine.keep();
            if step % 2 == 1 {
                std::fs::rename(&path, folder.path().join(format!("app.log.{step}"))).unwrap();
                file = std::fs::File::create(&path).unwrap();
            }
        }
        engine.commit_failures()
    };
    let mut engine = engine(folder.path(), Box::new(RealDisk));
    assert_eq!(scrape(&mut engine), written, "killed at system call {calls}");
    failures > 0
}

#[test]
fn a_kill_at_any_system_call_of_a_commit_is_survived() {
    // Before the first write there is no state at all: what was rotated away by then was never followed.
    let died = (1..100).take_while(|calls| dies_at(*calls)).count();
    assert!(died >= 12, "only {died} system calls: the commits were not reached");
}

#[test]
fn a_loss_of_power_is_survived_by_the_last_commit_that_was_synced() {
    for rotate in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut written = 0;
        let mut write = |file: &mut std::fs::File| {
            written += 1;
            file.write_all(LINE.replace("failed", &format!("call {written} failed")).as_bytes()).unwrap();
            written
        };
        let mut running = engine(folder.path(), Box::new(RealDisk));
        write(&mut file);
        scrape(&mut running);
        running.keep();
        write(&mut file);
        if rotate {
            std::fs::rename(&path, folder.path().join("app.log.1")).unwrap();
            file = std::fs::File::create(&path).unwrap();
        }
        let all = write(&mut file);
        assert_eq!(scrape(&mut running), all);
        drop(running);
        // As some file systems leave it: the new name was written to the disk, what it holds was not.
        std::fs::write(folder.path().join("state/state.json"), "").unwrap();
        assert_eq!(scrape(&mut engine(folder.path(), Box::new(RealDisk))), all, "rotated: {rotate}");
    }
}
