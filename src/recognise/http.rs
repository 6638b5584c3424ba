//! HTTP answers of the API that a line shows which names its host: `httpx`, SDK debug lines, exceptions with a URL, access logs.

mod below;

use std::sync::LazyLock;

use memchr::memmem;

pub use self::below::{NEEDLES, answer_below, failed_above, is_over, is_url_member, status_member};
use super::search::Search;
use super::{find, value};

/// An answer of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u32,
    /// Who printed it.
    pub by: By,
}

/// Who printed an answer: a transport's line is one answer; a derived line speaks of an answer that another line may
/// have shown already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The HTTP client or a proxy, when the answer came.
    Transport,
    /// A second line about an answer: an SDK's debug line, an exception.
    Derived,
}

/// Methods of requests: RFC 9110, section 9, and RFC 5789.
pub const METHODS: [&[u8]; 5] = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH"];

/// Statuses with their reason phrases (RFC 9110, section 15, and what proxies add).
const REASONS: &[&str] = &[
    "200 OK",
    "400 Bad Request",
    "401 Unauthorized",
    "402 Payment Required",
    "403 Forbidden",
    "404 Not Found",
    "405 Method Not Allowed",
    "408 Request Timeout",
    "409 Conflict",
    "413 Request Entity Too Large",
    "413 Payload Too Large",
    "413 Content Too Large",
    "415 Unsupported Media Type",
    "422 Unprocessable",
    "429 Too Many Requests",
    "500 Internal Server Error",
    "502 Bad Gateway",
    "503 Service Unavailable",
    "503 Service Temporarily Unavailable",
    "504 Gateway Time",
];

static REASON: LazyLock<Search> = LazyLock::new(|| Search::first(REASONS));

/// What is looked for in a line only where a piece of it stands there.
const VERSION: u8 = 1;
const PHRASE: u8 = 2;
const KEY: u8 = 4;
const ARROW: u8 = 8;
const OKHTTP: u8 = 16;
const SQUID: u8 = 32;

/// Pieces of all the texts behind which a status is looked for. No text ends within a piece in such a way that another is missed.
const PIECES: [(&str, u8); 16] = [
    ("HTTP/", VERSION),
    ("status", PHRASE | KEY),
    ("Status", PHRASE | KEY),
    ("_code", KEY),
    ("code: ", PHRASE),
    ("Error", PHRASE),
    ("error '", PHRASE),
    ("message=", PHRASE),
    ("times): ", PHRASE),
    ("DEBUG:response ", PHRASE),
    (" - HTTP ", PHRASE),
    ("-> ", ARROW),
    ("=> ", ARROW),
    ("→ ", ARROW),
    ("<-- ", OKHTTP),
    ("TCP_", SQUID),
];

static PIECE: LazyLock<Search> = LazyLock::new(|| Search::first(&PIECES.map(|(piece, _)| piece)));

/// Keys of a status in structured lines.
const KEYS: [&[u8]; 9] = [
    b"status",
    b"status_code",
    b"statusCode",
    b"http_status",
    b"httpStatus",
    b"response_code",
    b"http_code",
    b"response_status",
    // Traefik's, in its access log.
    b"DownstreamStatus",
];

/// Reads the answer that a line shows which names the API's host; `view` must be such a line.
pub fn answer(view: &[u8]) -> Option<Answer> {
    let pieces = PIECE.find_iter(view).fold(0, |all, piece| all | PIECES[piece.pattern().as_usize()].1);
    let look = |piece: u8, read: fn(&[u8]) -> Option<u32>| if pieces & piece == 0 { None } else { read(view) };
    if let Some(status) = look(VERSION, http_version).or_else(|| look(PHRASE, attempt)) {
        return Some(Answer { status, by: By::Transport });
    }
    if let Some(status) = reason(view).or_else(|| look(PHRASE, client_error)).or_else(|| look(ARROW, arrow)) {
        return Some(Answer { status, by: By::Derived });
    }
    if let Some(status) = look(KEY, key) {
        let access = memmem::find(view, b"/api/").is_some();
        return Some(Answer { status, by: if access { By::Transport } else { By::Derived } });
    }
    look(OKHTTP, okhttp)
        .or_else(|| look(SQUID, squid))
        .or_else(|| haproxy(view))
        .or_else(|| before_url(view))
        .or_else(|| behind_url(view))
        .map(|status| Answer { status, by: By::Transport })
}

