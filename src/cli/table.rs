//! What commands print for people, and the same for programs.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Row};
use crate::ledger::{ErrorKey, ErrorSeries};
use crate::recognise::time::Millis;
use crate::scan::Found;

/// The errors of a scan, the most frequent first, with what the documentation says about each.
pub fn scan(found: &Found, catalogue: &Catalogue) -> String {
    let mut seen: Vec<&ErrorSeries> = found.snapshot.errors.iter().filter(|s| s.count > 0).collect();
    seen.sort_by_key(|s| (std::cmp::Reverse(s.count), s.key.clone()));
    let mut out = String::new();
    if seen.is_empty() {
        out.push_str("No failed call of the API in these logs.\n");
    } else {
        let names: Vec<&String> = found.snapshot.label_names.iter().collect();
        let mut table = new_table();
        let head = ["category", "code", "count", "first seen", "last seen", "message", "what to do"];
        table.set_header(head.map(str::to_string).into_iter().chain(names.iter().map(ToString::to_string)));
        for series in &seen {
            let row = row_of(catalogue, &series.key);
            let mut cells = vec![
                Cell::new(series.key.category),
                Cell::new(series.key.code.as_str()),
                Cell::new(series.count).set_alignment(CellAlignment::Right),
                Cell::new(clock(series.first)),
                Cell::new(clock(series.last)),
                Cell::new(row.map_or("", |r| &r.message)),
                Cell::new(row.map_or("", |r| &r.solution)),
            ];
            cells.extend(names.iter().map(|n| Cell::new(series.labels.get(*n).map_or("", String::as_str))));
            table.add_row(cells);
        }
        out = format!("{table}\n");
    }
    let pairs = |items: Vec<(String, u64)>| {
        let list: Vec<String> = items.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
        if list.is_empty() { "none".to_string() } else { list.join(", ") }
    };
    let answers = found.snapshot.answers.iter().map(|s| (s.value.to_string(), s.count)).collect();
    let finishes = found.snapshot.finishes.iter().map(|s| (s.value.as_str().to_string(), s.count)).collect();
    let failed: u64 = seen.iter().map(|s| s.count).sum();
    out + &format!(
        "failed calls   {failed}\nHTTP answers   {}\nfinish reasons {}\nread           {} lines, {} bytes, {} files\n",
        pairs(answers),
        pairs(finishes),
        found.read.lines,
        found.read.bytes,
        found.files
    )
}

/// The same as JSON.
pub fn scan_json(found: &Found, catalogue: &Catalogue) -> String {
    let error = |s: &ErrorSeries| {
        let row = row_of(catalogue, &s.key);
        json!({
            "category": s.key.category, "code": s.key.code.as_str(), "condition": s.key.condition, "labels": *s.labels,
            "count": s.count, "first_seen": rfc3339(s.first), "last_seen": rfc3339(s.last),
            "message": row.map(|r| &r.message), "solution": row.map(|r| &r.solution),
        })
    };
    let errors: Vec<Value> = found.snapshot.errors.iter().filter(|s| s.count > 0).map(error).collect();
    let answers: Vec<Value> = found
        .snapshot
        .answers
        .iter()
        .filter(|s| s.count > 0)
        .map(|s| json!({"status": s.value, "labels": *s.labels, "count": s.count}))
        .collect();
    let finishes: Vec<Value> = found
        .snapshot
        .finishes
        .iter()
        .filter(|s| s.count > 0)
        .map(|s| json!({"finish_reason": s.value, "labels": *s.labels, "count": s.count}))
        .collect();
    let all = json!({
        "errors": errors, "http_responses": answers, "finish_reasons": finishes,
        "read": {
            "files": found.files, "lines": found.read.lines, "bytes": found.read.bytes,
            "lines_too_long": found.read.too_long, "unrecognised_lookalikes": found.look_alikes,
        },
        "failed": found.failed,
    });
    format!("{all:#}\n")
}

/// The catalogue.
pub fn catalogue(catalogue: &Catalogue) -> String {
    let mut table = new_table();
    table.set_header(["category", "code", "condition", "message", "what to do", "table"]);
    for row in catalogue.rows() {
        table.add_row([
            row.category.to_string(),
            row.code.to_string(),
            row.condition.to_string(),
            row.message.clone(),
            row.solution.clone(),
            row.table.clone(),
        ]);
    }
    format!("{table}\n")
}

/// The catalogue as JSON.
pub fn catalogue_json(catalogue: &Catalogue) -> String {
    let row = |r: &Row| {
        let texts = |w: &[crate::catalogue::Wording]| w.iter().map(|w| w.text.clone()).collect::<Vec<_>>();
        json!({
            "category": r.category, "code": r.code.to_string(), "condition": r.condition, "http": r.http, "message": r.message,
            "solution": r.solution, "table": r.table, "wordings": texts(&r.wordings), "weak": texts(&r.weak), "free_text": r.free_text,
        })
    };
    let rows: Vec<Value> = catalogue.rows().iter().map(row).collect();
    format!("{:#}\n", Value::Array(rows))
}

/// The catalogue as YAML. JSON's texts are YAML's too (YAML 1.2, section 1.3), so that nothing needs quoting rules of its own.
pub fn catalogue_yaml(catalogue: &Catalogue) -> String {
    let text = |value: &str| Value::String(value.to_string()).to_string();
    let texts = |w: &[crate::catalogue::Wording]| {
        let list: Vec<String> = w.iter().map(|w| text(&w.text)).collect();
        format!("[{}]", list.join(", "))
    };
    let row = |r: &Row| {
        format!(
            "- code: {}\n  category: {}\n  condition: {}\n  http: {:?}\n  message: {}\n  solution: {}\n  table: {}\n  wordings: {}\n  weak: {}\n  free_text: {}\n",
            text(&r.code.to_string()),
            r.category,
            r.condition,
            r.http,
            text(&r.message),
            text(&r.solution),
            text(&r.table),
            texts(&r.wordings),
            texts(&r.weak),
            r.free_text
        )
    };
    catalogue.rows().iter().map(row).collect()
}

fn row_of<'a>(catalogue: &'a Catalogue, key: &ErrorKey) -> Option<&'a Row> {
    catalogue.rows().iter().find(|r| ErrorKey::of_row(r) == *key)
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(160);
    }
    table
}

fn stamp(at: Millis) -> Option<Timestamp> {
    (at != 0).then(|| Timestamp::from_millisecond(at).ok()).flatten()
}

/// A time in the user's own zone.
fn clock(at: Millis) -> String {
    stamp(at)
        .map_or_else(String::new, |t| t.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn rfc3339(at: Millis) -> Option<String> {
    stamp(at).map(|t| t.to_string())
}
