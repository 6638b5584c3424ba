//! Codes in bodies and fields: `"code":"1113"` in whatever object, quoting and language.

use memchr::memmem;

use super::evidence::Form;
use super::find;
use super::value::{self, Code};

/// A code that a line holds, and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coded<'a> {
    /// The code.
    pub number: u32,
    /// How it is written.
    pub form: Form,
    /// The message beside it.
    pub message: Option<Message<'a>>,
    /// Where the body starts in the line.
    pub start: usize,
    /// Where the code ends.
    pub end: usize,
}

/// A message beside a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its text.
    pub text: &'a [u8],
    /// Whether its end was seen: otherwise the line was cut or wrapped within it.
    pub whole: bool,
}

/// How far back the object around a code is looked for.
const OBJECT: usize = 2_048;

/// How long a message may be that is read as a whole.
const MESSAGE: usize = 16 * 1024;

/// The codes in `view`, each found when it is asked for. `in_error_object` says that an error object was opened on a line before.
pub fn codes(view: &[u8], in_error_object: bool) -> impl Iterator<Item = Coded<'_>> {
    let within = in_error_object.then(|| view.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(view.len()));
    let codes = find::ODE.find_iter(view).filter_map(move |at| keyed(view, at, within));
    codes.chain(find::TYPE.find_iter(view).filter_map(move |at| typed(view, at, within)))
}

/// The code behind the key `code` or `Code`, of which `ode` stands at `at`.
fn keyed(view: &[u8], at: usize, within: Option<usize>) -> Option<Coded<'_>> {
    let start = at.checked_sub(1).filter(|start| matches!(view[*start], b'c' | b'C'))?;
    let code = value::code(&view[at + 3..])?;
    coded(view, start, at + 3, code, within)
}

/// The code behind the key `type` at `at`.
fn typed(view: &[u8], at: usize, within: Option<usize>) -> Option<Coded<'_>> {
    let code = value::code(&view[at + 4..]).filter(|c| c.quoted && c.number >= 1_000)?;
    if !key_starts(view, at) {
        return None;
    }
    let object = Object::around(view, at, within);
    let end = at + 4 + code.len;
    (object.kind == Kind::Error).then(|| Coded {
        number: code.number,
        form: Form::ErrorType,
        message: message(view, &object, at, end),
        start: object.outer,
        end,
    })
}

fn coded(view: &[u8], at: usize, key_end: usize, code: Code, within: Option<usize>) -> Option<Coded<'_>> {
    let end = key_end + code.len;
    let number = code.number;
    // `Error code: 429` is a status and `status code 429` too; `Error code: 1113` is the business code in itself.
    let bare = !key_starts(view, at);
    if bare {
        let error_code = view[..at].ends_with(b"Error ") && number >= 1_000;
        let provider_code = view[..at].ends_with(b"provider") && number >= 1_000;
        return (error_code || provider_code).then_some(Coded {
            number,
            form: Form::Stated,
            message: None,
            start: at,
            end,
        });
    }
    let object = Object::around(view, at, within);
    let message = message(view, &object, at, end);
    let form = match (object.kind, code.quoted) {
        (Kind::Java, _) => Form::JavaError,
        (Kind::Error, true) => Form::ErrorObject,
        (Kind::Error, false) => Form::ErrorObjectNumber,
        (Kind::Plain, _) if refuses(view, &object, end, b'}') => Form::Envelope,
        (Kind::Call, _) if message.is_some() && refuses(view, &object, end, b')') => Form::Envelope,
        // Without an object around it on this line, the line is the rest of a wrapped one.
        (Kind::Plain | Kind::Call | Kind::None, true) if message.is_some() => Form::Object,
        (Kind::Plain, false) if message.is_some() => Form::ObjectNumber,
        _ => Form::Field,
    };
    Some(Coded { number, form, message, start: object.outer, end })
}

