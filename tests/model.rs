//! Generated sequences of what happens to log files, against a simple model of what must be counted: each line that was
//! finished, once. Files and state directory are real, time and wake-ups are given. Inspired by how other tailers are tested.
//!
//! A failing sequence is shrunk and printed with its seed. `PROPTEST_CASES=20000 cargo test --test model` runs more.
#![allow(missing_docs)]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use flate2::Compression;
use proptest::prelude::*;
use zai_exporter::engine::Engine;
use zai_exporter::state::RealDisk;

use self::common::{append, gzipped};

const LINE: &str = "2026-08-10 08:54:07,768 - app.llm - ERROR - call 0 failed: Error code: 429, with error text \
                    {\"error\":{\"code\":\"1113\",\"message\":\"Insufficient balance or no resource package. Please recharge.\"}}\n";

/// What happens next.
#[derive(Debug, Clone)]
enum Action {
    /// The writer writes lines, each told apart from all others by a number.
    Write(u8),
    /// It writes the first half of a line.
    Torn,
    /// The file is renamed, and the writer goes on in a new one.
    Rename,
    /// The same, but the writer holds the old file for some more lines, and its unfinished one.
    RenameHeld(u8),
    /// The file is copied, and cut to nothing.
    CopyTruncate,
    /// The same, but between the two more is written, which the exporter reads and commits.
    CopyTruncateLate(u8),
    /// The file is cut to nothing after it was read.
    Truncate,
    /// The file is deleted after it was read, and made anew.
    Recreate,
    /// The oldest (or the newest) renamed file is compressed, in two steps: a part of it is, and the next time the rest, and then the
    /// original is removed.
    Compress { newest: bool },
    /// The oldest (or the newest) renamed file is removed after it was read.
    Prune { newest: bool },
    /// The writer that held a renamed file writes more lines to it, be that compressed or removed meanwhile.
    WriteOld(u8),
    /// The exporter looks at its files.
    Look,
    /// It is scraped.
    Scrape,
    /// It is killed and started again.
    Kill,
    /// It gets its configuration again.
    Reload,
    /// Time passes.
    Wait(u8),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (1u8..30).prop_map(Action::Write),
        2 => Just(Action::Torn),
        4 => Just(Action::Rename),
        2 => (0u8..10).prop_map(Action::RenameHeld),
        3 => Just(Action::CopyTruncate),
        1 => (1u8..10).prop_map(Action::CopyTruncateLate),
        1 => Just(Action::Truncate),
        1 => Just(Action::Recreate),
        2 => any::<bool>().prop_map(|newest| Action::Compress { newest }),
        1 => any::<bool>().prop_map(|newest| Action::Prune { newest }),
        1 => (1u8..10).prop_map(Action::WriteOld),
        5 => Just(Action::Look),
        4 => Just(Action::Scrape),
        3 => Just(Action::Kill),
        1 => Just(Action::Reload),
        2 => (1u8..90).prop_map(Action::Wait),
    ]
}

/// What kind of log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// A plain file, whose lines are told apart by a number.
    Plain,
    /// The followed name is a symbolic link, and a rotation swaps it.
    Linked,
    /// All lines are alike, so that generations hold the same.
    Alike,
    /// It is followed by a glob that names the older generations too, and copies.
    Globbed,
}

/// The writer, the exporter, and the count that is right.
struct World {
    folder: tempfile::TempDir,
    file: File,
    variant: Variant,
    /// The current file ends in the first half of a line; this is the rest.
    torn: Option<String>,
    generation: u32,
    renamed: Vec<PathBuf>,
    /// The renamed file that is being compressed, what it held when that began, and when it had been written to.
    compressing: Option<(PathBuf, Vec<u8>, SystemTime)>,
    /// A renamed file that its writer still holds, and the exporter too.
    held: Option<File>,
    written: u64,
    serial: u64,
    engine: Option<Engine>,
    /// Something of the current file is committed: by that a copy of it can be told.
    marked: bool,
    shown: u64,
    now: i64,
}

