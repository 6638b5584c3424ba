//! The frames of container runtimes: what is put into one comes out again, and nothing grows without bound.

use std::borrow::Cow;

use zai_exporter::lines::{Framed, Frames, strip_ansi};

use super::steered;

const LIMIT: usize = 256;

/// Lines as they stand; and a text that is split as a runtime does (where, says what stands before the first NUL byte) and framed.
pub fn holds(data: &[u8]) {
    lines_as_they_stand(data);
    let (cuts, text) = steered(data);
    let text = &text[..text.len().min(LIMIT)];
    if !text.contains(&b'\n') {
        cri(text, cuts);
        if let Ok(text) = std::str::from_utf8(text) {
            docker(text, cuts);
        }
    }
}

fn lines_as_they_stand(data: &[u8]) {
    let mut frames = Frames::default();
    for line in data.split(|b| *b == b'\n') {
        if let Framed::Whole(payload, frame) = frames.unwrap(line, LIMIT) {
            assert!(payload.len() <= line.len() + LIMIT);
            assert!(frame.time.is_none_or(|t| t.len() <= line.len()));
            let mut plain = Vec::new();
            strip_ansi(&payload, &mut plain);
            assert!(plain.len() <= payload.len() && (payload.contains(&0x1B) || plain == *payload));
        }
        let saved = serde_json::to_string(&frames).expect("frames can be saved");
        assert_eq!(frames, serde_json::from_str(&saved).expect("saved frames can be read"));
        assert!(saved.len() < 16 * LIMIT);
    }
}

/// Cuts `text` into parts.
fn parts<'a>(mut text: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for cut in cuts {
        let (part, rest) = text.split_at(text.len().min(usize::from(*cut)));
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

fn cri(text: &[u8], cuts: &[u8]) {
    let parts = parts(text, cuts);
    let mut frames = Frames::default();
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        let tag = if last { "F" } else { "P" };
        let line = [format!("2026-12-16T12:00:00.130211130Z stdout {tag} ").as_bytes(), part].concat();
        // A line of the other stream stands between any two parts and is told at once.
        let between = frames.unwrap(b"2026-12-16T12:00:00.1Z stderr F between", LIMIT);
        assert!(matches!(between, Framed::Whole(Cow::Borrowed(b"between"), _)));
        match frames.unwrap(&line, LIMIT) {
            Framed::Part => assert!(!last),
            Framed::Whole(payload, _) => assert_eq!((&*payload, last), (text, true)),
        }
    }
    assert!(!frames.is_open());
}

fn docker(text: &str, cuts: &[u8]) {
    // Docker cuts where it likes; json-file then has no character that is cut in two.
    let cuts: Vec<u8> =
        cuts.iter().map(|c| (0..=*c).rev().find(|c| text.is_char_boundary(usize::from(*c))).unwrap_or(0)).collect();
    let cuts = cuts.first().map_or(&[][..], std::slice::from_ref);
    let parts = parts(text.as_bytes(), cuts);
    // A carriage return is the line's only where it stands beside the newline.
    let with_the_newline = parts.last().is_some_and(|part| part.ends_with(b"\r"));
    let expected = if with_the_newline { &text[..text.len() - 1] } else { text };
    let mut frames = Frames::default();
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        let part = std::str::from_utf8(part).expect("it was cut between characters").to_string();
        let text = serde_json::Value::String(if last { part + "\n" } else { part });
        let line = format!("{{\"log\":{text},\"stream\":\"stderr\",\"time\":\"2026-12-16T12:00:00.1Z\"}}");
        match frames.unwrap(line.as_bytes(), LIMIT) {
            Framed::Part => assert!(!last),
            Framed::Whole(payload, _) => assert_eq!((&*payload, last), (expected.as_bytes(), true)),
        }
    }
}
