//! Values behind keys, however the client quoted them: JSON, escaped JSON, Python and JavaScript objects, Rust's Debug,
//! Java's toString, logfmt.

/// A number behind `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The number.
    pub number: u32,
    /// Whether it stands in quotes.
    pub quoted: bool,
    /// How many bytes were read, the number included.
    pub len: usize,
}

/// What may stand between a value and what holds it in Rust's Debug and in serde_json's.
const WRAPPERS: [&[u8]; 3] = [b"Some(", b"String(", b"Number("];

/// Reads the number of an error behind the word `code`: 4xx, 5xx, or 1000 and more.
pub fn code(after: &[u8]) -> Option<Code> {
    let mut at = separator(after)?;
    let mut opening = quotes(&after[at..]);
    at += opening;
    while let Some(wrapper) = WRAPPERS.iter().find(|w| after[at..].starts_with(w)) {
        at += wrapper.len();
        opening = quotes(&after[at..]);
        at += opening;
    }
    let quoted = after[at - opening..at].iter().any(|b| *b != b'\\');
    let (number, len) = number(&after[at..])?;
    let error = matches!(number, 400..=599 | 1_000..=99_999);
    error.then_some(Code { number, quoted, len: at + len })
}

/// A whole number of 3 to 5 digits that is not part of a longer word.
pub fn number(text: &[u8]) -> Option<(u32, usize)> {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let ends = !text.get(len).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
        || text.get(len) == Some(&b'.') && !text.get(len + 1).is_some_and(u8::is_ascii_digit);
    if !(3..=5).contains(&len) || !ends {
        return None;
    }
    let number = text[..len].iter().fold(0, |n, d| n * 10 + u32::from(d - b'0'));
    Some((number, len))
}

/// The bytes between a key and its value: closing quotes of the key, `:`, `=` or Ruby's and PHP's `=>`, white space.
pub fn separator(after_key: &[u8]) -> Option<usize> {
    let mut at = quotes(after_key);
    if after_key.get(at) == Some(&b']') && after_key[at..].starts_with(b"] =>") {
        at += 1; // `[code] => 1302` (PHP)
    }
    at += spaces(&after_key[at..]);
    at += match after_key.get(at)? {
        b':' => 1,
        b'=' => 1 + usize::from(after_key.get(at + 1) == Some(&b'>')),
        _ => return None,
    };
    Some(at + spaces(&after_key[at..]))
}

/// Whether an object is the value of a key: `": {`, PHP's `] => Array`, and `' =>` with the object below.
pub fn opens_object(after_key: &[u8]) -> bool {
    let Some(at) = separator(after_key) else { return false };
    let value = &after_key[at..];
    // Docker writes the end of a line as `\n`.
    let ends = || matches!(value.first(), None | Some(b'\n' | b'\r')) || value.starts_with(b"\\n");
    let below = || after_key[..at].trim_ascii_end().ends_with(b"=>") && ends();
    value.starts_with(b"{") || value.starts_with(b"Array") || below()
}

/// Quote characters as HTML writes them, and what they stand for.
pub const ENTITIES: [(&[u8], u8); 3] = [(b"&quot;", b'"'), (b"&#34;", b'"'), (b"&#39;", b'\'')];

/// Quote characters as .NET's JSON writes them, behind a backslash.
const ESCAPES: [&[u8]; 2] = [b"u0022", b"u0027"];