impl World {
    fn new(variant: Variant) -> Self {
        let linked = variant == Variant::Linked;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let path = folder.path().join("logs/app.log");
        let target = if linked { path.with_file_name("app.log.0") } else { path.clone() };
        let file = append(&target);
        if linked {
            std::os::unix::fs::symlink(&target, &path).unwrap();
        }
        let now = zai_exporter::runner::wall_clock();
        let mut world = Self {
            folder,
            file,
            variant,
            torn: None,
            generation: 0,
            renamed: Vec::new(),
            compressing: None,
            held: None,
            written: 0,
            serial: 0,
            engine: None,
            marked: false,
            shown: 0,
            now,
        };
        world.start();
        world.look();
        world
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("logs/app.log")
    }

    fn start(&mut self) {
        let path = if self.variant == Variant::Globbed { self.log().with_file_name("app.log*") } else { self.log() };
        let state = self.folder.path().join("state");
        self.engine = Some(common::engine(&path, &state, Box::new(RealDisk), self.now));
    }

    fn look(&mut self) {
        let now = self.now;
        let engine = self.engine.as_mut().unwrap();
        engine.discover();
        while engine.look(now) {}
    }

    fn scrape(&mut self) -> u64 {
        self.look();
        let now = self.now;
        let snapshot = self.engine.as_mut().unwrap().commit(now);
        self.marked = fs::metadata(self.log()).unwrap().len() > if self.torn.is_some() { LINE.len() as u64 } else { 0 };
        snapshot.errors.iter().map(|s| s.count).sum()
    }

    fn line(&mut self) -> String {
        self.serial += u64::from(self.variant != Variant::Alike);
        LINE.replace("call 0 failed", &format!("call {} failed", self.serial))
    }

    /// Writes whole lines; an unfinished one is finished first.
    fn write(&mut self, lines: u8, mut file: &File) {
        let mut text = String::new();
        if let Some(rest) = self.torn.take() {
            text.push_str(&rest);
            self.written += 1;
        }
        for _ in 0..lines {
            text += &self.line();
            self.written += 1;
        }
        file.write_all(text.as_bytes()).unwrap();
    }

    fn next_name(&mut self) -> PathBuf {
        self.generation += 1;
        self.folder.path().join(format!("logs/app.log.{}", self.generation))
    }

    fn rename(&mut self) -> File {
        if self.variant == Variant::Linked {
            return self.swap();
        }
        let old = self.next_name();
        fs::rename(self.log(), &old).unwrap();
        self.renamed.push(old);
        let new = append(&self.log());
        self.marked = false;
        std::mem::replace(&mut self.file, new)
    }

