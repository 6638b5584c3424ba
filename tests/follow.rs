//! What becomes of single files, with time given: when descriptors are let go, and whose state is taken up.
#![allow(missing_docs)]

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use prometheus::Registry;
use zai_exporter::config::Config;
use zai_exporter::engine::Engine;
use zai_exporter::metrics::{Data, Own};
use zai_exporter::state::{RealDisk, Store};

use self::common::gzipped;

/// A folder of logs, and engines that follow them.
struct World {
    folder: tempfile::TempDir,
    written: u64,
    now: i64,
    own: Own,
}

impl World {
    fn new() -> Self {
        // Within the working directory, so that it has a relative path too.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let own = Own::new(&Registry::new()).unwrap();
        Self { folder, written: 0, now: zai_exporter::runner::wall_clock(), own }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends errors that are told apart from all others.
    fn append(&mut self, name: &str, lines: u64) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        for _ in 0..lines {
            self.written += 1;
            writeln!(file, "2026-08-10 08:54:07,768 ERROR call {} failed: Error code: 429, with error text {{\"error\":{{\"code\":\"1113\",\"message\":\"Insufficient balance or no resource package\"}}}}", self.written).unwrap();
        }
    }

    fn engine(&self, names: &[&str]) -> Engine {
        let paths: Vec<String> = names.iter().map(|n| self.path(n).to_string_lossy().into_owned()).collect();
        self.engine_of(&paths)
    }

    fn engine_of(&self, paths: &[String]) -> Engine {
        self.engine_with(Config::default().with_paths(paths).unwrap())
    }

    fn engine_with(&self, config: Config) -> Engine {
        let config = Arc::new(config);
        let data = Data::new(Arc::clone(&config.recogniser.catalogue));
        let store = Store::open(&self.path("state"), Box::new(RealDisk)).unwrap();
        Engine::new(config, Some(store), false, data, self.own.clone(), self.now)
    }

    fn look(&self, engine: &mut Engine) {
        while engine.look(self.now) {}
    }

    fn count(&self, engine: &mut Engine) -> u64 {
        self.look(engine);
        engine.commit(self.now).errors.iter().map(|s| s.count).sum()
    }

    /// Descriptors of this process that stand for files of the folder.
    fn held(&self) -> Vec<PathBuf> {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        let log = |path: &Path| path.starts_with(self.folder.path()) && path.to_string_lossy().contains(".log");
        open.filter(|path| log(path)).collect()
    }
}

#[test]
fn a_deleted_file_is_let_go_after_seconds_so_that_its_disk_space_is_free() {
    let mut world = World::new();
    world.append("app.log", 3);
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 3);
    fs::remove_file(world.path("app.log")).unwrap();
    world.now += 1_000;
    world.look(&mut engine);
    assert_eq!(world.held().len(), 1, "its writer may still write to it");
    world.now += 6_000;
    world.look(&mut engine);
    assert_eq!(world.held(), [] as [PathBuf; 0]);
    assert_eq!(world.count(&mut engine), 3);
}

#[test]
fn what_was_written_right_before_a_file_was_deleted_counts() {
    let mut world = World::new();
    world.append("app.log", 3);
    let mut engine = world.engine(&["app.log"]);
    world.look(&mut engine);
    world.append("app.log", 2);
    fs::remove_file(world.path("app.log")).unwrap();
    assert_eq!(world.count(&mut engine), 5);
}

#[test]
fn a_rotated_file_is_let_go_after_a_minute_and_one_that_is_deleted_then_after_seconds() {
    let mut world = World::new();
    let mut engine = world.engine(&["app.log"]);
    for generation in 1..=3 {
        world.append("app.log", 2);
        world.look(&mut engine);
        fs::rename(world.path("app.log"), world.path(&format!("app.log.{generation}"))).unwrap();
        world.append("app.log", 1);
        world.look(&mut engine);
    }
    assert_eq!(world.held().len(), 4);
    fs::remove_file(world.path("app.log.1")).unwrap();
    world.now += 30_000;
    world.look(&mut engine);
    assert_eq!(world.held().len(), 3, "the deleted one is let go");
    world.append("app.log.3", 1);
    world.look(&mut engine);
    world.now += 45_000;
    world.look(&mut engine);
    assert_eq!(world.held().len(), 2, "the one that was written to late is still held: {:?}", world.held());
    world.now += 45_000;
    world.look(&mut engine);
    assert_eq!(world.held(), [world.path("app.log")]);
    assert_eq!(world.count(&mut engine), world.written);
}

