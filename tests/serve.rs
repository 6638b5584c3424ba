//! `serve` with the real binary: what a user does to it and sees of it.
#![allow(missing_docs, clippy::float_cmp)] // counts are whole numbers

#[path = "common/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "common/setup.rs"]
#[allow(dead_code)]
mod setup;

use std::fs;
use std::path::Path;
use std::process::Command;

use process::{ERROR, value};
use setup::Setup;

fn exhausted(scrape: &str) -> f64 {
    value(scrape, "zai_api_errors_total", "code=\"1113\"")
}

fn run(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_zai-exporter")).args(args).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn replace_link(folder: &Path, target: &str) {
    let new = folder.join("..data_tmp");
    std::os::unix::fs::symlink(target, &new).unwrap();
    fs::rename(new, folder.join("..data")).unwrap();
}

#[test]
fn a_missing_file_is_waited_for_and_said_so() {
    let setup = Setup::new();
    let exporter = setup.start(&[&setup.text("app.log")]);
    let scrape = exporter.scrape_until("a waiting file", |s| value(s, "zai_exporter_files_waiting", "") == 1.0);
    assert_eq!(exhausted(&scrape), 0.0);
    assert!(exporter.journal().contains("does not exist"), "{}", exporter.journal());
    setup.append("app.log", ERROR);
    let scrape = exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    assert_eq!(value(&scrape, "zai_exporter_files_waiting", ""), 0.0);
}

#[test]
fn a_glob_picks_up_new_files_and_leaves_directories() {
    let setup = Setup::new();
    fs::create_dir(setup.path("d.log")).unwrap();
    let exporter = setup.start(&[&setup.text("*.log")]);
    exporter.scrape_until("the first pass", |_| true);
    setup.append("new.log", ERROR);
    let scrape = exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    assert!(value(&scrape, "zai_exporter_read_errors_total", "") >= 1.0);
    assert!(exporter.journal().contains("a directory"), "{}", exporter.journal());
}

#[test]
fn a_fifo_and_a_device_are_refused_and_the_others_followed() {
    let setup = Setup::new();
    assert!(Command::new("mkfifo").arg(setup.path("fifo.log")).status().unwrap().success());
    setup.append("app.log", ERROR);
    let exporter = setup.start(&[&setup.text("fifo.log"), "/dev/zero", &setup.text("app.log")]);
    exporter
        .scrape_until("the error", |s| exhausted(s) == 1.0 && value(s, "zai_exporter_read_errors_total", "") >= 2.0);
}

#[test]
fn the_last_lines_are_read_and_committed_on_sigterm() {
    let setup = Setup::new();
    setup.append("app.log", ERROR);
    let (log, state) = (setup.text("app.log"), setup.text("state"));
    let args = [log.as_str(), "--state.dir", state.as_str()];
    let mut exporter = setup.start(&args);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    setup.append("app.log", ERROR);
    exporter.signal("-TERM");
    assert_eq!(exporter.wait(), Some(0));
    fs::write(setup.path("app.log"), "").unwrap();
    let exporter = setup.start(&args);
    let scrape = exporter.scrape_until("the first pass", |_| true);
    assert_eq!(exhausted(&scrape), 2.0);
}

