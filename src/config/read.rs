//! The configuration as it is written: YAML, every mistake named with its line.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{Config, Exclusion, Labels, Limits, LogPath, PathLabels, SourceConfig};
use crate::catalogue::{Catalogue, Row, read_row};
use crate::recognise::Recogniser;
use crate::yaml::{self, Mistake, Mistakes, Node};

const KEYS: [&str; 5] = ["hosts", "timezone", "sources", "limits", "catalogue"];
const SOURCE_KEYS: [&str; 4] = ["paths", "exclude", "labels", "path_labels"];
const LIMIT_KEYS: [&str; 3] = ["line_bytes", "label_values", "unknown_codes"];

/// Labels that the metrics have of themselves, and that scraping adds.
const RESERVED: [&str; 8] = ["category", "code", "condition", "status", "finish_reason", "job", "instance", "le"];

/// The shortest limit of a line: Docker splits at 16 KiB, and less would cut real error lines.
const LEAST_LINE_BYTES: u64 = 16 * 1024;

/// Reads a configuration.
pub fn parse(text: &str) -> Result<Config, Vec<Mistake>> {
    yaml::read(text, read)
}

fn read(root: &Node<'_>, mistakes: &mut Mistakes) -> Option<Config> {
    let mut section = root.section(mistakes)?;
    let hosts = section.take("hosts").map(|n| read_hosts(&n, mistakes)).unwrap_or_default();
    let zone = section.take("timezone").map_or_else(|| Some(TimeZone::system()), |n| read_zone(&n, mistakes));
    let sources = section.take("sources").map(|n| read_sources(&n, mistakes)).unwrap_or_default();
    let limits = section.take("limits").map_or_else(|| Some(Limits::default()), |n| read_limits(&n, mistakes));
    let rows = section.take("catalogue").map(|n| read_overrides(&n, mistakes)).unwrap_or_default();
    section.finish(&KEYS, mistakes);
    let catalogue = Arc::new(Catalogue::with(rows));
    Some(Config { sources, recogniser: Arc::new(Recogniser::new(catalogue, &hosts, zone?)), limits: limits? })
}

