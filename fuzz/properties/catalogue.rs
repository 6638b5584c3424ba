//! Rows that are laid over the catalogue: they are read as `catalogue -o yaml` prints them, and errors of their codes are counted.

use std::sync::Arc;

use jiff::tz::TimeZone;
use zai_exporter::catalogue::{Catalogue, parse_rows};
use zai_exporter::cli::table;
use zai_exporter::fold::Event;
use zai_exporter::log::{Parser, Progress};
use zai_exporter::recognise::{Identity, Recogniser};

use super::config::assert_told;

/// The bytes as rows.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let rows = match parse_rows(text) {
        Ok(rows) => rows,
        Err(mistakes) => return assert_told(&mistakes, text),
    };
    let new: Vec<u32> = rows.iter().filter(|r| (1_000..10_000).contains(&r.code)).map(|r| r.code).collect();
    let catalogue = Catalogue::with(rows);
    let printed = table::catalogue_yaml(&catalogue);
    let again = Catalogue::with(parse_rows(&printed).expect("what was printed is read"));
    assert_eq!(catalogue.rows().len(), again.rows().len());
    for (one, two) in catalogue.rows().iter().zip(again.rows()) {
        assert_eq!((one.code, one.category, one.condition), (two.code, two.category, two.condition));
        assert_eq!((&one.message, &one.solution), (&two.message, &two.solution));
    }
    let recogniser = Recogniser::new(Arc::new(catalogue), &[], TimeZone::UTC);
    for code in new.iter().take(4) {
        counts(&recogniser, *code);
    }
}

fn counts(recogniser: &Recogniser, code: u32) {
    let line = format!(
        "POST https://api.z.ai/api/paas/v4/chat/completions failed: Error code: 429, with error text {{\"error\":{{\"code\":\"{code}\",\"message\":\"x\"}}}}\n"
    );
    let (mut parser, mut progress, mut events) = (Parser::default(), Progress::default(), Vec::new());
    parser.feed(recogniser, &mut progress, line.as_bytes(), 1 << 20, &mut |e| events.push(e));
    let told = events.iter().any(|e| matches!(e, Event::Failure(Identity::Business(c), _) if *c == code));
    assert!(told, "{code}: {events:?}");
}
