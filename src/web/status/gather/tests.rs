//! The JSON against the snapshot that it is made of.

use std::path::PathBuf;

use prometheus::Registry;
use serde_json::{Value, json};

use super::super::{Seen, Status};
use crate::catalogue::{Catalogue, Category, Condition};
use crate::engine::Standing;
use crate::history::History;
use crate::ledger::{Code, ErrorKey, ErrorSeries, LabelSet, Series, Snapshot};
use crate::metrics::Own;
use crate::recognise::FinishReason;
use crate::recognise::time::Millis;
use crate::source::Followed;

/// 2026-11-24 12:00:00 UTC
const NOW: Millis = 1_795_521_600_000;

const MINUTE: Millis = 60_000;

fn labels(team: &str) -> LabelSet {
    LabelSet::from([("team".to_string(), team.to_string())])
}

fn series(team: &str, code: u32, count: u64, first: Millis, last: Millis) -> ErrorSeries {
    let key = ErrorKey::of_row(Catalogue::built_in().business(code).unwrap());
    ErrorSeries { labels: labels(team).into(), key, count, first, last }
}

fn of_errors(errors: Vec<ErrorSeries>) -> Snapshot {
    Snapshot { errors, ..Snapshot::default() }
}

fn json_of(snapshot: &Snapshot, standing: Option<Standing>, ready: bool) -> Value {
    let seen = Seen {
        snapshot,
        catalogue: &Catalogue::built_in(),
        own: &Own::new(&Registry::new()).unwrap(),
        standing,
        ready,
        config_file: Some("/etc/zai.yaml".to_string()),
        refused: Some("/etc/zai.yaml: line 1".to_string()),
        started: NOW - MINUTE,
        now: NOW,
    };
    serde_json::to_value(Status::of(seen)).unwrap()
}

/// The JSON of a running, ready exporter.
fn shown(snapshot: &Snapshot) -> Value {
    json_of(snapshot, Some(Standing::default()), true)
}

fn find<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|item| item[key] == value).unwrap_or_else(|| panic!("no {key} {value}"))
}

#[test]
fn one_refused_prompt_says_nothing_of_the_account() {
    let policy = |errors| find(&shown(&of_errors(errors))["conditions"], "id", "policy").clone();
    let refused = || series("search", 1301, 3, NOW - MINUTE, NOW - MINUTE);
    let only = policy(vec![refused()]);
    assert_eq!((&only["state"], &only["count"]), (&json!("ok"), &json!(0)));
    let blocked = policy(vec![refused(), series("search", 1300, 2, NOW - MINUTE, NOW - MINUTE)]);
    assert_eq!((&blocked["state"], &blocked["count"]), (&json!("failing"), &json!(2)));
}

#[test]
fn an_error_is_summed_over_its_label_sets_and_documented() {
    let json = shown(&of_errors(vec![
        series("a", 1113, 2, NOW - 9 * MINUTE, NOW - 3 * MINUTE),
        series("b", 1113, 40, NOW - 7 * MINUTE, NOW - 2 * MINUTE),
        series("c", 1113, 0, 0, 0),
    ]));
    let error = find(&json["errors"], "code", "1113");
    assert_eq!((&error["category"], &error["condition"]), (&json!("account"), &json!("balance_exhausted")));
    assert_eq!(error["count"], 42);
    assert_eq!(error["first_seen"], "2026-11-24T11:51:00Z");
    assert_eq!(error["last_seen"], "2026-11-24T11:58:00Z");
    assert!(error["message"].as_str().unwrap().contains("arrears"));
    assert!(error["solution"].is_string());
    let affected = json!([
        {"labels": {"team": "b"}, "count": 40, "last_seen": "2026-11-24T11:58:00Z"},
        {"labels": {"team": "a"}, "count": 2, "last_seen": "2026-11-24T11:57:00Z"},
    ]);
    assert_eq!(error["affected"], affected);
}

#[test]
fn every_documented_error_is_there_before_it_is_seen() {
    let json = shown(&Snapshot::default());
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), Catalogue::built_in().rows().len());
    assert!(errors.iter().all(|e| e["count"] == 0 && e["first_seen"].is_null() && e["last_seen"].is_null()));
    assert!(json["conditions"].as_array().unwrap().iter().all(|c| c["state"] == "ok"));
}

#[test]
fn a_condition_fails_for_a_quarter_of_an_hour_after_its_last_error() {
    let states = |ago: Millis| {
        let json = shown(&of_errors(vec![series("a", 1112, 1, NOW - ago, NOW - ago)]));
        let state = |id| find(&json["conditions"], "id", id)["state"].as_str().unwrap().to_string();
        (state("account"), state("balance"))
    };
    let (failing, earlier, ok) = ("failing".to_string(), "earlier".to_string(), "ok".to_string());
    assert_eq!(states(15 * MINUTE), (failing.clone(), ok.clone()));
    assert_eq!(states(15 * MINUTE + 1), (earlier, ok.clone()));
    // A log whose clock is ahead is no reason to keep silent.
    assert_eq!(states(-60 * MINUTE), (failing, ok));
}

#[test]
fn a_condition_tells_who_is_affected_over_all_its_codes() {
    let json = shown(&of_errors(vec![
        series("a", 1112, 1, NOW, NOW),
        series("a", 1121, 2, NOW, NOW),
        series("b", 1110, 5, 1, 1),
    ]));
    let account = find(&json["conditions"], "id", "account");
    assert_eq!(account["count"], 8);
    assert_eq!(account["affected"][0]["labels"]["team"], "a");
    assert_eq!(account["affected"][0]["count"], 3);
    assert_eq!(account["errors"].as_array().unwrap().len(), 3);
}