#[test]
fn a_log_that_is_deleted_and_made_anew_hour_after_hour_holds_one_descriptor() {
    let mut world = World::new();
    let mut engine = world.engine(&["app.log"]);
    for _ in 0..50 {
        world.append("app.log", 2);
        assert_eq!(world.count(&mut engine), world.written);
        fs::remove_file(world.path("app.log")).unwrap();
        world.append("app.log", 1);
        world.look(&mut engine);
        world.now += 3_600_000;
        world.look(&mut engine);
        assert_eq!(world.held().len(), 1);
    }
}

/// An HTTP failure whose coded error may still come.
const HELD: &str = "2026-08-10 08:54:07,768 INFO httpx HTTP Request: POST https://api.z.ai/api/paas/v4/chat/completions \"HTTP/1.1 502 Bad Gateway\"\n";

#[test]
fn what_a_file_holds_back_counts_though_its_name_returns_to_one_known_before() {
    let mut world = World::new();
    world.append("a.log", 1);
    fs::write(world.path("b.log"), HELD).unwrap();
    let link = |to: &str| {
        let _ = fs::remove_file(world.path("current.log"));
        std::os::unix::fs::symlink(world.path(to), world.path("current.log")).unwrap();
    };
    link("a.log");
    let mut engine = world.engine(&["current.log"]);
    assert_eq!(world.count(&mut engine), 1);
    link("b.log");
    world.look(&mut engine);
    link("a.log");
    world.look(&mut engine);
    world.now += 120_000;
    world.look(&mut engine);
    world.now += 120_000;
    assert_eq!(world.count(&mut engine), 2);
}

#[test]
fn a_line_whose_parts_are_printed_on_both_sides_of_a_rotation_is_one() {
    let mut world = World::new();
    let error = r#"ERROR call failed: Error code: 429, with error text {"error":{"code":"1113","message":"Insufficient balance"}}"#;
    let (head, rest) = error.split_at(60);
    fs::write(world.path("app.log"), format!("2026-08-10T08:54:07.1Z stderr P {head}\n")).unwrap();
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 0);
    fs::rename(world.path("app.log"), world.path("app.log.1")).unwrap();
    fs::write(world.path("app.log"), format!("2026-08-10T08:54:07.1Z stderr F {rest}\n")).unwrap();
    world.now += 1_000;
    assert_eq!(world.count(&mut engine), 1);
}

#[test]
fn the_values_of_a_label_stay_bounded_over_restarts() {
    let mut world = World::new();
    let config = format!(
        "sources: [{{paths: ['{}/pods/*/*/*.log'], path_labels: kubernetes}}]\nlimits: {{label_values: 2}}\n",
        world.folder.path().display()
    );
    fs::write(world.path("config.yaml"), config).unwrap();
    let mut pods = Vec::new();
    for start in 0..3 {
        for pod in 0..2 {
            let folder = format!("pods/shop_api-{start}-{pod}_uid/app");
            fs::create_dir_all(world.path(&folder)).unwrap();
            world.append(&format!("{folder}/0.log"), 1);
        }
        let mut engine = world.engine_with(Config::load(Some(&world.path("config.yaml"))).unwrap());
        world.look(&mut engine);
        let snapshot = engine.commit(world.now);
        pods = snapshot.errors.iter().filter_map(|s| s.labels.get("pod").cloned()).collect();
        pods.sort();
        pods.dedup();
        assert_eq!(world.count(&mut engine), world.written);
    }
    assert_eq!(pods, ["api-0-0", "api-0-1", "other"]);
}

#[test]
fn nothing_is_wrong_with_a_file_that_is_back() {
    let mut world = World::new();
    world.append("app.log", 1);
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 1);
    fs::rename(world.path("app.log"), world.path("moved.log")).unwrap();
    fs::create_dir(world.path("app.log")).unwrap();
    world.look(&mut engine);
    let trouble = |engine: &Engine| engine.standing(world.now).files[0].trouble.clone();
    assert!(trouble(&engine).is_some_and(|t| t.contains("a directory")));
    fs::remove_dir(world.path("app.log")).unwrap();
    fs::rename(world.path("moved.log"), world.path("app.log")).unwrap();
    world.look(&mut engine);
    assert_eq!(trouble(&engine), None);
}