/// Whether the key at `at` is a whole word.
fn key_starts(view: &[u8], at: usize) -> bool {
    !at.checked_sub(1).is_some_and(|i| {
        let b = view[i];
        b.is_ascii_alphanumeric()
            || matches!(b, b'_' | b'-' | b'.')
            || !b.is_ascii()
            // `Error code: 429` is a phrase, `APIError code=1305` a key behind a value.
            || b == b' ' && i > 0 && view[i - 1].is_ascii_alphabetic() && view.get(at + 4) != Some(&b'=')
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The value of `error`.
    Error,
    /// Any other object.
    Plain,
    /// `ChatError(…)`.
    Java,
    /// What another class prints of itself: `Message(…)`.
    Call,
    /// No object around it.
    None,
}

#[derive(Debug, Clone, Copy)]
struct Object {
    kind: Kind,
    /// Where the object's content starts.
    inner: usize,
    /// Where the body starts: the key of the object, or what holds it.
    outer: usize,
}

impl Object {
    /// The object that holds position `at`. `within` is where the line's text begins if it is the rest of an error object.
    fn around(view: &[u8], at: usize, within: Option<usize>) -> Self {
        let floor = at.saturating_sub(OBJECT);
        let is_bracket = |b: &u8| matches!(b, b'{' | b'}' | b'(' | b')');
        let (mut depth, mut end) = (0u32, at);
        while let Some(found) = view[floor..end].iter().rposition(is_bracket) {
            let i = floor + found;
            end = i;
            match view[i] {
                b'}' | b')' => depth += 1,
                b'{' | b'(' if depth > 0 => depth -= 1,
                b'{' => return Self::opened(view, i, within),
                b'(' if view[..i].ends_with(b"ChatError") => {
                    return Self { kind: Kind::Java, inner: i + 1, outer: i - 9 };
                }
                b'(' => return Self { kind: Kind::Call, inner: i + 1, outer: at },
                _ => {}
            }
        }
        // A member of an object that begins on a line above has its key in its shape: it is not the object's beginning.
        let (kind, outer) = if within.is_some() { (Kind::Error, at + 4) } else { (Kind::None, at) };
        Self { kind, inner: at, outer }
    }

    fn opened(view: &[u8], brace: usize, within: Option<usize>) -> Self {
        if within == Some(brace) {
            // The object of the key on the line above.
            return Self { kind: Kind::Error, inner: brace + 1, outer: brace };
        }
        let Some(key_start) = error_key(&view[..brace]) else {
            return Self { kind: Kind::Plain, inner: brace + 1, outer: brace };
        };
        // The body starts with the brace that holds `error`, where it is on the same line.
        let near = key_start.saturating_sub(256);
        let outer = view[near..key_start].iter().rposition(|b| *b == b'{').map_or(key_start, |at| near + at);
        Self { kind: Kind::Error, inner: brace + 1, outer }
    }
}

/// Where the key `error` starts that a value is behind which `before` ends at: `"error": `, `error=`, `'error' => `, `[error] => `.
pub fn error_key(before: &[u8]) -> Option<usize> {
    let before = before.trim_ascii_end();
    let key =
        [b":".as_slice(), b"=>", b"="].iter().find_map(|separator| before.strip_suffix(*separator))?.trim_ascii_end();
    let bare = [b"\"".as_slice(), b"'", b"]"].iter().find_map(|quote| key.strip_suffix(*quote));
    let word = bare.unwrap_or(key).strip_suffix(b"error")?;
    let whole = !word.last().is_some_and(u8::is_ascii_alphanumeric);
    whole.then(|| word.len().saturating_sub(usize::from(bare.is_some())))
}

/// Whether the object, which ends with `close`, says `"success":false` behind `end`.
fn refuses(view: &[u8], object: &Object, end: usize, close: u8) -> bool {
    let view = &view[..view.len().min(end + MESSAGE)];
    let object_end = memchr::memchr(close, &view[end..]).map_or(view.len(), |n| end + n);
    let text = &view[object.inner.min(end)..object_end];
    memmem::find_iter(text, b"success").any(|at| {
        value::separator(&text[at + 7..]).is_some_and(|n| {
            let value = &text[at + 7 + n..];
            value.starts_with(b"false") || value.starts_with(b"False")
        })
    })
}

/// The keys of messages.
static MESSAGES: [(&[u8], &find::Text); 2] = [(b"message", &find::MESSAGE), (b"msg", &find::MSG)];

/// The message beside the code at `at..end`: behind it, or before it in the same object.
fn message<'a>(view: &'a [u8], object: &Object, at: usize, end: usize) -> Option<Message<'a>> {
    let behind = &view[end..view.len().min(end + 96)];
    let before = view.get(object.inner..at).unwrap_or(b"");
    let find = |text: &[u8], base: usize, last: bool| {
        let hits = MESSAGES.iter().filter_map(|(key, finder)| {
            let is_key = |at: &usize| value::separator(&view[base + at + key.len()..]).is_some();
            // The text behind the key may speak of messages, too.
            let hit =
                if last { memmem::rfind_iter(text, key).find(is_key) } else { finder.find_iter(text).find(is_key) };
            hit.map(|at| (base + at, key.len()))
        });
        if last { hits.max() } else { hits.min() }
    };
    let closes = behind.iter().position(|b| matches!(b, b'}' | b')')).unwrap_or(behind.len());
    let key = find(&behind[..closes], end, false).or_else(|| find(before, object.inner, true));
    let (key_at, key_len) = key?;
    let value_at = key_at + key_len + value::separator(&view[key_at + key_len..])?;
    quoted_text(&view[value_at..view.len().min(value_at + MESSAGE)])
}

