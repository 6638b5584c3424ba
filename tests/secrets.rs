//! Keys, prompts and texts of users, in every client's lines: none of it leaves the process, by whatever way.
#![allow(missing_docs, clippy::float_cmp)] // counts are whole numbers

mod common;
#[path = "common/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "common/setup.rs"]
#[allow(dead_code)]
mod setup;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::records;
use process::{ERROR, value};
use setup::Setup;

/// Invented, each with a piece that is nowhere else.
const SECRETS: [&str; 8] = [
    "5ec2e75ec2e75ec2e75ec2e75ec2e75e.K3yK3yK3yK3yK3y1",
    "Authorization: Bearer eyJzZWNyZXQtaGVhZGVy.eyJzZWNyZXQtYm9keQ.c2lnbmF0dXJl",
    "\"authorization\": \"K3yWithoutScheme.0123456789\"",
    "sk-K3yOfAnotherVendor0123456789",
    "https://api.z.ai/api/paas/v4/chat/completions?api_key=K3yInAUrl0123",
    "x-api-key=K3yInAHeader0123",
    "\"content\": \"Zimtschnecke is what the user asked for\"",
    "'role': 'user', 'content': '用户的秘密问题'",
];

/// What must not be found again.
const PIECES: [&str; 10] = [
    "5ec2e75ec2e7",
    "K3y",
    "eyJzZWNyZXQt",
    "c2lnbmF0dXJl",
    "Zimtschnecke",
    "用户的秘密问题",
    // As JSON and as HTML may have it.
    "\\u7528\\u6237\\u7684",
    "&#29992;",
    // What clients print around it.
    "chat.completions.create(model=self.model",
    "with error text",
];

/// Every client's lines with a secret in each, before, within and behind what is counted.
fn log() -> String {
    let mut lines = Vec::new();
    for (i, record) in records(include_str!("corpus/clients.jsonl")).iter().enumerate() {
        let secret = SECRETS[i % SECRETS.len()];
        let escaped = secret.replace('"', "\\\"");
        for line in String::from_utf8_lossy(&record.log).lines() {
            let within = line.replacen("\"message\":\"", &format!("\"message\":\"{escaped} "), 1);
            lines.push(match i % 3 {
                0 => format!("{within} {secret}"),
                1 => format!("{secret} {within}"),
                _ => within,
            });
        }
    }
    lines.join("\n") + "\n"
}

/// The same as a container runtime writes it, each line in two parts.
fn framed(log: &str) -> String {
    let split = |line: &str| {
        let middle = (0..=line.len() / 2).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        let (one, two) = line.split_at(middle);
        format!("2026-08-10T08:54:07.768Z stderr P {one}\n2026-08-10T08:54:07.768Z stderr F {two}\n")
    };
    log.lines().map(split).collect()
}

/// A secret's bytes as JSON writes a list of them.
fn as_numbers(text: &str) -> String {
    text.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(",")
}

fn assert_silent(place: &str, text: &str) {
    for piece in PIECES {
        for form in [piece.to_string(), as_numbers(piece), as_numbers(piece).replace(',', ", ")] {
            let at = text.find(&form).map(|at| text[..at].chars().rev().take(200).collect::<String>());
            assert!(at.is_none(), "{place} holds {piece:?}, behind (backwards) {at:?}");
        }
    }
}

fn state(setup: &Setup) -> String {
    let read = |e: fs::DirEntry| String::from_utf8_lossy(&fs::read(e.path()).unwrap_or_default()).into_owned();
    fs::read_dir(setup.path("state")).unwrap().flatten().map(read).collect()
}

#[test]
fn no_part_of_a_line_is_in_metrics_page_api_journal_or_state() {
    for format in ["logfmt", "json"] {
        let setup = Setup::new();
        let log = log();
        setup.append("app.log", &log);
        setup.append("framed.log", framed(&log));
        setup.append("long.log", format!("{} {} {}\n", SECRETS[0], "x".repeat(2 << 20), SECRETS[6]));
        setup
            .append("broken.log", [SECRETS[0].as_bytes(), b"\xff\xfe\0\x1b]0;", SECRETS[6].as_bytes(), b"\n"].concat());
        fs::write(setup.path("directory.log"), "").unwrap();
        let (logs, state_dir) = (setup.text("*.log"), setup.text("state"));
        let args = [&*logs, "--state.dir", &state_dir, "--log.level=debug", "--log.format", format];
        let mut exporter = setup.start(&args);
        let all =
            |s: &str| value(s, "zai_exporter_lag_bytes", "") == 0.0 && value(s, "zai_api_errors_total", "") > 40.0;
        assert_silent("/metrics", &exporter.scrape_until("all errors", all));
        // Rotated, cut, removed: all that the journal speaks of.
        fs::rename(setup.path("app.log"), setup.path("app.log.1")).unwrap();
        setup.append("app.log", &log);
        fs::write(setup.path("framed.log"), SECRETS[3]).unwrap();
        fs::remove_file(setup.path("long.log")).unwrap();
        let turned = |s: &str| {
            let truncated = value(s, "zai_exporter_truncations_total", "");
            value(s, "zai_exporter_rotations_total", "") >= 1.0 && truncated >= 1.0
        };
        assert_silent("/metrics", &exporter.scrape_until("a rotation and a cut", turned));
        for path in ["/", "/api/v1/status", "/metrics"] {
            let (status, body) = exporter.ask("GET", path).unwrap();
            assert_eq!(status, 200, "{path}");
            assert_silent(path, &body);
        }
        exporter.signal("-TERM");
        assert_eq!(exporter.wait(), Some(0));
        assert!(exporter.journal().contains("app.log"), "the journal is empty");
        assert_silent("the journal", &exporter.journal());
        assert!(state(&setup).contains("balance_exhausted"), "the state is empty");
        assert_silent("the state", &state(&setup));
    }
}