#[test]
fn the_state_of_other_logs_is_kept_aside_and_the_start_is_clean() {
    let mut world = World::new();
    world.append("one.log", 2);
    world.append("two.log", 1);
    let mut one = world.engine(&["one.log"]);
    assert_eq!(world.count(&mut one), 2);
    drop(one);
    let state = fs::read(world.path("state/state.json")).unwrap();

    let mut two = world.engine(&["two.log"]);
    assert_eq!(world.count(&mut two), 1, "nothing of the other logs");
    let aside = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains("unusable");
    let kept: Vec<_> = fs::read_dir(world.path("state")).unwrap().flatten().filter(aside).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(kept[0].path()).unwrap(), state, "kept as it was");
    drop(two);
    assert_eq!(world.count(&mut world.engine(&["two.log"])), 1, "from now on it is the state of these");
}

#[test]
fn a_state_of_some_of_the_logs_is_taken_up() {
    let mut world = World::new();
    world.append("one.log", 2);
    world.append("two.log", 1);
    assert_eq!(world.count(&mut world.engine(&["one.log"])), 2);
    fs::write(world.path("one.log"), "").unwrap();
    assert_eq!(world.count(&mut world.engine(&["*.log"])), 3);
}

#[test]
fn the_same_log_by_a_relative_and_an_absolute_path_is_the_same() {
    let mut world = World::new();
    world.append("app.log", 3);
    let absolute = world.path("app.log");
    let relative = absolute.strip_prefix(std::env::current_dir().unwrap()).unwrap().to_string_lossy().into_owned();
    for path in [absolute.to_string_lossy().into_owned(), relative.clone(), format!("./{relative}")] {
        assert_eq!(world.count(&mut world.engine_of(&[path])), 3);
    }
    assert!(
        !fs::read_dir(world.path("state")).unwrap().flatten().any(|e| e.path().to_string_lossy().contains("unusable"))
    );
}

#[test]
fn logs_that_were_moved_to_another_folder_are_the_same_logs() {
    let mut world = World::new();
    fs::create_dir(world.path("old")).unwrap();
    world.append("old/app.log", 3);
    assert_eq!(world.count(&mut world.engine(&["old/*.log"])), 3);
    fs::rename(world.path("old"), world.path("new")).unwrap();
    world.append("new/app.log", 1);
    let mut engine = world.engine(&["new/*.log"]);
    assert_eq!(world.count(&mut engine), 4);
    world.append("new/app.log", 1);
    assert_eq!(world.count(&mut engine), 5);
}

#[test]
fn a_file_that_was_left_behind_is_read_on_after_a_restart_and_is_no_generation_of_its_name() {
    let mut world = World::new();
    world.append("app.log", 2);
    let mut engine = world.engine(&["app.log"]);
    world.look(&mut engine);
    fs::rename(world.path("app.log"), world.path("app.log.1")).unwrap();
    world.append("app.log", 2);
    assert_eq!(world.count(&mut engine), 4);
    drop(engine);

    world.append("app.log.1", 1);
    world.append("app.log", 1);
    let rotations = world.own.rotations.get();
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 6);
    assert_eq!(world.own.rotations.get(), rotations, "nothing was rotated since");
    world.now += 90_000;
    world.look(&mut engine);
    assert_eq!(world.held(), [world.path("app.log")]);
}

#[test]
fn a_generation_with_the_same_banner_as_one_that_was_removed_meanwhile_counts() {
    let mut world = World::new();
    let banner = "=".repeat(1_500) + "\n";
    fs::write(world.path("app.log"), &banner).unwrap();
    world.append("app.log", 9);
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 9);
    drop(engine);
    // Two rotations of which one generation is kept, and the kept one is the shorter.
    fs::remove_file(world.path("app.log")).unwrap();
    for name in ["app.log.1", "app.log"] {
        fs::write(world.path(name), &banner).unwrap();
        world.append(name, 2);
    }
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 13);
}

#[test]
fn a_file_that_is_being_compressed_under_another_name_counts_once() {
    let mut world = World::new();
    world.append("app.log", 20);
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 20);
    fs::rename(world.path("app.log"), world.path("app.log.20261126-1.tmp")).unwrap();
    let gz = gzipped(&fs::read(world.path("app.log.20261126-1.tmp")).unwrap(), Compression::none());
    fs::write(world.path("app.log.20261126.gz"), &gz[..gz.len() / 2]).unwrap();
    world.append("app.log", 1);
    assert_eq!(world.count(&mut engine), 21);
    fs::write(world.path("app.log.20261126.gz"), &gz).unwrap();
    fs::remove_file(world.path("app.log.20261126-1.tmp")).unwrap();
    assert_eq!(world.count(&mut engine), 21);
}