/// The text of a value: to its closing quote, or, unquoted, to the end of its object.
fn quoted_text(value: &[u8]) -> Option<Message<'_>> {
    let quote = *value.first()?;
    if !matches!(quote, b'"' | b'\'' | b'`') {
        let end = value.iter().position(|b| matches!(b, b')' | b'}' | b'\n'));
        return Some(Message { text: &value[..end.unwrap_or(value.len())], whole: end.is_some() });
    }
    let text = &value[1..];
    // In the view, quotes within the text are bare too: only one that something structural follows closes it.
    let ends = |i: &usize| {
        let rest = text[i + 1..].trim_ascii_start();
        text[*i] == quote && matches!(rest.first(), None | Some(b',' | b'}' | b']' | b')' | b'"' | b'\'' | b'`'))
    };
    let end = memchr::memchr_iter(quote, text).take(32).find(ends);
    Some(Message { text: &text[..end.unwrap_or(text.len())], whole: end.is_some() })
}

/// The text within a message that repeats its code and id: `[1305][text][id]`.
pub fn inner_text(message: &[u8]) -> &[u8] {
    let inner = message.strip_prefix(b"[").and_then(|rest| {
        let (_, len) = value::number(rest)?;
        let text = rest[len..].strip_prefix(b"][")?;
        Some(&text[..memchr::memchr(b']', text).unwrap_or(text.len())])
    });
    inner.unwrap_or(message)
}

/// Codes in brackets, and what stands in the third: `[1302][message][request id]`.
pub fn brackets(view: &[u8]) -> impl Iterator<Item = (Coded<'_>, Option<&[u8]>)> {
    memchr::memchr_iter(b'[', view).filter_map(|at| bracketed(view, at))
}

