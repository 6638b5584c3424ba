//! What container runtimes put around a line, taken off again: CRI, Docker's json-file, docker-compose.

use std::borrow::Cow;

use memchr::{memchr, memmem};
use serde::{Deserialize, Serialize};

/// Texts in every line that is only a part of one under CRI; the reader must look at these lines.
pub const CRI_PART: [&str; 2] = ["stdout P ", "stderr P "];

/// What follows the text of every Docker record; see [`is_docker_part`].
pub const DOCKER_END: &str = "\",\"stream\":\"";

/// Whether the record whose [`DOCKER_END`] stands at `at` is only a part of a line: Docker says so in nothing but the
/// newline that its text lacks.
pub fn is_docker_part(bytes: &[u8], at: usize) -> bool {
    without_escape(&bytes[..at], b'n').is_none()
}

/// A JSON string's inside without the escape `\\` + `letter` at its end, if it has one: behind an escaped backslash the letter is a letter.
fn without_escape(text: &[u8], letter: u8) -> Option<&[u8]> {
    let text = text.strip_suffix(&[letter])?;
    let backslashes = text.iter().rev().take_while(|b| **b == b'\\').count();
    (backslashes % 2 == 1).then(|| &text[..text.len() - 1])
}

const DOCKER: &[u8] = b"{\"log\":\"";

/// What stood around a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the runtime took the line, as it wrote it (RFC 3339).
    pub time: Option<&'a [u8]>,
}

/// A line without its frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// A whole line.
    Whole(Cow<'a, [u8]>, Frame<'a>),
    /// A part of a line; more is to come on the same stream.
    Part,
}

/// The parts of split lines that are still open, one a stream. Part of what is committed, so that a restart
/// between two parts changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    open: [Vec<u8>; 2],
}

impl Frames {
    /// Whether a split line is open: then every line must be looked at.
    pub fn is_open(&self) -> bool {
        self.open.iter().any(|o| !o.is_empty())
    }

    /// Takes the frame off `line`. Parts are kept up to `limit` bytes a stream.
    pub fn unwrap<'a>(&mut self, line: &'a [u8], limit: usize) -> Framed<'a> {
        if let Some((time, stream, part, payload)) = cri(line) {
            return self.piece(Cow::Borrowed(payload), stream, part, Frame { time: Some(time) }, limit);
        }
        if let Some(docker) = line.strip_prefix(DOCKER).and_then(docker) {
            let (payload, stream, part, time) = docker;
            return self.piece(payload, stream, part, Frame { time }, limit);
        }
        Framed::Whole(Cow::Borrowed(compose(line)), Frame { time: None })
    }

    fn piece<'a>(
        &mut self,
        payload: Cow<'a, [u8]>,
        stream: usize,
        part: bool,
        frame: Frame<'a>,
        limit: usize,
    ) -> Framed<'a> {
        let open = &mut self.open[stream];
        if part {
            let room = limit.saturating_sub(open.len());
            open.extend_from_slice(&payload[..payload.len().min(room)]);
            return Framed::Part;
        }
        if open.is_empty() {
            return Framed::Whole(payload, frame);
        }
        let mut whole = std::mem::take(open);
        let room = limit.saturating_sub(whole.len());
        whole.extend_from_slice(&payload[..payload.len().min(room)]);
        Framed::Whole(Cow::Owned(whole), frame)
    }
}

/// A line without its frame, as it stands: escaped, if Docker wrote it, and perhaps a part.
pub fn payload(line: &[u8]) -> &[u8] {
    let docker = || line.strip_prefix(DOCKER).and_then(docker_end).map(|(text, _)| text);
    match cri(line) {
        Some((_, _, _, payload)) => payload,
        None => docker().unwrap_or_else(|| compose(line)),
    }
}

/// `2026-12-16T12:00:00.130211130Z stderr F payload`: time, stream, whether it is a part, payload.
fn cri(line: &[u8]) -> Option<(&[u8], usize, bool, &[u8])> {
    let space = memchr(b' ', line.get(..40.min(line.len()))?)?;
    let time = &line[..space];
    if space < 20 || time[4] != b'-' || time[10] != b'T' {
        return None;
    }
    let rest = &line[space + 1..];
    let stream = match rest.get(..7)? {
        b"stdout " => 0,
        b"stderr " => 1,
        _ => return None,
    };
    let tags = &rest[7..];
    let end = memchr(b' ', tags).unwrap_or(tags.len());
    let part = match tags.first()? {
        b'P' => true,
        b'F' => false,
        _ => return None,
    };
    Some((time, stream, part, tags.get(end + 1..).unwrap_or(b"")))
}

/// The text and the tail (`"stream":"stderr","time":"…"}`) of a record without its head.
fn docker_end(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memmem::rfind(rest, DOCKER_END.as_bytes())?;
    Some((&rest[..at], &rest[at + 2..]))
}

/// Text, stream, whether it is a part, time.
type Record<'a> = (Cow<'a, [u8]>, usize, bool, Option<&'a [u8]>);

fn docker(rest: &[u8]) -> Option<Record<'_>> {
    let (text, tail) = docker_end(rest)?;
    let stream = usize::from(memmem::find(tail, b"\"stream\":\"stderr\"").is_some());
    let time = memmem::find(tail, b"\"time\":\"").map(|at| {
        let time = &tail[at + 8..];
        &time[..memchr(b'"', time).unwrap_or(time.len())]
    });
    let whole = without_escape(text, b'n');
    let text = whole.map_or(text, |text| without_escape(text, b'r').unwrap_or(text));
    Some((unescape(text), stream, whole.is_none(), time))
}

