//! `http_server_config`: the headers that may be added to every answer.

use axum::http::{HeaderName, HeaderValue};

use crate::yaml::{Mistakes, Node};

const KEYS: [&str; 2] = ["http2", "headers"];

/// The headers that may be set, with the values that they may have; without any, all.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-XSS-Protection", &[]),
    ("Strict-Transport-Security", &[]),
];

/// Reads the section.
pub(super) fn read(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<(HeaderName, HeaderValue)> {
    let Some(mut section) = node.section(mistakes) else { return Vec::new() };
    // Only HTTP/1.1 is spoken, which every client falls back to: the switch has nothing to switch.
    section.take_set("http2").map(|n| n.boolean(mistakes));
    let headers = section.take_set("headers").map(|n| read_headers(&n, mistakes)).unwrap_or_default();
    section.finish(&KEYS, mistakes);
    headers
}

fn read_headers(node: &Node<'_>, mistakes: &mut Mistakes) -> Vec<(HeaderName, HeaderValue)> {
    let Some(mut section) = node.section(mistakes) else { return Vec::new() };
    let mut headers = Vec::new();
    for (name, values) in HEADERS {
        let Some(node) = section.take_set(name) else { continue };
        let Some(text) = node.text(mistakes) else { continue };
        if !values.is_empty() && !values.contains(&text.as_str()) {
            mistakes.add(&node, format!("`{text}` is no value that may be set; possible: {}", values.join(", ")));
        } else if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(&text)) {
            // A blank one is unset.
            headers.extend((!value.is_empty()).then_some((name, value)));
        } else {
            mistakes.add(&node, "has characters that no header may have");
        }
    }
    section.finish(&HEADERS.map(|(name, _)| name), mistakes);
    headers
}
