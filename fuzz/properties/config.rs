//! The configuration: each mistake has a line of the document, and what is accepted can be used.

use std::path::Path;

use zai_exporter::config;
use zai_exporter::yaml::Mistake;

/// The bytes as a configuration.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = config::parse(text);
    match &read {
        Ok(config) => {
            for source in &config.sources {
                source.labels_of("/var/log/pods/shop_api-7d9_0a1b-2c/app/0.log");
                source.excludes(Path::new("/var/log/pods/0.log"));
                assert!(!source.paths.is_empty());
            }
            assert!(config.limits.line_bytes >= 16 * 1024 && config.limits.label_values >= 1);
        }
        Err(mistakes) => assert_told(mistakes, text),
    }
    // A comment above it moves the lines and nothing else.
    if !text.starts_with(['\u{FEFF}', '%']) {
        let below = config::parse(&format!("# a comment\n{text}"));
        assert_eq!(read.is_ok(), below.is_ok());
        if let (Err(mistakes), Err(below)) = (read, below) {
            let lines = |mistakes: &[Mistake]| mistakes.iter().map(|m| (m.line, m.what.clone())).collect::<Vec<_>>();
            let moved: Vec<_> = lines(&mistakes).into_iter().map(|(line, what)| (line + 1, what)).collect();
            assert_eq!(moved, lines(&below));
        }
    }
}

/// Whether each mistake says something, about a line that is there.
pub fn assert_told(mistakes: &[Mistake], text: &str) {
    assert!(!mistakes.is_empty());
    // YAML ends lines at carriage returns too, and the end of a document is a place.
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1;
    for mistake in mistakes {
        assert!(!mistake.what.is_empty());
        assert!((1..=lines).contains(&mistake.line), "{mistake} in {lines} lines");
    }
}
