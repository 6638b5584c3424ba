//! What a page holds and what it must never hold.

use prometheus::Registry;

use super::*;
use crate::catalogue::Catalogue;
use crate::engine::Standing;
use crate::ledger::{ErrorKey, ErrorSeries, LabelSet, Snapshot};
use crate::metrics::Own;
use crate::source::Followed;
use crate::web::status::Seen;

const NOW: i64 = 1_795_521_600_000;

const HOSTILE: &str = "\"><script>alert('x')</script>&";

fn status(ready: bool) -> Status {
    let catalogue = Catalogue::built_in();
    let labels = LabelSet::from([("team".to_string(), HOSTILE.to_string())]);
    let key = ErrorKey::of_row(catalogue.business(1113).unwrap());
    let errors = vec![ErrorSeries { labels: labels.into(), key, count: 1_234, first: NOW - 60_000, last: NOW }];
    let trouble = Some(HOSTILE.to_string());
    let file = Followed { path: HOSTILE.into(), position: 1, lag: 0, written: NOW, trouble };
    Status::of(Seen {
        snapshot: &Snapshot { errors, ..Snapshot::default() },
        catalogue: &catalogue,
        own: &Own::new(&Registry::new()).unwrap(),
        standing: Some(Standing { files: vec![file], ..Standing::default() }),
        ready,
        config_file: Some(HOSTILE.to_string()),
        refused: Some(HOSTILE.to_string()),
        started: NOW,
        now: NOW,
    })
}

#[test]
fn all_that_comes_from_outside_is_escaped() {
    let (_, html) = document(&status(true), "/metrics").unwrap();
    assert_eq!(html.matches("<script").count(), 1, "only the page's own script");
    assert!(!html.contains("alert('x')"));
    // The file, its trouble, the configuration's path and problem, and the label in the card and in the table.
    assert_eq!(html.matches("&#60;script&#62;alert(").count(), 6);
}

#[test]
fn the_policy_names_this_answer_alone() {
    let nonce = || {
        let (headers, html) = document(&status(true), "/metrics").unwrap();
        let (_, policy) = headers.iter().find(|(name, _)| *name == header::CONTENT_SECURITY_POLICY).unwrap();
        let policy = policy.to_str().unwrap().to_string();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().trim_end_matches('\'').to_string();
        assert_eq!(nonce.len(), 32);
        assert!(
            html.contains(&format!("<script nonce=\"{nonce}\">"))
                && html.contains(&format!("<style nonce=\"{nonce}\">"))
        );
        nonce
    };
    assert_ne!(nonce(), nonce());
}

#[test]
fn an_error_is_shown_with_its_count_and_what_to_do() {
    let html = live(&status(true)).unwrap();
    let row = html.split("id=\"e-account-1113-balance_exhausted\"").nth(1).unwrap();
    let row = row.split("</tr>").next().unwrap();
    assert!(row.contains(">1,234<") && row.contains("What to do:") && row.contains("2026-11-24 12:00:00 UTC"), "{row}");
    assert!(html.contains("Failing: Balance."));
}

#[test]
fn before_the_first_pass_the_page_says_so_and_shows_no_numbers() {
    let html = live(&status(false)).unwrap();
    assert!(html.contains("The first pass over the logs is not finished"));
    assert!(!html.contains("1,234") && !html.contains(">OK<"));
}

#[test]
fn links_are_relative_and_never_lead_to_another_host() {
    let (_, html) = document(&status(true), "//example.com/x").unwrap();
    assert!(html.contains("href=\"example.com/x\""));
    assert!(!html.contains("href=\"/") && !html.contains("src="));
}