/// The status of an `HTTP Request: POST <url> "HTTP/1.1 200 OK"` line about a success: by far the most frequent line of a
/// service that is well, read without looking at the rest of it.
pub fn httpx_success(line: &[u8], is_host: impl Fn(&[u8]) -> bool) -> Option<u32> {
    let request = &line[find::HTTP_REQUEST.find(line)? + 14..];
    let url = &request[memmem::find(&request[..request.len().min(16)], b"https://")? + 8..];
    let host_end = url.iter().position(|b| matches!(b, b'/' | b':' | b' '))?;
    let tail = &url[memchr::memchr(b' ', url)?..];
    let version = tail.strip_prefix(b" \"HTTP/")?;
    let status = status(&version[memchr::memchr(b' ', &version[..version.len().min(8)])? + 1..])?;
    let plain = tail.len() < 40 && (200..300).contains(&status);
    (plain && is_host(&url[..host_end])).then_some(status)
}

/// What follows the first `text` in `view`.
fn behind<'a>(view: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    memmem::find(view, text).map(|at| &view[at + text.len()..])
}

/// 499 is nginx's own word for a client that went away: no answer of anybody's.
fn status(text: &[u8]) -> Option<u32> {
    value::number(text).map(|(n, _)| n).filter(|n| (100..600).contains(n) && *n != 499)
}

/// `"HTTP/1.1 429 Too Many Requests"` (httpx) and `… HTTP/1.1" 429 98` (access logs, urllib3).
fn http_version(view: &[u8]) -> Option<u32> {
    memmem::find_iter(view, b"HTTP/").find_map(|at| {
        let after = &view[at + 5..];
        let version = after.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
        let after = &after[version..];
        let after = after.strip_prefix(b"\"").or_else(|| after.strip_prefix(b"'")).unwrap_or(after);
        status(after.strip_prefix(b" ")?)
    })
}

/// `429 Too Many Requests` anywhere in the line; of several the least.
fn reason(view: &[u8]) -> Option<u32> {
    let shown = REASON.find_iter(view).filter_map(|reason| status(REASONS[reason.pattern().as_usize()].as_bytes()));
    shown.filter(|status| *status >= 400 || memmem::find(view, b"HTTP Response: ").is_some()).min()
}

/// `429 Client Error: … for url: …` (requests), `Request failed with status code 429` (axios), `429, message='…', url=…` (aiohttp).
fn client_error(view: &[u8]) -> Option<u32> {
    let before = |text: &[u8]| {
        memmem::find(view, text)
            .and_then(|at| view[..at].trim_ascii_end().len().checked_sub(3))
            .and_then(|at| status(&view[at..]))
    };
    let behind = |text: &[u8]| status(behind(view, text)?);
    let error = |text: &[u8]| {
        memmem::find_iter(view, text).find_map(|at| status(&view[at + text.len()..]).filter(|s| is_error(*s)))
    };
    before(b" Client Error")
        .or_else(|| before(b" Server Error"))
        .or_else(|| before(b", message="))
        .or_else(|| behind(b"status code "))
        .or_else(|| behind(b"responded with status "))
        .or_else(|| behind(b"status code: "))
        // `Server returned HTTP response code: 400 for URL: https://…` (Java)
        .or_else(|| behind(b"response code: "))
        .or_else(|| error(b"status "))
        // `Error: 400 API x has been taken offline` (openai-node)
        .or_else(|| error(b"Error: "))
        // `POST https://api.z.ai/… failed: HTTP Error 429: Too Many Requests` (urllib)
        .or_else(|| error(b"HTTP Error "))
        // `Client error '435 ' for url …` (httpx, where the status has no reason phrase)
        .or_else(|| error(b"Client error '"))
        .or_else(|| error(b"Server error '"))
        // `Retrying <POST https://api.z.ai/…> (failed 1 times): 429 Unknown Status` (Scrapy)
        .or_else(|| error(b"times): "))
}