#[test]
fn a_second_exporter_on_one_state_directory_is_refused() {
    let setup = Setup::new();
    setup.append("app.log", "");
    let (log, state) = (setup.text("app.log"), setup.text("state"));
    let exporter = setup.start(&[&log, "--state.dir", &state]);
    exporter.scrape_until("the first pass", |_| true);
    let (code, stderr) = run(&["serve", &log, "--state.dir", &state, "--web.listen-address=127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("another zai-exporter uses it"), "{stderr}");
}

#[test]
fn a_state_that_cannot_be_used_is_kept_aside() {
    let setup = Setup::new();
    setup.append("app.log", ERROR);
    fs::create_dir(setup.path("state")).unwrap();
    setup.append("state/state.json", "not a state");
    let exporter = setup.start(&[&setup.text("app.log"), "--state.dir", &setup.text("state")]);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    assert!(exporter.journal().contains("cannot be used"), "{}", exporter.journal());
    let aside = fs::read_dir(setup.path("state"))
        .unwrap()
        .flatten()
        .any(|e| e.file_name().to_string_lossy().contains("unusable"));
    assert!(aside);
}

#[test]
fn a_state_that_cannot_be_read_for_now_is_neither_used_nor_put_aside() {
    let setup = Setup::new();
    setup.append("app.log", ERROR);
    // What stands for a disk that fails: the file is there and cannot be read.
    fs::create_dir_all(setup.path("state/state.json")).unwrap();
    let (code, stderr) = run(&[
        "serve",
        &setup.text("app.log"),
        "--state.dir",
        &setup.text("state"),
        "--web.listen-address=127.0.0.1:0",
    ]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("state.json") && stderr.contains("neither replaced nor ignored"), "{stderr}");
    assert!(setup.path("state/state.json").exists());
}

#[test]
fn a_comma_is_part_of_a_name_on_the_command_line_and_parts_names_in_the_environment() {
    let setup = Setup::new();
    setup.append("a,b.log", ERROR);
    setup.append("c.log", ERROR);
    let exporter = setup.start(&[&setup.text("a,b.log")]);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    let paths = format!("ZAI_EXPORTER_PATHS={},{}", setup.text("c.log"), setup.text("d.log"));
    let exporter = setup.start_with(&paths);
    let scrape = exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    assert_eq!(value(&scrape, "zai_exporter_files_waiting", ""), 1.0);
}

#[test]
fn a_state_of_other_logs_is_kept_aside_with_a_message() {
    let setup = Setup::new();
    setup.append("one.log", ERROR);
    setup.append("two.log", ERROR);
    let state = setup.text("state");
    let mut exporter = setup.start(&[&setup.text("one.log"), "--state.dir", &state]);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    exporter.signal("-TERM");
    assert_eq!(exporter.wait(), Some(0));
    let exporter = setup.start(&[&setup.text("two.log"), "--state.dir", &state]);
    let scrape = exporter.scrape_until("the first pass", |_| true);
    assert_eq!(exhausted(&scrape), 1.0);
    let journal = exporter.journal();
    assert!(journal.contains("holds the state of other logs") && journal.contains("state.json.unusable-"), "{journal}");
}

#[test]
fn a_disk_that_cannot_be_written_stops_nothing_and_is_used_again() {
    let setup = Setup::new();
    setup.append("app.log", ERROR);
    let exporter = setup.start(&[&setup.text("app.log"), "--state.dir", &setup.text("state")]);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    fs::rename(setup.path("state"), setup.path("gone")).unwrap();
    setup.append("app.log", ERROR);
    exporter.scrape_until("a failed commit", |s| {
        exhausted(s) == 2.0 && value(s, "zai_exporter_state_commit_failures_total", "") >= 1.0
    });
    assert_eq!(exporter.journal().matches("cannot write the state").count(), 1, "said once");
    fs::rename(setup.path("gone"), setup.path("state")).unwrap();
    let before = value(&exporter.scrape().unwrap(), "zai_exporter_state_commits_total", "");
    setup.append("app.log", ERROR);
    exporter.scrape_until("a commit again", |s| {
        value(s, "zai_exporter_state_commits_total", "") > before && exhausted(s) == 3.0
    });
    assert!(exporter.journal().contains("can be written again"), "{}", exporter.journal());
}

#[test]
fn a_configuration_is_swapped_like_a_config_map_and_a_bad_one_refused() {
    let setup = Setup::new();
    let folder = setup.path("config");
    for (name, text) in [("..one", ""), ("..two", "hosts: [not a host]\n"), ("..three", "hosts: [llm.internal]\n")] {
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("config.yaml"), text).unwrap();
    }
    replace_link(&folder, "..one");
    std::os::unix::fs::symlink("..data/config.yaml", folder.join("config.yaml")).unwrap();
    setup.append("app.log", ERROR);
    let config = setup.text("config/config.yaml");
    let exporter = setup.start(&[&setup.text("app.log"), "--config.file", &config]);
    exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    replace_link(&folder, "..two");
    let reloaded = |s: &str| value(s, "zai_exporter_config_last_reload_successful", "");
    let scrape = exporter.scrape_until("a refused reload", |s| reloaded(s) == 0.0);
    assert_eq!(exhausted(&scrape), 1.0);
    assert!(exporter.journal().contains("line 1"), "{}", exporter.journal());
    assert_eq!(exporter.ask("POST", "/-/reload").map(|(status, _)| status), Some(400));
    replace_link(&folder, "..three");
    let scrape = exporter.scrape_until("a reload", |s| reloaded(s) == 1.0);
    assert_eq!(exhausted(&scrape), 1.0);
    setup.append("app.log", "INFO HTTP Request: POST https://llm.internal/v1/x \"HTTP/1.1 502 Bad Gateway\"\n");
    exporter.scrape_until("the new host's error", |s| value(s, "zai_api_errors_total", "code=\"502\"") == 1.0);
    let loaded = |s: &str| value(s, "zai_exporter_config_last_reload_success_timestamp_seconds", "");
    let before = loaded(&exporter.scrape().unwrap());
    exporter.signal("-HUP");
    exporter.scrape_until("a reload by a signal", |s| loaded(s) > before);
    assert_eq!(exporter.ask("GET", "/-/healthy").map(|(status, _)| status), Some(200));
}

#[test]
fn labels_come_from_the_configuration_and_the_path() {
    let setup = Setup::new();
    fs::create_dir_all(setup.path("pods/shop_api-1_uid/app")).unwrap();
    setup.append("pods/shop_api-1_uid/app/0.log", format!("2026-08-10T08:54:07.1Z stderr F {ERROR}"));
    let config = format!(
        "sources:\n  - paths: ['{}/pods/*/*/*.log']\n    path_labels: kubernetes\n    labels: {{team: search}}\n",
        setup.folder.path().display()
    );
    setup.append("config.yaml", config);
    let exporter = setup.start(&["--config.file", &setup.text("config.yaml")]);
    let scrape = exporter.scrape_until("the error", |s| exhausted(s) == 1.0);
    let series = scrape.lines().find(|l| l.contains("code=\"1113\"") && l.starts_with("zai_api_errors_total")).unwrap();
    for label in ["namespace=\"shop\"", "pod=\"api-1\"", "container=\"app\"", "team=\"search\""] {
        assert!(series.contains(label), "{series}");
    }
    assert!(scrape.contains("condition=\"account_locked\""), "paging conditions are there at 0");
}

#[test]
fn mistakes_of_the_user_have_exit_status_64() {
    let setup = Setup::new();
    setup.append("bad.yaml", "catalogue:\n  - {code: 1113, condition: poor}\nsource: []\n");
    let bad = setup.text("bad.yaml");
    for (args, part) in [
        (vec!["serve"], "nothing to follow"),
        (vec!["serve", "--no-such-option"], "--no-such-option"),
        (vec!["serve", "x.log", "--web.listen-address=nowhere"], "--web.listen-address"),
        (vec!["serve", "logs/[.log"], "cannot follow `logs/[.log`: it is no glob"),
        (vec!["serve", "x.log", "--web.telemetry-path=metrics"], "--web.telemetry-path"),
        (vec!["serve", "x.log", "--config.file", &bad], "line 2: catalogue[0].condition"),
        (vec!["check-config", &bad], "line 3: source: unknown key"),
        (vec!["check-config", "/no/such/file"], "cannot read the configuration /no/such/file"),
        (vec!["scan"], "required"),
        (vec!["no-such-command"], "no-such-command"),
    ] {
        let (code, stderr) = run(&args);
        assert_eq!(code, Some(64), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    let (code, stderr) = run(&["scan", "/no/such/file.log"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/no/such/file.log: no such file"), "{stderr}");
}

#[test]
fn scan_and_serve_count_the_same() {
    let setup = Setup::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/*.log").to_string_lossy().into_owned();
    let output = Command::new(env!("CARGO_BIN_EXE_zai-exporter"))
        .args(["scan", "-o", "prometheus", &examples])
        .output()
        .unwrap();
    let counts = |text: &str| {
        let data = ["zai_api_errors_total", "zai_http_responses_total", "zai_finish_reasons_total"];
        let lines = text.lines().filter(|l| data.iter().any(|d| l.starts_with(d)));
        lines.map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = counts(&String::from_utf8(output.stdout).unwrap());
    let exporter = setup.start(&[&examples]);
    let scrape = exporter.scrape_until("what scan printed", |s| counts(s) == expected);
    assert_eq!(counts(&scrape), expected);
}

#[test]
fn a_second_name_of_a_file_counts_nothing_twice_and_a_thousand_files_all_count() {
    let setup = Setup::new();
    for i in 0..1_000 {
        setup.append(format!("{i}.log"), ERROR);
    }
    fs::hard_link(setup.path("0.log"), setup.path("second.log")).unwrap();
    let exporter = setup.start(&[&setup.text("*.log"), "--log.level=warn"]);
    let scrape = exporter.scrape_until("the first pass", |_| true);
    assert_eq!(exhausted(&scrape), 1_000.0);
    setup.append("second.log", ERROR);
    setup.append("999.log", ERROR);
    let scrape = exporter.scrape_until("both lines", |s| exhausted(s) >= 1_002.0);
    assert_eq!(exhausted(&scrape), 1_002.0);
}