#[test]
fn of_many_label_sets_the_latest_are_listed_and_all_are_counted() {
    let many =
        (0..25).flat_map(|i| [series(&format!("t{i:02}"), 1112, 1, NOW + i, NOW + i), series("a", 1121, 1, 1, 1)]);
    let json = shown(&of_errors(many.collect()));
    let account = find(&json["conditions"], "id", "account");
    assert_eq!(account["affected"].as_array().unwrap().len(), 10);
    assert_eq!((&account["count"], &account["affected_left_off"]), (&json!(50), &json!(16)));
    assert_eq!(account["affected"][0]["labels"]["team"], "t24");
    assert_eq!(find(&json["errors"], "code", "1112")["affected_left_off"], 15);
}

#[test]
fn before_the_first_pass_nothing_is_claimed() {
    let json = json_of(&Snapshot::default(), Some(Standing::default()), false);
    assert_eq!(json["ready"], false);
    assert_eq!(json["errors"], json!([]));
    assert!(json["conditions"].as_array().unwrap().iter().all(|c| c["state"] == "unknown"));
}

#[test]
fn an_engine_that_has_ended_is_told_of() {
    assert_eq!(json_of(&Snapshot::default(), None, true)["engine_running"], false);
    assert_eq!(shown(&Snapshot::default())["engine_running"], true);
}

#[test]
fn a_bare_status_names_what_it_may_mean_and_an_undocumented_code_nothing() {
    let key = |category, code| ErrorKey { category, code, condition: Condition::Unspecified };
    let one = |key| ErrorSeries { labels: LabelSet::new().into(), key, count: 1, first: NOW, last: NOW };
    let bare = one(key(Category::Http, Code::Number(429)));
    let json = shown(&of_errors(vec![bare, one(key(Category::Unknown, Code::Number(1999)))]));
    let errors = json["errors"].as_array().unwrap();
    let bare = errors.iter().find(|e| e["code"] == "429" && e["condition"] == "unspecified").unwrap();
    assert!(bare["message"].as_str().unwrap().contains("Account balance exhausted"), "{bare}");
    assert_eq!(bare["affected"], json!([]));
    let unknown = find(&json["errors"], "code", "1999");
    assert_eq!((&unknown["message"], &unknown["solution"]), (&Value::Null, &Value::Null));
}

#[test]
fn answers_and_finish_reasons_are_summed_over_label_sets() {
    let answer = |team, value, count| Series { labels: labels(team).into(), value, count };
    let finish = |team, value, count| Series { labels: labels(team).into(), value, count };
    let json = shown(&Snapshot {
        answers: vec![answer("a", 200, 7), answer("a", 429, 1), answer("b", 200, 4)],
        finishes: vec![finish("a", FinishReason::Sensitive, 1), finish("b", FinishReason::Sensitive, 2)],
        ..Snapshot::default()
    });
    assert_eq!(json["http_responses"], json!([{"value": 200, "count": 11}, {"value": 429, "count": 1}]));
    assert_eq!(json["finish_reasons"], json!([{"value": "sensitive", "count": 3}]));
}

#[test]
fn files_in_trouble_and_behind_come_first_and_the_list_is_bounded() {
    let file = |name: String, lag, trouble: Option<&str>| Followed {
        path: PathBuf::from(name),
        position: 10,
        lag,
        written: NOW,
        trouble: trouble.map(str::to_string),
    };
    let mut files: Vec<Followed> = (0..300).map(|i| file(format!("/log/{i:03}"), 0, None)).collect();
    files.push(file("/log/behind".to_string(), 9, None));
    files.push(file("/log/trouble".to_string(), 0, Some("cannot look at it: permission denied")));
    let json = json_of(&Snapshot::default(), Some(Standing { files, ..Standing::default() }), true);
    let listed = json["files"]["listed"].as_array().unwrap();
    let paths: Vec<_> = listed.iter().take(3).map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/log/trouble", "/log/behind", "/log/000"]);
    assert_eq!((&json["files"]["names"], &json["files"]["in_trouble"], listed.len()), (&json!(302), &json!(1), 200));
}

#[test]
fn the_last_hour_is_per_category() {
    let mut history = History::default();
    let of = |count| of_errors(vec![series("a", 1113, count, NOW, NOW)]);
    history.observe(&of(5), NOW - 2 * MINUTE);
    history.observe(&of(8), NOW);
    let standing = Standing { last_hour: history.last_hour(NOW), ..Standing::default() };
    let json = json_of(&of(8), Some(standing), true);
    let hour = &json["last_hour"];
    assert_eq!(hour["minutes"][59], "2026-11-24T12:00:00Z");
    assert_eq!((&hour["total"][56], &hour["total"][58], &hour["total"][59]), (&Value::Null, &json!(0), &json!(3)));
    assert_eq!(find(&hour["categories"], "category", "account")["counts"][59], 3);
    assert_eq!(find(&hour["categories"], "category", "http")["counts"][59], 0);
}

#[test]
fn a_refused_configuration_is_shown() {
    let json = shown(&Snapshot::default());
    assert_eq!(json["configuration"]["file"], "/etc/zai.yaml");
    assert_eq!(json["configuration"]["problem"], "/etc/zai.yaml: line 1");
}