/// Undoes JSON string escapes (RFC 8259, section 7).
fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', text) else {
        return Cow::Borrowed(text);
    };
    // A text that is no JSON string after all is used as it stands.
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(text);
    quoted.push(b'"');
    match std::str::from_utf8(&quoted).ok().and_then(|q| serde_json::from_str::<String>(q).ok()) {
        Some(plain) => Cow::Owned(plain.into_bytes()),
        None => Cow::Owned(by_hand(text, first)),
    }
}

/// For texts with invalid UTF-8: only the one-letter escapes.
fn by_hand(text: &[u8], first: usize) -> Vec<u8> {
    let mut out = text[..first].to_vec();
    let mut bytes = text[first..].iter();
    while let Some(&b) = bytes.next() {
        match b {
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(b't') => out.push(b'\t'),
                Some(&other @ (b'"' | b'\\' | b'/')) => out.push(other),
                Some(&other) => out.extend([b'\\', other]),
                None => out.push(b'\\'),
            },
            b => out.push(b),
        }
    }
    out
}

/// `api-1  | payload`, docker-compose's prefix.
fn compose(line: &[u8]) -> &[u8] {
    let Some(bar) = memchr(b'|', &line[..line.len().min(64)]) else {
        return line;
    };
    let name = line[..bar].trim_ascii_end();
    let named = !name.is_empty()
        && name.len() < bar
        && name.last().is_some_and(u8::is_ascii_digit)
        && name[0].is_ascii_alphabetic()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if named { line[bar + 1..].strip_prefix(b" ").unwrap_or(&line[bar + 1..]) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(line: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        match Frames::default().unwrap(line, 1 << 20) {
            Framed::Whole(payload, frame) => (payload.into_owned(), frame.time.map(<[u8]>::to_vec)),
            Framed::Part => panic!("a part"),
        }
    }

    #[test]
    fn a_docker_part_that_ends_like_a_line_is_a_part() {
        // The text holds a backslash and an n, as JSON in a log does; Docker's own newline is missing.
        let part = br#"{"log":"{\"body\": \"one\\n","stream":"stderr","time":"2026-12-16T12:00:00.1Z"}"#;
        let end = br#"{"log":"two\n","stream":"stderr","time":"2026-12-16T12:00:00.1Z"}"#;
        let mut frames = Frames::default();
        assert_eq!(frames.unwrap(part, 1 << 20), Framed::Part);
        let Framed::Whole(text, _) = frames.unwrap(end, 1 << 20) else { panic!("a part") };
        assert_eq!(text, br#"{"body": "one\ntwo"#.as_slice());
        let at = memmem::find(part, DOCKER_END.as_bytes()).unwrap();
        assert!(is_docker_part(part, at));
    }

    #[test]
    fn frames_come_off_and_plain_lines_stay() {
        assert_eq!(whole(b"plain | text").0, b"plain | text");
        assert_eq!(whole(b"api-1  | hello").0, b"hello");
        let (payload, time) = whole(b"2026-12-16T12:00:00.130211130Z stderr F a \"b\"");
        assert_eq!(
            (payload.as_slice(), time.as_deref()),
            (&b"a \"b\""[..], Some(&b"2026-12-16T12:00:00.130211130Z"[..]))
        );
        let (payload, time) =
            whole(br#"{"log":"say \"hi\" \u4f59\n","stream":"stderr","time":"2026-10-01T12:00:00.1Z"}"#);
        assert_eq!((payload, time), ("say \"hi\" 余".into(), Some(b"2026-10-01T12:00:00.1Z".to_vec())));
    }

    #[test]
    fn parts_are_put_together_within_their_stream() {
        let mut frames = Frames::default();
        assert_eq!(frames.unwrap(b"2026-12-16T12:00:00.1Z stderr P one ", 100), Framed::Part);
        assert!(frames.is_open());
        let other = frames.unwrap(b"2026-12-16T12:00:00.2Z stdout F other", 100);
        assert!(matches!(&other, Framed::Whole(p, _) if p.as_ref() == b"other"), "{other:?}");
        let whole = frames.unwrap(b"2026-12-16T12:00:00.3Z stderr F line", 100);
        assert!(matches!(&whole, Framed::Whole(p, _) if p.as_ref() == b"one line"), "{whole:?}");
        assert!(!frames.is_open());
    }

    #[test]
    fn a_docker_record_without_its_newline_is_a_part() {
        let mut frames = Frames::default();
        let first = br#"{"log":"one ","stream":"stdout","time":"t"}"#;
        assert_eq!(frames.unwrap(first, 100), Framed::Part);
        assert!(is_docker_part(first, memmem::find(first, DOCKER_END.as_bytes()).unwrap()));
        let whole = frames.unwrap(br#"{"log":"line\n","stream":"stdout","time":"t"}"#, 100);
        assert!(matches!(&whole, Framed::Whole(p, _) if p.as_ref() == b"one line"), "{whole:?}");
    }

    #[test]
    fn parts_stay_within_the_limit() {
        let mut frames = Frames::default();
        for _ in 0..100 {
            frames.unwrap(b"2026-12-16T12:00:00.1Z stderr P 0123456789", 64);
        }
        let whole = frames.unwrap(b"2026-12-16T12:00:00.3Z stderr F line", 64);
        assert!(matches!(&whole, Framed::Whole(p, _) if p.len() == 64), "{whole:?}");
    }
}