#[test]
fn no_part_of_a_line_is_in_what_scan_prints() {
    let setup = Setup::new();
    setup.append("app.log", log());
    setup.append("framed.log", framed(&log()));
    for output in ["table", "json", "prometheus"] {
        let printed = Command::new(env!("CARGO_BIN_EXE_zai-exporter"))
            .args(["scan", "-o", output, &setup.text("app.log"), &setup.text("framed.log")])
            .output()
            .unwrap();
        assert!(printed.status.success() && printed.stdout.len() > 500);
        assert_silent(output, &String::from_utf8_lossy(&printed.stdout));
        assert_silent(output, &String::from_utf8_lossy(&printed.stderr));
    }
}

#[test]
fn the_first_part_of_a_split_line_is_in_the_state_until_its_end_has_come() {
    let setup = Setup::new();
    setup.append("app.log", format!("{ERROR}2026-08-10T08:54:07.768Z stderr P {}", SECRETS[0]));
    setup.append("app.log", "\n");
    let mut exporter = setup.start(&[&setup.text("app.log"), "--state.dir", &setup.text("state")]);
    exporter.scrape_until("the first line", |s| value(s, "zai_exporter_read_lines_total", "") == 2.0);
    let open = state(&setup);
    assert!(open.contains(&as_numbers("5ec2e75ec2e7")), "a restart now would lose the beginning of the line");
    for file in fs::read_dir(setup.path("state")).unwrap().flatten().filter(|f| f.metadata().unwrap().len() > 0) {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is for its owner alone", file.path().display());
    }
    for path in ["/", "/api/v1/status", "/metrics"] {
        assert_silent(path, &exporter.ask("GET", path).unwrap().1);
    }
    setup.append("app.log", "2026-08-10T08:54:07.768Z stderr F end\n");
    exporter.scrape_until("the end of the line", |s| value(s, "zai_exporter_read_lines_total", "") == 3.0);
    assert_silent("the last commit", &fs::read_to_string(setup.path("state/state.json")).unwrap());
    // The last one that was synced to the disk is kept besides, until the next is.
    exporter.signal("-TERM");
    assert_eq!(exporter.wait(), Some(0));
    assert_silent("the state", &state(&setup));
}

#[test]
fn a_link_to_what_is_private_is_counted_and_not_shown() {
    let setup = Setup::new();
    setup.append("shadow", format!("root:$6$K3ySalt$K3yHash:19000:0:99999:7:::\n{ERROR}"));
    fs::set_permissions(setup.path("shadow"), fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(setup.path("shadow"), setup.path("app.log")).unwrap();
    let state_dir = setup.text("state");
    let exporter = setup.start(&[&setup.text("*.log"), "--state.dir", &state_dir, "--log.level=debug"]);
    let scrape = exporter.scrape_until("the error", |s| value(s, "zai_api_errors_total", "code=\"1113\"") == 1.0);
    assert_silent("/metrics", &scrape);
    for path in ["/", "/api/v1/status"] {
        assert_silent(path, &exporter.ask("GET", path).unwrap().1);
    }
    assert_silent("the journal", &exporter.journal());
    assert_silent("the state", &state(&setup));
}

#[test]
fn no_secret_of_a_web_configuration_is_in_what_is_said_about_it() {
    let setup = Setup::new();
    setup.append("server.key", format!("-----BEGIN PRIVATE KEY-----\n{}\n", SECRETS[3]));
    setup.append("one-line.key", format!("-----BEGIN PRIVATE KEY----- {} -----END PRIVATE KEY-----\n", SECRETS[3]));
    for (name, text) in [
        ("password", "basic_auth_users:\n  admin: K3yAsAPassword\n".to_string()),
        ("number", "basic_auth_users:\n  admin: 5ec2e75ec2e7\n".to_string()),
        ("list", "basic_auth_users: [K3yAsAPassword]\n".to_string()),
        ("text", "basic_auth_users: 'admin:K3yAsAPassword'\n".to_string()),
        ("key", "tls_server_config: {cert_file: server.key, key_file: server.key}\n".to_string()),
        ("one-line", "tls_server_config: {cert_file: one-line.key, key_file: one-line.key}\n".to_string()),
        ("inline", format!("tls_server_config:\n  key: |\n    {}\n", SECRETS[3])),
        ("broken", format!("basic_auth_users:\n  admin: '{}\n", SECRETS[0])),
        ("tab", format!("basic_auth_users:\n\tadmin: {}\n", SECRETS[0])),
        ("anchor", "basic_auth_users:\n  admin: *K3yAsAPassword\n".to_string()),
    ] {
        let file = format!("{name}.yaml");
        setup.append(&file, text);
        let said = check(&setup.path(&file));
        assert!(said.contains(&file) && said.contains("line"), "{said}");
        assert_silent(name, &said);
    }
}

fn check(web_config: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_zai-exporter"))
        .args(["check-config", "--web.config.file"])
        .arg(web_config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}