fn read_hosts(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<String> {
    let mut hosts = Vec::new();
    for item in node.list(mistakes) {
        let Some(host) = item.text(mistakes) else { continue };
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.len() < 4 || !host.chars().all(name) {
            mistakes.add(&item, format!("`{host}` is no host name; write it without scheme, port and path"));
        } else {
            hosts.push(host);
        }
    }
    hosts
}

fn read_zone(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<TimeZone> {
    let name = node.text(mistakes)?;
    match TimeZone::get(&name) {
        Ok(zone) => Some(zone),
        Err(e) => {
            mistakes.add(node, format!("`{name}` is no time zone of the IANA database: {e}"));
            None
        }
    }
}

fn read_sources(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<SourceConfig> {
    node.list(mistakes).iter().filter_map(|item| read_source(item, mistakes)).collect()
}

fn read_source(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<SourceConfig> {
    let mut section = node.section(mistakes)?;
    let paths = section.need("paths", mistakes).map(|n| read_globs(&n, mistakes));
    let exclude = section.take("exclude").map(|n| read_patterns(&n, mistakes)).unwrap_or_default();
    let labels = section.take("labels").map(|n| read_labels(&n, mistakes)).unwrap_or_default();
    let path_labels = section.take("path_labels").and_then(|n| read_path_labels(&n, mistakes));
    section.finish(&SOURCE_KEYS, mistakes);
    Some(SourceConfig { paths: paths?, exclude, labels, path_labels })
}

fn read_globs(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<LogPath> {
    let mut globs = Vec::new();
    for item in node.list(mistakes) {
        let Some(text) = item.text(mistakes) else { continue };
        match LogPath::parse(&text) {
            Ok(path) => globs.push(path),
            Err(e) => mistakes.add(&item, format!("`{text}` is no glob: {e}")),
        }
    }
    if globs.is_empty() {
        mistakes.add(node, "names no path: a source that follows nothing counts nothing");
    }
    globs
}

fn read_patterns(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<Exclusion> {
    let mut patterns = Vec::new();
    for item in node.list(mistakes) {
        let Some(text) = item.text(mistakes) else { continue };
        match Exclusion::parse(&text) {
            Ok(pattern) => patterns.push(pattern),
            Err(e) => mistakes.add(&item, format!("`{text}` is no pattern: {e}")),
        }
    }
    patterns
}

fn read_labels(node: &Node<'_>, mistakes: &mut Mistakes) -> Labels {
    let Some(section) = node.section(mistakes) else { return Labels::new() };
    let mut labels = Labels::new();
    for (name, value) in section.rest() {
        if let Some(fault) = label_fault(&name) {
            mistakes.add(&value, fault);
        } else if let Some(text) = value.text(mistakes) {
            labels.insert(name, text);
        }
    }
    labels
}

fn read_path_labels(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<PathLabels> {
    let text = node.text(mistakes)?;
    let labels = match PathLabels::parse(&text) {
        Ok(labels) => labels,
        Err(fault) => {
            mistakes.add(node, fault);
            return None;
        }
    };
    let fault = labels.names().find_map(label_fault);
    match fault {
        Some(fault) => {
            mistakes.add(node, fault);
            None
        }
        None => Some(labels),
    }
}

/// What is wrong with the name of a label (Prometheus data model).
fn label_fault(name: &str) -> Option<String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !first || !rest || name.starts_with("__") {
        return Some(format!("`{name}` is no label name; it must match [a-zA-Z_][a-zA-Z0-9_]* and not begin with __"));
    }
    RESERVED.contains(&name).then(|| format!("`{name}` is a label that the metrics or the scrape set themselves"))
}

fn read_limits(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<Limits> {
    let mut section = node.section(mistakes)?;
    let mut limits = Limits::default();
    let mut number = |name: &str, least: u64, limit: &mut usize, mistakes: &mut Mistakes| {
        let value = section.take(name).and_then(|n| n.number(least, mistakes));
        if let Some(value) = value.and_then(|v| usize::try_from(v).ok()) {
            *limit = value;
        }
    };
    number("line_bytes", LEAST_LINE_BYTES, &mut limits.line_bytes, mistakes);
    number("label_values", 1, &mut limits.label_values, mistakes);
    number("unknown_codes", 0, &mut limits.unknown_codes, mistakes);
    section.finish(&LIMIT_KEYS, mistakes);
    Some(limits)
}

/// Rows of the catalogue; a row that is new must say all that its series needs.
fn read_overrides(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<Row> {
    let built_in = Catalogue::built_in();
    let mut rows = Vec::new();
    for item in node.list(mistakes) {
        let before = mistakes.0.len();
        let row = read_row(&item, mistakes);
        if let Some(row) = row.filter(|_| mistakes.0.len() == before) {
            let known = built_in.rows().iter().any(|old| row.replaces(old));
            if !known && !row.is_complete() {
                mistakes.add(
                    &item,
                    format!("code {} is in no documented table: a new row needs `category` and `condition`", row.code),
                );
            }
            rows.push(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert!(parse("").unwrap().sources.is_empty());
        assert!(parse("# nothing\n").is_ok());
    }

    #[test]
    fn everything_can_be_said() {
        let config = parse(
            "hosts: [llm.example.com]\ntimezone: Asia/Shanghai\nsources:\n  - paths: ['/var/log/*.log']\n    exclude: ['*.gz']\n    \
             labels: {team: search}\n    path_labels: kubernetes\nlimits: {line_bytes: 65536, label_values: 10, unknown_codes: 5}\n\
             catalogue:\n  - {code: 1999, category: account, condition: account_locked, message: m, solution: s}\n  - {code: 1100, category: account}\n",
        )
        .unwrap();
        assert_eq!(config.limits, Limits { line_bytes: 65_536, label_values: 10, unknown_codes: 5 });
        assert!(config.sources[0].excludes("/var/log/a.gz".as_ref()));
        assert!(config.recogniser.catalogue.business(1999).is_some());
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let text = "hosts: ['https://x.y']\ntimezone: Mars/Base\nsource: []\nsources:\n  - labels: {code: x, 9a: y}\n  - paths: []\n    \
                    path_labels: '/srv/.*'\nlimits: {line_bytes: 1, speed: 9}\ncatalogue:\n  - {code: 1999}\n  - {code: 1113, condition: poor}\n";
        let mistakes = parse(text).unwrap_err();
        let lines: Vec<usize> = mistakes.iter().map(|m| m.line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 5, 5, 6, 7, 8, 8, 10, 11], "{mistakes:#?}");
    }

    #[test]
    fn broken_yaml_is_named_with_its_line() {
        let mistakes = parse("hosts: [a.example\nsources: [\n").unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].line >= 2, "{mistakes:?}");
    }
}
