//! Logs and paths that are made to do harm: the exporter lives, the other logs count, a message names the path, and a metric tells.
#![allow(missing_docs, clippy::float_cmp)] // counts are whole numbers

#[path = "common/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "common/setup.rs"]
#[allow(dead_code)]
mod setup;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use process::{ERROR, Exporter, PATIENCE, value};
use setup::Setup;

/// What the service's unit allows; much more than any log should cost.
const MOST_MEMORY_KB: u64 = 128 * 1024;

fn exhausted(scrape: &str) -> f64 {
    value(scrape, "zai_api_errors_total", "code=\"1113\"")
}

fn errors(scrape: &str) -> f64 {
    value(scrape, "zai_exporter_read_errors_total", "")
}

/// The most memory that a process has held, in kB.
fn peak(exporter: &Exporter) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", exporter.pid())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What Prometheus would say of a scrape, where its tool is there.
fn promtool(scrape: &str) {
    let tool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut tool) = tool else { return };
    tool.stdin.take().unwrap().write_all(scrape.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A child that is killed when it is dropped.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_path_that_becomes_something_else_is_named_and_the_others_count() {
    let setup = Setup::new();
    setup.append("victim.log", ERROR);
    setup.append("app.log", ERROR);
    let victim = setup.path("victim.log");
    let exporter = setup.start(&[&setup.text("victim.log"), &setup.text("app.log")]);
    exporter.scrape_until("both errors", |s| exhausted(s) == 2.0);
    let mut counted = 2.0;
    let mut failed = 0.0;
    // The last is a regular file by its inode, and cannot be read.
    let kinds = ["fifo", "directory", "socket", "/dev/zero", "/dev/full", "a loop", "/sys/class/net/lo/speed"];
    for kind in kinds {
        if kind.starts_with("/sys") && (!Path::new(kind).exists() || fs::read(kind).is_ok()) {
            continue;
        }
        let _ = fs::remove_file(&victim).or_else(|_| fs::remove_dir(&victim));
        let _listener = become_a(kind, &victim);
        setup.append("app.log", ERROR);
        counted += 1.0;
        let scrape = exporter.scrape_until(kind, |s| exhausted(s) == counted && errors(s) > failed);
        failed = errors(&scrape);
    }
    let journal = exporter.journal();
    let said = |what: &str| journal.lines().any(|l| l.contains("victim.log") && l.contains(what));
    assert!(said("not a regular file") && said("a directory") && said("cannot look at it"), "{journal}");
    // And a log again.
    let _ = fs::remove_file(&victim);
    setup.append("victim.log", ERROR);
    exporter.scrape_until("the log that came back", |s| exhausted(s) == counted + 1.0);
}

fn become_a(kind: &str, path: &Path) -> Option<UnixListener> {
    match kind {
        "fifo" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "directory" => fs::create_dir(path).unwrap(),
        "socket" => return Some(UnixListener::bind(path).unwrap()),
        "a loop" => symlink("victim.log", path).unwrap(),
        target => symlink(target, path).unwrap(),
    }
    None
}

#[test]
fn a_file_that_is_cut_again_and_again_while_it_is_read_stops_nothing() {
    let setup = Setup::new();
    setup.append("app.log", ERROR);
    let log = ERROR.repeat(20_000);
    setup.append("victim.log", &log);
    let exporter = setup.start(&[&setup.text("victim.log"), &setup.text("app.log")]);
    exporter.scrape_until("the first pass", |s| exhausted(s) >= 20_001.0);
    for _ in 0..50 {
        let file = fs::OpenOptions::new().write(true).open(setup.path("victim.log")).unwrap();
        file.set_len(100).unwrap();
        file.set_len(0).unwrap();
        setup.append("victim.log", &log[..log.len() / 10]);
    }
    fs::write(setup.path("victim.log"), "").unwrap();
    let cut = |s: &str| value(s, "zai_exporter_truncations_total", "") >= 1.0;
    let before = exhausted(&exporter.scrape_until("a truncation", cut));
    setup.append("app.log", ERROR);
    setup.append("victim.log", ERROR);
    exporter.scrape_until("both logs", |s| exhausted(s) >= before + 2.0);
}

#[test]
fn made_up_codes_and_paths_make_no_series_without_bound() {
    let setup = Setup::new();
    let code = |n: u32| {
        format!("z.ai Error code: 400, with error text {{\"error\":{{\"code\":\"{n}\",\"message\":\"m\"}}}}\n")
    };
    setup.append("codes.log", (2_000..9_000).map(code).collect::<String>());
    fs::create_dir(setup.path("pods")).unwrap();
    for i in 0..300u32 {
        let name = [format!("pods/{i}\"}} 1\nzai_fake{{a=\"\\").as_bytes(), b"\x1b[2J\t,.log"].concat();
        setup.append(OsStr::from_bytes(&name), ERROR);
    }
    setup.append(OsStr::from_bytes(b"pods/\xff\x1b.log"), ERROR);
    let config = format!(
        "limits: {{unknown_codes: 20, label_values: 10}}\nsources:\n  - paths: ['{0}/codes.log']\n  - paths: ['{0}/pods/*.log']\n    path_labels: '(?s)/pods/(?<pod>.*)$'\n",
        setup.folder.path().display()
    );
    setup.append("config.yaml", config);
    let exporter = setup.start(&["--config.file", &setup.text("config.yaml"), "--log.level=debug"]);
    let scrape = exporter.scrape_until("all errors", |s| exhausted(s) == 300.0);
    promtool(&scrape);
    assert!(!scrape.lines().any(|l| l.starts_with("zai_fake")), "a name of a file became a series");
    let series =
        |part: &str| scrape.lines().filter(|l| l.starts_with("zai_api_errors_total{") && l.contains(part)).count();
    assert!(series("category=\"unknown\"") <= 21, "{}", series("category=\"unknown\""));
    assert_eq!(value(&scrape, "zai_api_errors_total", "category=\"unknown\""), 7_000.0 - documented(&scrape));
    assert!(series("code=\"1113\",") <= 12, "10 pods, other, and none");
    assert!(value(&scrape, "zai_exporter_label_values_folded_total", "pod") >= 290.0);
    // A terminal that shows the exporter's own log is not written to by names of files.
    assert!(!exporter.journal().contains('\x1b'), "{}", exporter.journal());
    assert!(exporter.journal().contains("its name is not UTF-8"), "{}", exporter.journal());
    let (status, page) = exporter.ask("GET", "/").unwrap();
    assert!(status == 200 && !page.contains("zai_fake{a=\"\\"), "a name of a file stands in the page as it is");
}

#[test]
fn a_log_that_is_renamed_out_of_utf8_stops_no_commit() {
    let setup = Setup::new();
    setup.append("app.log", ERROR);
    let (logs, state) = (setup.text("*.log"), setup.text("state"));
    let mut exporter = setup.start(&[&logs, "--state.dir", &state]);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    fs::rename(setup.path("app.log"), setup.path(OsStr::from_bytes(b"app.log.\xff"))).unwrap();
    setup.append("app.log", ERROR);
    exporter.scrape_until("both errors", |s| exhausted(s) == 2.0);
    // While nobody looks, too: what is found again under such a name cannot be saved.
    exporter.signal("-TERM");
    assert_eq!(exporter.wait(), Some(0));
    fs::rename(setup.path("app.log"), setup.path(OsStr::from_bytes(b"app.log.\xfe"))).unwrap();
    setup.append("app.log", ERROR);
    let exporter = setup.start(&[&logs, "--state.dir", &state]);
    let scrape = exporter.scrape_until("the third error", |s| exhausted(s) == 3.0);
    assert_eq!(value(&scrape, "zai_exporter_state_commit_failures_total", ""), 0.0);
}

/// Codes of the made-up range that are documented after all.
fn documented(scrape: &str) -> f64 {
    let all = value(scrape, "zai_api_errors_total", "");
    all - value(scrape, "zai_api_errors_total", "category=\"unknown\"") - exhausted(scrape)
}

/// Logs that are made to use up memory; each is several megabytes.
fn heavy() -> Vec<(&'static str, Vec<u8>)> {
    const SIZE: usize = 6 << 20;
    let line = |head: &str, unit: &[u8]| [head.as_bytes(), &unit.repeat(SIZE / unit.len()), b"\n"].concat();
    let ids = |n: usize| {
        format!(
            "z.ai Error code: 429, with error text {{\"error\":{{\"code\":\"1302\",\"message\":\"{n}\"}},\"request_id\":\"20260810{n:020}\"}}\n"
        )
    };
    let held = |n: usize| format!("POST https://api.z.ai/api/paas/v4/{n} \"HTTP/1.1 429 Too Many Requests\"\n");
    let parts = "2026-08-10T08:54:07.768Z stdout P \"code\":1302 ".to_string() + &"x".repeat(1_000) + "\n";
    vec![
        ("endless", vec![b'x'; 4 * SIZE]),
        ("deep", line("z.ai error code 1302 ", b"[")),
        ("objects", line("z.ai ", b"{\"error\":")),
        ("escapes", line("z.ai error code 1302 ", b"\\")),
        ("digits", line("z.ai error code ", b"1302")),
        ("colours", line("z.ai error code 1302 ", b"\x1b[31")),
        ("nul", vec![0; SIZE]),
        ("utf8", line("z.ai error code 1302 ", b"\xff\xc3")),
        ("parts", parts.repeat(SIZE / parts.len()).into_bytes()),
        ("newlines", vec![b'\n'; SIZE]),
        ("ids", (0..SIZE / 150).map(ids).collect::<String>().into_bytes()),
        ("held", (0..SIZE / 80).map(held).collect::<String>().into_bytes()),
    ]
}

#[test]
fn no_log_uses_memory_without_bound() {
    let setup = Setup::new();
    for (name, log) in heavy() {
        setup.append(format!("{name}.log"), log);
    }
    setup.append("zz-app.log", ERROR);
    let exporter = setup.start(&[&setup.text("*.log"), "--state.dir", &setup.text("state")]);
    let scrape = exporter.scrape_until("the first pass", |_| true);
    assert_eq!(exhausted(&scrape), 1.0);
    // All but those that are made of many short lines.
    assert_eq!(value(&scrape, "zai_exporter_lines_too_long_total", ""), 8.0);
    let state = fs::metadata(setup.path("state/state.json")).unwrap().len();
    // The first part of a split line may be as long as a line, and JSON writes a byte as up to four.
    assert!(state < 5 << 20, "the state has {state} bytes");
    let peak = peak(&exporter);
    assert!(peak < MOST_MEMORY_KB, "{peak} kB");
}

/// Lines as long as one may be that hold hundreds of thousands of places to look at, far behind or before what these depend on. A look from each place to there
/// would take minutes.
fn slow() -> Vec<(&'static str, String)> {
    const SIZE: usize = 1_000_000;
    let many = |unit: &str| unit.repeat(SIZE / 2 / unit.len());
    vec![
        ("url", "GET http://x/?a=".to_string() + &many("api.z.ai/").repeat(2)),
        ("turns", format!("api.z.ai {} failed {}", many("x"), many("user: "))),
        ("blanks", format!("\"error\": {{\n{}{}", many(" "), many("{\"code\":1302,"))),
        ("classes", many("APIReachLimitErrorX ").repeat(2)),
        ("source", "import ".to_string() + &many("APIReachLimitError ").repeat(2)),
    ]
}

#[test]
fn no_line_keeps_the_others_waiting() {
    let setup = Setup::new();
    for (name, line) in slow() {
        setup.append(format!("{name}.log"), line + "\n");
    }
    setup.append("zz-app.log", ERROR);
    let exporter = setup.start(&[&setup.text("*.log")]);
    assert_eq!(exhausted(&exporter.scrape_until("the first pass", |_| true)), 1.0);
}

#[test]
fn a_compressed_file_that_is_named_is_read_as_it_stands_and_said_so() {
    let setup = Setup::new();
    setup.append("app.log.gz", ERROR);
    let exporter = setup.start(&[&setup.text("app.log.gz")]);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    assert!(exporter.journal().contains("its bytes are read as they stand"), "{}", exporter.journal());
}

#[test]
fn scan_reads_a_fifo_until_its_writer_closes_it() {
    let setup = Setup::new();
    assert!(Command::new("mkfifo").arg(setup.path("fifo")).status().unwrap().success());
    let writer =
        format!("i=0; while [ $i -lt 50 ]; do printf '%s' '{ERROR}'; i=$((i+1)); done > '{}'", setup.text("fifo"));
    let _writer = Background(Command::new("sh").args(["-c", &writer]).spawn().unwrap());
    let scan = Command::new(env!("CARGO_BIN_EXE_zai-exporter"))
        .args(["scan", "-o", "prometheus", &setup.text("fifo")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut scan = Background(scan);
    let until = Instant::now() + PATIENCE;
    while scan.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "scan did not end");
        std::thread::yield_now();
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut scan.0.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(exhausted(&text), 50.0);
}