/// How many bytes of quote characters and backslashes `text` starts with; few at the most, so that hostile text costs nothing.
pub fn quotes(text: &[u8]) -> usize {
    let plain = text.iter().take(8).take_while(|b| matches!(b, b'"' | b'\'' | b'`' | b'\\')).count();
    let rest = &text[plain..];
    let written = match rest.first() {
        Some(b'u') if plain > 0 => ESCAPES.into_iter().find(|quote| rest.starts_with(quote)),
        Some(b'&') => ENTITIES.into_iter().map(|(entity, _)| entity).find(|entity| rest.starts_with(entity)),
        _ => None,
    };
    plain + written.map_or(0, <[u8]>::len)
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take(8).take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// The keys under which clients print why an answer ended.
const FINISH_KEYS: [&[u8]; 4] = [b"finish_reason", b"finishReason", b"stop_reason", b"finish"];

/// Reads the value of `finish_reason` and its like at the start of `text`; `null` and `None` are no value.
pub fn finish_reason(text: &[u8]) -> Option<&[u8]> {
    let key = FINISH_KEYS.iter().find(|k| text.starts_with(k))?;
    let after = &text[key.len()..];
    // `Unmapped finish_reason 'sensitive'`: a quoted value behind nothing but a space.
    let bare = || (after.starts_with(b" '") || after.starts_with(b" \"")).then_some(1);
    let mut at = separator(after).or_else(bare)?;
    at += quotes(&after[at..]);
    while let Some(wrapper) = WRAPPERS.iter().find(|w| after[at..].starts_with(w)) {
        at += wrapper.len();
        at += quotes(&after[at..]);
    }
    let value = &after[at..];
    let len = value.iter().take(40).take_while(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-')).count();
    let value = &value[..len];
    let none: [&[u8]; 6] = [b"", b"null", b"None", b"undefined", b"nil", b"NULL"];
    (!none.contains(&value)).then_some(value)
}

/// Whether `start..end` of `text` is a whole host name, or the end of one behind a dot.
pub fn is_host(text: &[u8], start: usize, end: usize) -> bool {
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let before = start.checked_sub(1).and_then(|i| text.get(i));
    let after = match text.get(end) {
        Some(b'.') => text.get(end + 1),
        other => other,
    };
    !word(before) && !word(after)
}

/// The URLs of a text, walked from place to place: hundreds of places may stand in one URL.
#[derive(Debug, Default)]
pub struct Urls {
    /// How far the text was looked at.
    at: usize,
    /// What was seen of the URL there.
    schemes: usize,
    query: bool,
}

impl Urls {
    /// Whether what stands at `start` is a part of another host's URL: `https://status.example.com/probe?target=https://api.z.ai/`,
    /// `https://hooks.example.com/notify?source=api.z.ai`. Places are asked for in their order.
    pub fn hold(&mut self, text: &[u8], start: usize) -> bool {
        let ends = |b: &u8| {
            b.is_ascii_whitespace()
                || matches!(b, b'"' | b'\'' | b'`' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b',' | b'|')
        };
        if let Some(end) = text[self.at..start].iter().rposition(ends) {
            *self = Self { at: self.at + end + 1, ..Self::default() };
        }
        for at in self.at..start {
            match text[at] {
                b'/' if text[..=at].ends_with(b"://") => self.schemes += 1,
                b'?' => self.query |= self.schemes > 0,
                _ => {}
            }
        }
        self.at = start;
        self.schemes > 1 || self.query
    }
}

/// Whether the URL at `start` is where a visitor came from, in an access log: `… HTTP/1.1" 404 98 "https://api.z.ai/" "Mozilla/5.0"`.
pub fn is_referer(text: &[u8], start: usize) -> bool {
    let url = [b"https://".as_slice(), b"http://"].iter().find_map(|scheme| text[..start].strip_suffix(*scheme));
    let Some(before) = url.and_then(|before| before.strip_suffix(b" \"")) else { return false };
    let size = before.iter().rev().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
    let status = before[..before.len() - size].strip_suffix(b" ").unwrap_or_default();
    let request = status.len().checked_sub(5).map(|at| &status[at..]);
    size > 0 && request.is_some_and(|r| r.starts_with(b"\" ") && r[2..].iter().all(u8::is_ascii_digit))
}

/// Whether a line is a sample of Prometheus' text format: `http_requests_total{host="api.z.ai",status="429"} 3`.
pub fn is_sample(line: &[u8]) -> bool {
    let name = line.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':')).count();
    if name == 0 || line.get(name) != Some(&b'{') {
        return false;
    }
    let value = line.iter().rposition(|b| *b == b'}').and_then(|at| line[at + 1..].trim_ascii_end().strip_prefix(b" "));
    let number = |b: &u8| b.is_ascii_digit() || matches!(b, b' ' | b'.' | b'e' | b'+' | b'-');
    value.is_some_and(|v| !v.is_empty() && v.iter().all(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_visitors_came_from_are_told() {
        let referer = |line: &str| is_referer(line.as_bytes(), line.find("api.z.ai").unwrap());
        assert!(referer(r#"- [x] "GET /x HTTP/1.1" 404 98 "https://api.z.ai/" "Mozilla/5.0""#));
        assert!(referer(r#""GET /x HTTP/1.1" 304 - "https://api.z.ai/" "-""#));
        assert!(!referer(r#""POST https://api.z.ai/x HTTP/1.1" 429 98 "-" "-""#));
        assert!(!referer(r#"failed 429 98 "https://api.z.ai/""#) && !referer("api.z.ai"));
    }

    #[test]
    fn objects_are_opened_on_the_line_or_below() {
        for after in ["\": {", "={", "] => Array\n", "' => \n", "' => \r\n", "' => \\n\",\"stream\"", "\" =>"] {
            assert!(opens_object(after.as_bytes()), "{after}");
        }
        for after in ["\": \n", "\": 1", " => 'x'", "s: {"] {
            assert!(!opens_object(after.as_bytes()), "{after}");
        }
    }

    #[test]
    fn samples_are_told_from_logs() {
        assert!(is_sample(br#"http_requests_total{host="api.z.ai",status="429"} 113"#));
        assert!(is_sample(br#"a:b{c="d}"} 1.5e+3 1786352047000"#));
        for line in [r#"error{"code":"1113"}"#, r#"{"code":"1113"} 3"#, "a{b} c", "a 3", r#"ERROR x{"a":1} 429"#] {
            assert!(!is_sample(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_quoted() {
        for text in [
            "\\u0022: \\u00221113\\u0022",
            "&quot;:&quot;1113&quot;",
            "\":\"1113\"",
            "': '1113'",
            "\\\":\\\"1113\\\"",
            "=1113,",
            ": 1113\n",
            "\": Some(String(\"1113\"))",
        ] {
            assert_eq!(code(text.as_bytes()).map(|c| c.number), Some(1113), "{text}");
        }
        for text in [" 1113", ": 111", ": 1113ms", ":1.5", ": 200", "\":null", "s=[1302]", ": 123456", ": 1113.5", ""] {
            assert_eq!(code(text.as_bytes()), None, "{text}");
        }
        assert_eq!(code(b"=429.").map(|c| (c.number, c.quoted)), Some((429, false)));
    }

    #[test]
    fn a_finish_reason_is_a_value_and_not_null() {
        assert_eq!(finish_reason(b"finish_reason=sensitive x"), Some(&b"sensitive"[..]));
        assert_eq!(finish_reason(b"finish_reason\":\"tool_calls\"}"), Some(&b"tool_calls"[..]));
        assert_eq!(finish_reason(b"finishReason: 'content-filter',"), Some(&b"content-filter"[..]));
        assert_eq!(finish_reason(b"finish_reason\":null"), None);
        assert_eq!(finish_reason(b"finished: yes"), None);
    }

    #[test]
    fn a_host_is_a_whole_name() {
        let host = |text: &str| {
            let at = text.find("z.ai").unwrap();
            is_host(text.as_bytes(), at, at + 4)
        };
        assert!(host("https://api.z.ai/api"));
        assert!(host("host=z.ai."));
        assert!(!host("jazz.ai"));
        assert!(!host("z.ais"));
        assert!(!host("z.ai.example"));
        let within = |text: &str| Urls::default().hold(text.as_bytes(), text.find("z.ai").unwrap());
        assert!(within("GET https://x.example.com/probe?target=https://api.z.ai/api"));
        assert!(within("GET https://x.example.com/notify?source=api.z.ai"));
        assert!(!within("from http://10.0.0.1/ POST https://api.z.ai/api") && !within("api.z.ai"));
        let (mut urls, text) =
            (Urls::default(), "http://x/?a=api.z.ai/api.z.ai/?b https://api.z.ai/ api.z.ai?https://api.z.ai");
        let held = text.match_indices("z.ai").map(|(at, _)| urls.hold(text.as_bytes(), at)).collect::<Vec<_>>();
        assert_eq!(held, [true, true, false, false, false], "one after the other");
    }
}