/// Each attempt, by the client's own log. openai-node and anthropic-node: `post https://api.z.ai/… failed with status 429 in 47ms - retrying, 2
/// attempts remaining`, `… succeeded with status 200 in 25ms`, in version 4 `OpenAI:DEBUG:response (error; retrying, 2 attempts remaining)
/// 429 https://…`; undici: `received response to POST https://… - HTTP 429`.
fn attempt(view: &[u8]) -> Option<u32> {
    let logged = find::WITH_STATUS.find(view).and_then(|at| {
        let after = &view[at + 12..];
        let told = view[..at].ends_with(b" failed ") || view[..at].ends_with(b" succeeded ");
        status(after).filter(|_| told && after[3..].starts_with(b" in "))
    });
    let debug = || {
        let after = behind(view, b"DEBUG:response ")?;
        status(if after.starts_with(b"(") { behind(after, b") ")? } else { after })
    };
    logged.or_else(debug).or_else(|| status(behind(view, b" - HTTP ")?))
}

/// `POST https://api.z.ai/… 429 88ms`: a request, and behind its URL the status.
fn behind_url(view: &[u8]) -> Option<u32> {
    memmem::find_iter(view, b" http").find_map(|at| {
        let method = view[..at].rsplit(|b| !b.is_ascii_uppercase()).next()?;
        let url = &view[at + 1..];
        let after = url.get(memchr::memchr(b' ', url)? + 1..).filter(|_| METHODS.contains(&method))?;
        let ended = after.get(3).is_none_or(|b| matches!(b, b' ' | b',' | b';' | b'(' | b'\r'));
        status(after).filter(|_| ended)
    })
}

/// `"status":429`, `status=429`, `statusCode: 429`.
fn key(view: &[u8]) -> Option<u32> {
    KEYS.iter().find_map(|key| {
        memmem::find_iter(view, key).find_map(|at| {
            let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if at > 0 && word(view[at - 1]) {
                return None;
            }
            let after = &view[at + key.len()..];
            let value = &after[value::separator(after)?..];
            status(&value[value::quotes(value)..])
        })
    })
}

/// `GET https://api.z.ai/… -> 200`.
fn arrow(view: &[u8]) -> Option<u32> {
    [b" -> ".as_slice(), b" => ", " → ".as_bytes()].iter().find_map(|arrow| status(behind(view, arrow)?))
}

/// `<-- 429 https://api.z.ai/… (84ms)` (OkHttp).
fn okhttp(view: &[u8]) -> Option<u32> {
    status(behind(view, b"<-- ")?)
}

/// `TCP_MISS/401 512 POST https://api.z.ai/…` (Squid). What it denied or tunnelled itself is no answer of the API.
fn squid(view: &[u8]) -> Option<u32> {
    let after = behind(view, b"TCP_")?;
    let result = &after[..memchr::memchr(b'/', &after[..after.len().min(32)])?];
    let own = result == b"DENIED" || result.starts_with(b"TUNNEL");
    status(&after[result.len() + 1..]).filter(|_| !own)
}

/// `… 0/0/12/71/84 429 312 - - ---- …`: five times, then the status (`option httplog` of `HAProxy`).
fn haproxy(view: &[u8]) -> Option<u32> {
    let time = |t: &[u8]| !t.is_empty() && t.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+'));
    let number = |word: &[u8]| word.first().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+'));
    let times =
        |word: &[u8]| number(word) && word.split(|b| *b == b'/').count() == 5 && word.split(|b| *b == b'/').all(time);
    let mut words = view.split(|b| *b == b' ');
    words.find(|word| times(word))?;
    status(words.next()?)
}

