//! The example logs: what was written into them is what is counted, and the whole scrape is the one on record.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Counts, count};
use serde_json::Value;
use zai_exporter::config::Config;
use zai_exporter::metrics;
use zai_exporter::scan::scan;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn config() -> Config {
    // The examples' times without an offset are of the zone that this names, wherever the test runs.
    zai_exporter::config::parse("timezone: Asia/Shanghai").unwrap()
}

#[test]
fn each_log_holds_what_was_written_into_it() {
    let expected = std::fs::read_to_string(examples().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
    assert!(expected.len() >= 5);
    for (name, want) in expected {
        let counts = count(&config(), &std::fs::read(examples().join(&name)).unwrap());
        let numbers = |v: &Value| -> BTreeMap<String, u64> { serde_json::from_value(v.clone()).unwrap() };
        let errors = counts.errors.iter().map(|((category, code), n)| (format!("{category}/{code}"), *n)).collect();
        assert_eq!(numbers(&want["errors"]), errors, "{name}");
        assert_eq!(want["http_200"].as_u64().unwrap_or(0), counts.http_200, "{name}");
        assert_eq!(numbers(&want["finish_reasons"]), counts.finishes, "{name}");
    }
}

#[test]
fn the_scrape_of_all_examples_is_the_one_on_record() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/examples.prom");
    let found = scan(&[examples().join("*.log").to_string_lossy().into_owned()], &config());
    assert!(Counts::of(&found.snapshot).total() > 100);
    let config = config();
    let out = metrics::render_data(found.snapshot, config.recogniser.catalogue.clone()).unwrap();
    let out = without_reading_times(&String::from_utf8(out).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, &out).unwrap();
    }
    let want = std::fs::read_to_string(&golden).unwrap();
    assert!(out == want, "the scrape changed; look at the difference after UPDATE_GOLDEN=1 cargo test --test examples");
}

/// A line without a time has the time of its file, which a checkout sets anew: of these only that they are set is compared.
fn without_reading_times(scrape: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((series, value)) if series.starts_with("zai_api_error_last_seen") => {
            let stamp = if value == "0" { "0" } else { "set" };
            format!("{series} {stamp}\n")
        }
        _ => format!("{line}\n"),
    };
    scrape.lines().map(line).collect()
}