fn bracketed(view: &[u8], at: usize) -> Option<(Coded<'_>, Option<&[u8]>)> {
    let (number, len) = value::number(&view[at + 1..]).filter(|(n, _)| *n >= 1_000)?;
    let end = at + 1 + len;
    if !view[end..].starts_with(b"][") {
        return None;
    }
    let rest = &view[end + 2..view.len().min(end + 2 + MESSAGE)];
    let close = memchr::memchr(b']', rest);
    let text = &rest[..close.unwrap_or(rest.len())];
    let message = Message { text, whole: close.is_some() };
    let id = close
        .and_then(|c| rest[c + 1..].strip_prefix(b"["))
        .map(|id| &id[..memchr::memchr(b']', id).unwrap_or(id.len())]);
    Some((Coded { number, form: Form::Bracket, message: Some(message), start: at, end }, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(view: &str) -> Vec<(u32, Form, Option<String>)> {
        let text = |m: Message<'_>| String::from_utf8_lossy(m.text).into_owned();
        let found = codes(view.as_bytes(), false).chain(brackets(view.as_bytes()).map(|(coded, _)| coded));
        found.map(|c| (c.number, c.form, c.message.map(text))).collect()
    }

    fn one(view: &str) -> (u32, Form, Option<String>) {
        let found = all(view);
        assert_eq!(found.len(), 1, "{view}: {found:?}");
        found[0].clone()
    }

    #[test]
    fn the_shapes_of_the_wire() {
        let some = |t: &str| Some(t.to_string());
        assert_eq!(
            one(r#"{"error":{"code":"1113","message":"no money"}}"#),
            (1113, Form::ErrorObject, some("no money"))
        );
        assert_eq!(one("{'error': {'code': '1302', 'message': \"it's\"}}"), (1302, Form::ErrorObject, some("it's")));
        assert_eq!(one(r#"{"error":{"code":1305,"message":"m"}}"#), (1305, Form::ErrorObjectNumber, some("m")));
        assert_eq!(
            one(r#"{"type":"error","error":{"type":"1113","message":"m"}}"#),
            (1113, Form::ErrorType, some("m"))
        );
        assert_eq!(one(r#"{"code":1001,"msg":"m","success":false}"#), (1001, Form::Envelope, some("m")));
        assert_eq!(one(r#"400: {"code":"1210","message":"m"}"#), (1210, Form::Object, some("m")));
        assert_eq!(one(r#"{"message":"x messages y","code":"1214"}"#), (1214, Form::Object, some("x messages y")));
        assert_eq!(one("{ error: { message: 'm', code: '1113' } },"), (1113, Form::ErrorObject, some("m")));
        assert_eq!(one("error=ChatError(code=1113, message=no money)"), (1113, Form::JavaError, some("no money")));
        assert_eq!(one("[1214][prompt m][2026]"), (1214, Form::Bracket, some("prompt m")));
        assert_eq!(one(r#"{"error"=>{"code"=>"1100", "message"=>"m"}}"#), (1100, Form::ErrorObject, some("m")));
        assert_eq!(one("            [code] => 1302").0, 1302);
        for head in ["\"error\": ", "error=", "'error' => ", "[error] => ", "x.error:", "error :"] {
            assert_eq!(error_key(head.as_bytes()).map(|at| head[at..].contains("error")), Some(true), "{head}");
        }
        for head in ["terror: ", "errors: ", "\"error\" ", "error"] {
            assert_eq!(error_key(head.as_bytes()), None, "{head}");
        }
        assert_eq!(one("failed type=APIError code=1305 param=None"), (1305, Form::Field, None));
        assert_eq!(one(r#"Error { code: Some("1302"), message: "m" }"#).0, 1302);
    }

    #[test]
    fn what_is_no_body_is_not_taken_for_one() {
        assert_eq!(all("Error code: 429 - x"), []);
        assert_eq!(all("status code 1113, barcode: 1302, code 1301"), []);
        assert_eq!(all("[1234] [x] [12][13][14]"), []);
    }

    #[test]
    fn an_error_key_at_the_start_of_a_line_is_no_special_case() {
        for view in [
            r#"error : {"code":"1113"}"#,
            r#"error" : {"code":"1113"}"#,
            r#"error={"code":"1113"}"#,
            "error:{code:1113",
        ] {
            assert_eq!(all(view)[0].0, 1113, "{view}");
        }
    }

    #[test]
    fn a_cut_message_is_known_as_cut() {
        let code = codes(br#"{"error":{"code":"1302","message":"Rate lim... [x]"#, false).next();
        assert_eq!(code.and_then(|c| c.message).map(|m| m.whole), Some(false));
    }
}
