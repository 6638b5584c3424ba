//! How changes become known, with the real binary: by events, and by polling where there are none. Limits and file systems are
//! made to fail in namespaces of the exporter's own, so that nothing else on the machine notices. Where the system grants no
//! such namespaces the test says so and ends.
#![allow(missing_docs, clippy::float_cmp)] // counts are whole numbers

#[path = "common/process.rs"]
#[allow(dead_code)]
mod process;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use process::{Exporter, PATIENCE, apart, value};

const ERROR: &str = "2026-08-10 08:54:07,768 ERROR failed: Error code: 429, with error text {\"error\":{\"code\":\"1113\",\"message\":\"Insufficient balance or no resource package. Please recharge.\"}}\n";

struct Logs {
    folder: tempfile::TempDir,
    serial: AtomicU32,
}

impl Logs {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), serial: AtomicU32::new(0) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Appends an error, told apart from all others.
    fn append(&self, name: &str) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(ERROR.replace("failed:", &format!("call {serial} failed:")).as_bytes()).unwrap();
    }

    /// An exporter that follows these files, in namespaces of its own if there is a script to be run in them.
    fn follow(&self, names: &[&str], script: Option<&str>) -> Exporter {
        let paths: Vec<String> = names.iter().map(|name| self.text(name)).collect();
        let args: Vec<&str> = paths.iter().map(String::as_str).collect();
        let journal = self.path("journal");
        match script {
            Some(script) => Exporter::start_apart(script, &args, &journal),
            None => Exporter::start(&args, &journal),
        }
    }
}

fn exhausted(scrape: &str) -> f64 {
    value(scrape, "zai_api_errors_total", "code=\"1113\"")
}

fn polls(scrape: &str) -> bool {
    value(scrape, "zai_exporter_watch_mode", "mode=\"poll\"") == 1.0
        && value(scrape, "zai_exporter_watch_mode", "mode=\"events\"") == 0.0
}

fn watches_by_events(scrape: &str) -> bool {
    value(scrape, "zai_exporter_watch_mode", "mode=\"events\"") == 1.0
}

/// Whether `script` can be run in namespaces of its own here.
fn possible(script: &str) -> bool {
    let output = apart(script, "true").output().unwrap();
    if !output.status.success() {
        println!("not possible on this system: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// Inotify watches that a process holds.
fn watches(pid: u32) -> usize {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten();
    let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
    texts.map(|text| text.matches("inotify wd:").count()).sum()
}

/// Two files under a limit of inotify: polling takes over, and every line counts.
fn is_met_by_polling(limit: &str) {
    if !possible(limit) {
        return;
    }
    let logs = Logs::new();
    logs.append("a.log");
    let exporter = logs.follow(&["a.log", "b.log"], Some(limit));
    let scrape = exporter.scrape_until("polling", polls);
    assert_eq!(exhausted(&scrape), 1.0);
    assert!(exporter.journal().contains("polled instead (see fs.inotify"), "{}", exporter.journal());
    logs.append("a.log");
    logs.append("b.log");
    let scrape = exporter.scrape_until("both lines", |s| exhausted(s) == 3.0);
    assert!(polls(&scrape));
}

#[test]
fn inotify_without_instances_is_met_by_polling() {
    is_met_by_polling("echo 0 > /proc/sys/user/max_inotify_instances");
}

#[test]
fn inotify_without_watches_is_met_by_polling() {
    is_met_by_polling("echo 1 > /proc/sys/user/max_inotify_watches");
}

#[test]
fn a_file_system_that_sends_no_events_is_met_by_polling() {
    let logs = Logs::new();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(logs.path(name)).unwrap();
    }
    logs.append("upper/app.log");
    // What is written beneath an overlay is seen in it, but no event tells of it.
    let folder = logs.folder.path().display();
    let mount =
        format!("cd '{folder}' && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged");
    if !possible(&mount) {
        return;
    }
    let exporter = logs.follow(&["merged/app.log"], Some(&mount));
    let scrape = exporter.scrape_until("events", watches_by_events);
    assert_eq!(exhausted(&scrape), 1.0);
    // Without a scrape: that would make it look.
    let (mut written, until) = (1.0, Instant::now() + PATIENCE);
    while !exporter.journal().contains("the file system does not tell of changes") {
        assert!(Instant::now() < until, "{}", exporter.journal());
        logs.append("upper/app.log");
        written += 1.0;
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let scrape = exporter.scrape_until("all lines", |s| exhausted(s) == written);
    assert!(polls(&scrape));
}

#[test]
fn more_events_than_the_queue_holds_lose_no_line() {
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    if limit > 100_000 {
        println!("not possible on this system: its queue of events is too long to be filled");
        return;
    }
    let logs = Logs::new();
    logs.append("app.log");
    let exporter = logs.follow(&["*.log"], None);
    exporter.scrape_until("events", watches_by_events);
    exporter.signal("-STOP");
    for i in 0..limit {
        // Two events each, of different files, so that none is merged with another.
        fs::write(logs.path(&format!("junk-{i}")), "").unwrap();
        fs::remove_file(logs.path(&format!("junk-{i}"))).unwrap();
    }
    fs::rename(logs.path("app.log"), logs.path("app.log.1")).unwrap();
    for name in ["app.log.1", "app.log", "new.log"] {
        logs.append(name);
    }
    exporter.signal("-CONT");
    let scrape = exporter.scrape_until("all lines", |s| exhausted(s) >= 4.0);
    assert_eq!(exhausted(&scrape), 4.0);
    assert!(watches_by_events(&scrape));
}

#[test]
fn watches_of_renamed_files_do_not_add_up() {
    let logs = Logs::new();
    logs.append("app.log");
    let exporter = logs.follow(&["app.log"], None);
    exporter.scrape_until("events", watches_by_events);
    let mut most = 0;
    for generation in 1..=600u32 {
        fs::rename(logs.path("app.log"), logs.path(&format!("app.log.{generation}"))).unwrap();
        logs.append("app.log");
        let written = f64::from(generation + 1);
        exporter.scrape_until("the new file's line", |s| exhausted(s) == written);
        most = most.max(watches(exporter.pid()));
    }
    // As many as there are rotations until the watches are built anew, and some that are on their way.
    assert!(most < 300, "{most} watches for one followed file");
}

#[test]
fn a_folder_among_the_paths_leaves_the_others_watched() {
    let logs = Logs::new();
    fs::create_dir(logs.path("folder")).unwrap();
    logs.append("app.log");
    let exporter = logs.follow(&["folder", "not/there/yet.log", "app.log"], None);
    let scrape = exporter.scrape_until("the first line", |s| exhausted(s) == 1.0 && watches_by_events(s));
    assert_eq!(value(&scrape, "zai_exporter_files_waiting", ""), 2.0);
    assert!(!exporter.journal().contains("inotify"), "{}", exporter.journal());
    fs::create_dir_all(logs.path("not/there")).unwrap();
    logs.append("not/there/yet.log");
    let scrape = exporter.scrape_until("the other file's line", |s| exhausted(s) == 2.0);
    assert!(watches_by_events(&scrape));
}