/// `434 https://api.z.ai/…`, `0.054 429 https://…`: what `curl -w '%{http_code} %{url}'` prints; `<- 500 https://…`, `< 200 OK https://…`.
fn before_url(view: &[u8]) -> Option<u32> {
    memmem::find_iter(view, b" http").find_map(|at| {
        let before = view[..at].strip_suffix(b" OK").unwrap_or(&view[..at]).trim_ascii_start();
        let number = before.len().checked_sub(3)?;
        let alone = number == 0 || before[number - 1] == b' ';
        status(&before[number..]).filter(|status| number == 0 || alone && (*status == 200 || is_error(*status)))
    })
}

/// Whether a number alone may be taken for the status of a failure: one that servers and proxies really answer with, and the
/// API's own 434, 435 and 529. `row 466 failed` shows none.
fn is_error(status: u32) -> bool {
    matches!(status, 400..=405 | 408 | 409 | 413 | 415 | 422 | 429 | 434 | 435 | 500..=504 | 520..=530)
}

/// The status that stands before a body: `Error code: 429 - {`, `HTTP 400: {`, `(429): {`, `Status: 500` and the like.
pub fn status_before(view: &[u8], body: usize) -> Option<u32> {
    let window = &view[body.saturating_sub(64)..body];
    let mut end = window.len();
    while let Some(last) = window[..end].iter().rposition(u8::is_ascii_digit) {
        let digits = window[..=last].iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let start = last + 1 - digits;
        let word = start
            .checked_sub(1)
            .is_some_and(|i| matches!(window[i], b'.' | b'_' | b'-') || window[i].is_ascii_alphanumeric());
        if digits == 3 && !word {
            let found = status(&window[start..]).filter(|s| is_error(*s));
            if found.is_some() {
                return found;
            }
        }
        end = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(u32, By)> {
        answer(line.as_bytes()).map(|a| (a.status, a.by))
    }

    #[test]
    fn answers_are_read_from_every_client() {
        use By::{Derived, Transport};
        for (line, expected) in [
            (r#"HTTP Request: POST https://api.z.ai/x "HTTP/1.1 429 Too Many Requests""#, (429, Transport)),
            (r#"HTTP Request: POST https://api.z.ai/x "HTTP/1.1 529 ""#, (529, Transport)),
            (r#""POST /api/x HTTP/1.1" 401 63 "-" host=open.bigmodel.cn rt=0.05"#, (401, Transport)),
            (r#"{"host":"open.bigmodel.cn","uri":"/api/paas","status":500,"upstream_status":"502"}"#, (500, Transport)),
            (r#"HTTP Response: POST https://api.z.ai/x "200 OK" Headers"#, (200, Derived)),
            ("Client error '429 Too Many Requests' for url 'https://api.z.ai/x'", (429, Derived)),
            ("404 Client Error: Gone for url: https://api.z.ai/x", (404, Derived)),
            ("429, message='Too Many', url='https://api.z.ai/x'", (429, Derived)),
            ("<-- 401 https://api.z.ai/x (84ms)", (401, Transport)),
            (
                "[log_a] post https://api.z.ai/x failed with status 429 in 3ms - error; no more retries left",
                (429, Transport),
            ),
            ("post https://api.z.ai/x failed with status 429, giving up", (429, Derived)),
            ("Request failed with status code 429 https://api.z.ai", (429, Derived)),
            ("Server returned HTTP response code: 400 for URL: https://api.z.ai/x", (400, Derived)),
            ("Client error '435 ' for url 'https://api.z.ai/x' For more information check: y", (435, Derived)),
            ("Server error '529 ' for url 'https://api.z.ai/x'", (529, Derived)),
            ("info POST https://api.z.ai/x 429 88ms", (429, Transport)),
            ("DEBUG GET https://api.z.ai/x 200 OK Attempt 3", (200, Transport)),
            ("upstream \"https://api.z.ai/x\" returned status 504 in 113ms", (504, Derived)),
            ("POST https://api.z.ai/x failed: Error: 400 API x has been taken offline", (400, Derived)),
            ("84 10.2.0.8 TCP_MISS/401 512 POST https://api.z.ai/x - HIER_DIRECT/1.2.3.4 -", (401, Transport)),
            (r#"{"DownstreamStatus":429,"RequestHost":"api.z.ai","RequestPath":"/api/x"}"#, (429, Transport)),
        ] {
            assert_eq!(of(line), Some(expected), "{line}");
        }
        assert_eq!(of("434 https://api.z.ai/x"), Some((434, Transport)));
        assert_eq!(of("0.054269 429 https://api.z.ai/x"), Some((429, Transport)));
        assert_eq!(of("[pod/a/b] <- 500 https://api.z.ai/x"), Some((500, Transport)));
        assert_eq!(of("< 200 OK https://api.z.ai/x"), Some((200, Transport)));
        assert_eq!(of("page 466 https://api.z.ai/x"), None);
        assert_eq!(of("[log_b] post https://api.z.ai/x succeeded with status 200 in 25ms"), Some((200, Transport)));
        assert_eq!(
            of("OpenAI:DEBUG:response (error; retrying, 2 attempts remaining) 429 https://api.z.ai/x {"),
            Some((429, Transport))
        );
        assert_eq!(of("OpenAI:DEBUG:response 200 https://api.z.ai/x Headers {"), Some((200, Transport)));
        assert_eq!(of("FETCH 6023: received response to POST https://api.z.ai//x - HTTP 200"), Some((200, Transport)));
        let haproxy = "haproxy[9]: 10.0.0.3:51302 egress be/s1 0/0/12/71/84 429 312 - - ---- 3/3/1/1/0 0/0 {api.z.ai} \"POST /x HTTP/2.0\"";
        assert_eq!(of(haproxy), Some((429, Transport)));
        assert_eq!(of("POST https://api.z.ai/x took 429 ms"), None);
        assert_eq!(of("POST https://api.z.ai/x 4290 bytes"), None);
        assert_eq!(of("seen https://api.z.ai/x 404 times"), None);
        assert_eq!(of("84 10.2.0.8 TCP_TUNNEL/200 512 CONNECT api.z.ai:443 - HIER_DIRECT/1.2.3.4 -"), None);
        assert_eq!(of("4 10.2.0.8 TCP_DENIED/403 512 POST https://api.z.ai/x - HIER_NONE/- -"), None);
    }

    #[test]
    fn every_text_holds_a_piece_that_is_looked_for_first() {
        let seen = |text: &str, what: u8| {
            let pieces = PIECE.find_iter(text.as_bytes()).map(|piece| PIECES[piece.pattern().as_usize()].1);
            pieces.fold(0, |all, piece| all | piece) & what != 0
        };
        for key in KEYS {
            assert!(seen(&String::from_utf8_lossy(key), KEY));
        }
        for line in ["x: 429 Client Error", "503 Server Error", "429, message=", "response code: ", "Error: 400"] {
            assert!(seen(line, PHRASE), "{line}");
        }
        assert_eq!(of("x api.z.ai 502 Bad Gateway 200 OK 429 Too Many Requests"), Some((429, By::Derived)));
        assert_eq!(of("x api.z.ai 200 OK"), None);
    }

    #[test]
    fn a_success_is_read_at_a_glance() {
        let success = |line: &str| httpx_success(line.as_bytes(), |h| h == b"api.z.ai");
        let line = |host: &str, status: &str| {
            format!("x - httpx - INFO - HTTP Request: POST https://{host}/api/paas/v4/x \"HTTP/1.1 {status}\"")
        };
        assert_eq!(success(&line("api.z.ai", "200 OK")), Some(200));
        assert_eq!(success(&line("api.z.ai", "429 Too Many Requests")), None);
        assert_eq!(success(&line("api.openai.com", "200 OK")), None);
    }

    #[test]
    fn the_status_before_a_body_is_the_nearest() {
        let before = |text: &str| status_before(text.as_bytes(), text.len());
        assert_eq!(before("12:00:01,429 Error code: 400, with error text "), Some(400));
        assert_eq!(before("(zai,glm-4.6: 429): "), Some(429));
        assert_eq!(before("took 302 ms, port 4290 "), None);
    }
}
