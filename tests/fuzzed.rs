//! The properties that fuzzing tries, for the inputs that are kept: real ones, and all that a fuzzer found.
#![allow(missing_docs)]

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::fs;
use std::path::Path;

/// How many inputs hold; a panic names the input.
fn holds(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut tried = 0;
    for entry in fs::read_dir(&folder).unwrap().flatten() {
        let data = fs::read(entry.path()).unwrap();
        let outcome = std::panic::catch_unwind(|| property(&data));
        assert!(outcome.is_ok(), "{} does not hold", entry.path().display());
        tried += 1;
    }
    assert!(tried >= 3, "{} holds {tried} inputs", folder.display());
}

#[test]
fn a_log_counts_the_same_however_it_arrives() {
    holds("log", properties::log::holds);
}

#[test]
fn what_is_framed_comes_out_again() {
    holds("frames", properties::frames::holds);
}

#[test]
fn a_state_is_accepted_whole_or_refused() {
    holds("state", properties::state::holds);
}

#[test]
fn mistakes_of_a_configuration_are_on_its_lines() {
    holds("config", properties::config::holds);
}

#[test]
fn a_web_configuration_opens_nothing_by_mistake() {
    holds("web_config", properties::web_config::holds);
}

#[test]
fn rows_of_the_catalogue_are_read_as_they_are_printed() {
    holds("catalogue", properties::catalogue::holds);
}

#[test]
fn times_are_read_as_they_are_printed() {
    holds("time", properties::time::holds);
}