#[test]
fn a_compressed_generation_beside_another_file_that_took_its_name_counts() {
    let mut world = World::new();
    world.append("app.log", 1);
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), 1);
    drop(engine);
    for lines in [2, 4] {
        fs::rename(world.path("app.log"), world.path("app.log.1")).unwrap();
        world.append("app.log", lines);
        if lines == 2 {
            let content = fs::read(world.path("app.log.1")).unwrap();
            fs::write(world.path("app.log.1.gz"), gzipped(&content, Compression::fast())).unwrap();
            fs::remove_file(world.path("app.log.1")).unwrap();
        }
    }
    // And one that nobody saw at all, by whose side is yet another.
    fs::write(world.path("app.log.2.gz"), gzipped(&fs::read(world.path("app.log.1")).unwrap(), Compression::fast()))
        .unwrap();
    fs::rename(world.path("app.log"), world.path("app.log.2")).unwrap();
    fs::remove_file(world.path("app.log.1")).unwrap();
    world.append("app.log", 3);
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(world.count(&mut engine), world.written);
}

#[test]
fn a_log_that_is_not_there_at_a_start_is_read_on_with_what_came_and_went_since() {
    let mut world = World::new();
    world.append("app.log", 1);
    let pattern = [world.path("*.log").to_string_lossy().into_owned()];
    let mut engine = world.engine_of(&pattern);
    engine.discover();
    assert_eq!(world.count(&mut engine), 1);
    drop(engine);
    // Renamed, compressed, and its successor is not made yet.
    world.append("app.log", 2);
    let content = fs::read(world.path("app.log")).unwrap();
    fs::write(world.path("app.log.1.gz"), gzipped(&content, Compression::fast())).unwrap();
    fs::remove_file(world.path("app.log")).unwrap();
    let mut engine = world.engine_of(&pattern);
    engine.discover();
    assert_eq!(world.count(&mut engine), 3);
    drop(engine);
    world.append("app.log", 4);
    fs::rename(world.path("app.log"), world.path("app.log.2")).unwrap();
    world.append("app.log", 1);
    let mut engine = world.engine_of(&pattern);
    engine.discover();
    assert_eq!(world.count(&mut engine), world.written);
}

#[test]
fn a_log_that_is_excluded_at_a_restart_is_not_followed_again() {
    let mut world = World::new();
    world.append("app.log", 1);
    world.append("debug.log", 1);
    let pattern = world.path("*.log").to_string_lossy().into_owned();
    let mut engine = world.engine_of(std::slice::from_ref(&pattern));
    engine.discover();
    assert_eq!(world.count(&mut engine), 2);
    drop(engine);
    let text = format!("sources:\n  - paths: ['{pattern}']\n    exclude: [debug.log]\n");
    let mut engine = world.engine_with(zai_exporter::config::parse(&text).unwrap());
    fs::rename(world.path("debug.log"), world.path("debug.log.1")).unwrap();
    world.append("debug.log", 1);
    world.append("app.log", 1);
    engine.discover();
    assert_eq!(world.count(&mut engine), 3);
    let followed: Vec<PathBuf> = engine.standing(world.now).files.into_iter().map(|file| file.path).collect();
    assert_eq!(followed, [world.path("app.log")]);
}

#[test]
fn a_log_of_no_source_any_more_is_left_where_it_is_and_gone_on_from_when_it_is_one_s_again() {
    let mut world = World::new();
    world.append("app.log", 1);
    world.append("debug.log", 1);
    let both = ["app.log", "debug.log"];
    assert_eq!(world.count(&mut world.engine(&both)), 2);
    for restart in [true, false] {
        let start = world.count(&mut world.engine(&both));
        let mut engine = world.engine(if restart { &["app.log"] } else { &both });
        if !restart {
            let config = Config::default().with_paths(&[world.path("app.log").display().to_string()]).unwrap();
            assert_eq!(world.count(&mut engine), start);
            engine.set_config(Arc::new(config), world.now);
        }
        world.append("debug.log", 2);
        world.append("app.log", 1);
        assert_eq!(world.count(&mut engine), start + 1, "restart: {restart}");
        assert_eq!(world.held(), [world.path("app.log")]);
        drop(engine);
        world.append("debug.log", 1);
        assert_eq!(world.count(&mut world.engine(&both)), world.written, "each once");
    }
}