    /// A new file, and in one step the link points to it.
    fn swap(&mut self) -> File {
        let target = self.next_name();
        let new = append(&target);
        let link = self.log().with_file_name("new-link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        fs::rename(link, self.log()).unwrap();
        self.marked = false;
        std::mem::replace(&mut self.file, new)
    }

    fn act(&mut self, action: &Action) {
        self.now += 50;
        match action {
            Action::Write(lines) => {
                let file = self.file.try_clone().unwrap();
                self.write(*lines, &file);
            }
            Action::Torn if self.torn.is_none() => {
                let mut line = self.line();
                let rest = line.split_off(LINE.len() / 2);
                self.file.write_all(line.as_bytes()).unwrap();
                self.torn = Some(rest);
            }
            Action::Torn => {}
            Action::Rename => {
                self.rename();
                self.torn = None;
            }
            Action::RenameHeld(lines) => {
                let old = self.rename();
                self.look();
                self.write(*lines, &old);
                self.held = Some(old);
            }
            Action::CopyTruncate => self.copy_truncate(0),
            Action::CopyTruncateLate(lines) => self.copy_truncate(*lines),
            Action::Truncate => {
                self.scrape();
                self.file.set_len(0).unwrap();
                self.torn = None;
                self.notice_cut();
            }
            Action::Recreate => {
                self.scrape();
                fs::remove_file(self.log()).unwrap();
                self.file = append(&self.log());
                self.torn = None;
                self.notice_cut();
            }
            Action::Compress { newest } => self.compress(*newest),
            Action::Prune { newest } => self.prune(*newest),
            Action::WriteOld(lines) => self.write_old(*lines),
            Action::Look => self.look(),
            Action::Scrape => self.check_scrape(),
            Action::Kill => {
                self.engine = None;
                self.held = self.held.take().filter(has_name);
                self.start();
            }
            Action::Reload => {
                let engine = self.engine.as_mut().unwrap();
                let config = Arc::clone(engine.config());
                engine.set_config(config, self.now);
            }
            Action::Wait(seconds) => {
                self.now += i64::from(*seconds) * 1_000;
                // One that is quiet is let go.
                self.held = None;
            }
        }
    }

    /// What is written between the two is in no copy: it counts if the exporter reads it in time.
    fn copy_truncate(&mut self, late: u8) {
        let copy = self.next_name();
        fs::copy(self.log(), copy).unwrap();
        if late > 0 {
            let file = self.file.try_clone().unwrap();
            self.write(late, &file);
            self.check_scrape();
        }
        self.file.set_len(0).unwrap();
        self.torn = None;
        self.look();
        if late > 0 {
            self.check_scrape();
        }
        self.notice_cut();
    }

    /// A file that was cut and holds the same again as before tells nothing of that, and neither does one that was deleted
    /// beside one that holds the same: this must be committed in between.
    fn notice_cut(&mut self) {
        if self.variant == Variant::Alike {
            self.scrape();
        }
        self.marked = false;
    }

    /// As gzip does it: the compressed file grows beside its original, gets its time, and then the original is removed.
    fn compress(&mut self, newest: bool) {
        let gz = |path: &Path| path.with_file_name(format!("{}.gz", path.file_name().unwrap().display()));
        if let Some((path, content, written)) = self.compressing.take() {
            let mut file = OpenOptions::new().write(true).open(gz(&path)).unwrap();
            file.write_all(&gzipped(&content, Compression::fast())).unwrap();
            file.set_modified(written).unwrap();
            if self.held.is_some() {
                // What is written to a file without a name can be read by who has it open: so has the exporter, started again or not.
                self.look();
            }
            fs::remove_file(&path).unwrap();
        } else if let Some(path) = self.take_renamed(newest) {
            let (content, written) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
            let part = gzipped(&content, Compression::fast());
            fs::write(gz(&path), &part[..part.len() / 2]).unwrap();
            self.compressing = Some((path, content, written));
        }
    }

    /// One that is being compressed is not among them.
    fn take_renamed(&mut self, newest: bool) -> Option<PathBuf> {
        let last = self.renamed.len().checked_sub(1)?;
        Some(self.renamed.remove(if newest { last } else { 0 }))
    }

    fn prune(&mut self, newest: bool) {
        self.check_scrape();
        if let Some(path) = self.take_renamed(newest) {
            fs::remove_file(path).unwrap();
        }
    }

    /// What is written to a file without a name is gone with the exporter's descriptor, so it is committed.
    fn write_old(&mut self, lines: u8) {
        let Some(held) = self.held.take() else { return };
        self.look();
        let torn = self.torn.take();
        self.write(lines, &held);
        self.torn = torn;
        self.check_scrape();
        self.held = Some(held);
    }

    fn check_scrape(&mut self) {
        let count = self.scrape();
        assert!(count >= self.shown, "the counter went back from {} to {count}", self.shown);
        assert!(count <= self.written, "{count} counted of {} written", self.written);
        self.shown = count;
    }
}

/// Whether a file has not been removed.
fn has_name(file: &File) -> bool {
    file.metadata().unwrap().nlink() > 0
}

/// What the exporter does not promise, the model does not do: a file of which nothing was committed is not copied and cut
/// (nothing would tell its copy from any other file), two copies are not made between two looks, and none is made before and cut after the
/// first look of a start; and a log is not removed before a cut, with lines between it and its copy, is committed.
fn run(actions: &[Action], variant: Variant) {
    let mut world = World::new(variant);
    for action in actions {
        if matches!(action, Action::CopyTruncate) && !world.marked || matches!(action, Action::CopyTruncateLate(_)) {
            world.check_scrape();
        }
        world.act(action);
    }
    world.check_scrape();
    assert_eq!(world.shown, world.written, "counted and written");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_finished_line_counts_once(actions in proptest::collection::vec(action(), 0..40)) {
        run(&actions, Variant::Plain);
    }

    #[test]
    fn each_line_counts_once_where_all_are_alike(actions in proptest::collection::vec(action(), 0..40)) {
        let telling = |a: &Action| matches!(a, Action::Compress { .. } | Action::Prune { .. });
        let actions: Vec<Action> = actions.into_iter().filter(|a| !telling(a)).collect();
        run(&actions, Variant::Alike);
    }

    #[test]
    fn each_line_counts_once_where_a_glob_names_all_generations(actions in proptest::collection::vec(action(), 0..40)) {
        run(&actions, Variant::Globbed);
    }

    #[test]
    fn each_line_behind_a_swapped_link_counts_once(actions in proptest::collection::vec(action(), 0..40)) {
        // What only a plain file can suffer is left out.
        let plain = |a: &Action| matches!(a, Action::CopyTruncate | Action::CopyTruncateLate(_) | Action::Recreate | Action::Compress { .. });
        let actions: Vec<Action> = actions.into_iter().filter(|a| !plain(a)).collect();
        run(&actions, Variant::Linked);
    }
}

/// Found by the model: the tenth generation's name begins with the first one's.
#[test]
fn the_tenth_generation_is_no_copy_of_the_first() {
    let mut actions = vec![Action::Rename; 9];
    actions.extend([Action::Kill, Action::Write(1), Action::RenameHeld(1)]);
    run(&actions, Variant::Plain);
}

/// The oldest renamed file is compressed.
const BEGIN: Action = Action::Compress { newest: false };
const END: Action = BEGIN;

/// Found with logrotate itself: a rotation is noticed while the renamed file is being compressed, and whoever writes to it has not let go of
/// it when that is done.
#[test]
fn a_file_that_is_written_to_while_it_is_compressed_counts_once() {
    for variant in [Variant::Plain, Variant::Globbed] {
        run(&[Action::Write(9), Action::Scrape, Action::Write(3), Action::Rename, BEGIN, Action::Scrape], variant);
        for after in [vec![], vec![Action::Kill], vec![Action::Rename], vec![Action::Kill, Action::Rename]] {
            let held = [Action::Write(9), Action::RenameHeld(2), BEGIN, Action::WriteOld(3), END, Action::WriteOld(3)];
            let rest = [Action::Write(1), Action::Scrape, Action::Rename, Action::Write(1)];
            run(&held.into_iter().chain(after).chain(rest).collect::<Vec<_>>(), variant);
        }
    }
}

/// Found by the model, where all lines are alike.
#[test]
fn a_generation_that_holds_the_same_as_the_one_before_is_no_copy_of_it() {
    let twice = [Action::Write(1), Action::Rename, Action::Write(1), Action::Rename];
    run(&twice, Variant::Alike);
    let deleted = [Action::Write(1), Action::Recreate, Action::Write(1), Action::Rename];
    run(&deleted, Variant::Alike);
    let finished: Vec<Action> =
        twice.iter().chain(&[Action::Look, Action::Wait(89), Action::Look, Action::Write(1)]).cloned().collect();
    run(&finished, Variant::Alike);
}

/// Found by the model: the same where a glob follows generations by names of their own.
#[test]
fn a_generation_with_a_name_of_its_own_that_is_compressed_before_a_restart_counts() {
    for after in [Action::Write(1), Action::Look, Action::RenameHeld(1), Action::Rename] {
        run(
            &[Action::Kill, Action::RenameHeld(1), BEGIN, END, Action::Kill, Action::Write(5), after],
            Variant::Globbed,
        );
    }
}

/// Found by the model: a file that was left behind, and compressed while the exporter was down, before any of it was committed.
#[test]
fn a_generation_left_behind_and_compressed_before_a_restart_counts() {
    run(
        &[
            Action::Kill,
            Action::RenameHeld(9),
            Action::Wait(1),
            Action::RenameHeld(9),
            BEGIN,
            END,
            Action::Kill,
            Action::Rename,
            Action::Write(3),
        ],
        Variant::Plain,
    );
}

/// Found by the model, and a fault of its own: nobody can read what is written to a file that was removed before it was opened.
#[test]
fn a_file_that_is_held_and_compressed_before_the_first_look_of_a_start_counts() {
    let end = Action::Compress { newest: false };
    let actions = [Action::Rename, Action::RenameHeld(0), Action::Kill, Action::Compress { newest: true }, end];
    for variant in [Variant::Plain, Variant::Globbed] {
        run(&[&actions[..], &[Action::WriteOld(1)]].concat(), variant);
    }
}