#[test]
fn a_kill_in_the_middle_of_the_first_pass_does_not_begin_it_anew() {
    let mut world = World::new();
    world.append("app.log", 1);
    let line = fs::read(world.path("app.log")).unwrap();
    // More than two looks read.
    world.append("app.log", 40 * 1024 * 1024 / line.len() as u64);
    let mut engine = world.engine(&["app.log"]);
    assert!(engine.look(world.now), "there is more");
    world.now += 60_000;
    assert!(engine.look(world.now), "there is more");
    let saved = engine.standing(world.now).files[0].position;
    assert!(!engine.is_ready());
    drop(engine);
    let mut engine = world.engine(&["app.log"]);
    assert_eq!(engine.standing(world.now).files[0].position, saved);
    assert_eq!(world.count(&mut engine), world.written);
}

#[test]
fn what_came_after_a_log_that_is_gone_is_looked_for_under_its_own_name() {
    let mut world = World::new();
    world.append("app.log", 1);
    world.append("app-worker.log", 1);
    let mut engine = world.engine(&["app.log", "app-worker.log"]);
    assert_eq!(world.count(&mut engine), 2);
    drop(engine);
    for generation in ["app-worker.log.2", "app-worker.log.1"] {
        world.append("app-worker.log", 3);
        let content = fs::read(world.path("app-worker.log")).unwrap();
        fs::write(world.path(&format!("{generation}.gz")), gzipped(&content, Compression::fast())).unwrap();
        fs::remove_file(world.path("app-worker.log")).unwrap();
    }
    let mut engine = world.engine(&["app.log", "app-worker.log"]);
    assert_eq!(world.count(&mut engine), 5, "its rest; its successor is not there yet");
    world.append("app-worker.log", 1);
    assert_eq!(world.count(&mut engine), world.written);
}

#[test]
fn a_generation_of_before_the_start_that_the_kubelet_compresses_at_the_next_rotation_is_not_read() {
    let mut world = World::new();
    world.append("0.log", 3);
    let mut engine = world.engine(&["0.log"]);
    assert_eq!(world.count(&mut engine), 3);
    let compress = |world: &World, name: &str| {
        let content = fs::read(world.path("0.log")).unwrap().repeat(2);
        fs::write(world.path(name), gzipped(&content, Compression::fast())).unwrap();
    };
    compress(&world, "0.log.20261125-101010.gz");
    fs::rename(world.path("0.log"), world.path("0.log.20261126-101010")).unwrap();
    world.append("0.log", 2);
    assert_eq!(world.count(&mut engine), 5);
    // One that came and went since is.
    compress(&world, "0.log.20261126-111111.gz");
    fs::rename(world.path("0.log"), world.path("0.log.20261126-101111")).unwrap();
    world.append("0.log", 1);
    assert_eq!(world.count(&mut engine), 6 + 4);
}

#[test]
fn what_is_excluded_by_path_is_not_followed() {
    let mut world = World::new();
    for folder in ["app", "app/tmp"] {
        fs::create_dir(world.path(folder)).unwrap();
        world.append(&format!("{folder}/x.log"), 1);
    }
    let folder = world.folder.path().display();
    let text = format!("sources:\n  - paths: ['{folder}/**/*.log']\n    exclude: ['{folder}/app/tmp/*']\n");
    let config = Arc::new(zai_exporter::config::parse(&text).unwrap());
    let data = Data::new(Arc::clone(&config.recogniser.catalogue));
    let mut engine = Engine::new(config, None, false, data, world.own.clone(), world.now);
    assert_eq!(world.count(&mut engine), 1);
}

#[test]
fn a_glob_that_names_the_copies_too_counts_each_line_once() {
    let mut world = World::new();
    let mut engine = world.engine(&["app.log*"]);
    for generation in 1..=4 {
        world.append("app.log", 3);
        // Now and then the copy is made before its original was read to the end, or looked at.
        if generation % 2 == 0 {
            assert_eq!(world.count(&mut engine), world.written);
        }
        world.append("app.log", 1);
        fs::copy(world.path("app.log"), world.path(&format!("app.log.{generation}"))).unwrap();
        if generation < 3 {
            // It is seen before the original is cut.
            engine.discover();
            world.look(&mut engine);
        }
        OpenOptions::new().write(true).open(world.path("app.log")).unwrap().set_len(0).unwrap();
        engine.discover();
        world.now += 1_000;
        assert_eq!(world.count(&mut engine), world.written, "generation {generation}");
    }
    // By renaming, as well.
    for generation in 5..=6 {
        world.append("app.log", 3);
        fs::rename(world.path("app.log"), world.path(&format!("app.log.{generation}"))).unwrap();
        world.append("app.log", 1);
        engine.discover();
        assert_eq!(world.count(&mut engine), world.written, "generation {generation}");
    }
    drop(engine);
    assert_eq!(world.count(&mut world.engine(&["app.log*"])), world.written);
}
