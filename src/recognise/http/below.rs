//! HTTP answers that stand on lines of their own, below the request.

use memchr::memmem;

use super::{Answer, By, behind, http_version, is_error, status};
use crate::recognise::{find, value};

/// Within how many lines of a request its answer is shown, where it is shown on a line of its own.
const NEXT_LINES: u64 = 2;

/// The same where the headers of both are printed.
const HEADER_LINES: u64 = 40;

/// curl's `returned error: 429`.
const RETURNED: &str = "returned error: ";

/// wget's `HTTP request sent, awaiting response... 429`.
const AWAITED: &str = "HTTP request sent, awaiting response... ";

/// Texts behind which a status of failure answers the request on a line above: `HTTP 400 …`, urllib's `HTTP Error 429: …`, Faraday's
/// `the server responded with status 429`, .NET's `Response status code does not indicate success: 401 (Unauthorized).`
const TOLD: [&str; 4] =
    ["HTTP ", "HTTP Error ", "server responded with status ", "Response status code does not indicate success: "];

/// .NET's `Received HTTP response headers after 130.2113ms - 404`.
const RECEIVED: &str = "Received HTTP response headers after ";

/// mitmproxy's `<< 429 Too Many Requests` and `<< HTTP/2.0 429 Too Many Requests`.
const SHOWN: &str = " << ";

/// `curl -v`'s `< HTTP/2 429`.
const HEADER: &str = "< HTTP/";

/// What the lines hold that answer a request above, or one that is printed below. `HTTP ` alone is no answer, and everywhere; .NET's
/// text is printed behind the class that throws it, whose pieces are rarer.
pub const NEEDLES: [&str; 10] = [
    RETURNED,
    AWAITED,
    RECEIVED,
    "with status ",
    HEADER,
    SHOWN,
    "HTTP 4",
    "HTTP 5",
    TOLD[1],
    "HttpRequestException: Response",
];

/// The answer to a request that the line so many `lines` above names.
pub fn answer_below(view: &[u8], lines: u64) -> Option<Answer> {
    let headers = lines <= HEADER_LINES && view.starts_with(HEADER.as_bytes());
    if lines > NEXT_LINES && !headers {
        return None;
    }
    let behind = |text: &str| behind(view, text.as_bytes());
    let failed = behind(RETURNED).and_then(status).filter(|s| *s >= 400);
    let shown = || {
        let here = behind(SHOWN).and_then(|after| status(after).or_else(|| http_version(after)));
        here.or_else(|| behind(AWAITED).and_then(status)).filter(|s| *s >= 200)
    };
    let told = || TOLD.iter().find_map(|text| behind(text).and_then(status).filter(|s| is_error(*s)));
    let received = || {
        let after = behind(RECEIVED)?;
        status(&after[memmem::find(&after[..after.len().min(32)], b"ms - ")? + 5..])
    };
    if let Some(status) = failed.or_else(told).or_else(received).or_else(shown) {
        return (lines <= NEXT_LINES).then_some(Answer { status, by: By::Transport });
    }
    // `curl -v`, whose own headers stand between.
    let status = headers.then(|| http_version(view)).flatten().filter(|s| *s >= 200)?;
    Some(Answer { status, by: By::Transport })
}

/// Whether the line names the host of a request that is over: `* Connection #0 to host api.z.ai left intact` (`curl -v`).
pub fn is_over(view: &[u8]) -> bool {
    view.starts_with(b"* Connection #")
}

/// The status of a failure whose request is printed on lines below: `AxiosError: Request failed with status code 429`.
pub fn failed_above(view: &[u8]) -> Option<u32> {
    let at = find::WITH_STATUS.find(view).filter(|at| view[..*at].ends_with(b"Request failed "))?;
    status(view[at + 12..].strip_prefix(b"code ")?).filter(|s| is_error(*s))
}

/// Whether a line is nothing but the URL of a request, as a member of the `config` of an `AxiosError` that is printed over several lines.
pub fn is_url_member(view: &[u8]) -> bool {
    let member = view.trim_ascii_start();
    view.len() - member.len() >= 4 && [b"url: '".as_slice(), b"\"url\": \""].iter().any(|key| member.starts_with(key))
}

/// A line that is nothing but `statusCode: 504,`: a member of an object that is printed over several lines.
pub fn status_member(view: &[u8]) -> Option<Answer> {
    let line = view.trim_ascii();
    let line = line.strip_suffix(b",").unwrap_or(line);
    let key = line.strip_prefix(b"\"").unwrap_or(line);
    let after = [b"statusCode".as_slice(), b"status_code", b"status"].iter().find_map(|k| key.strip_prefix(*k))?;
    let value = &after[value::separator(after)?..];
    let (status, len) = value::number(value)?;
    let whole = len == value.len() && (400..600).contains(&status);
    whole.then_some(Answer { status, by: By::Derived })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_below_their_requests_are_read() {
        let below = |line: &str| {
            let lines = (1..100).rev().find(|n| answer_below(line.as_bytes(), *n).is_some())?;
            answer_below(line.as_bytes(), lines).map(|answer| (answer.status, lines))
        };
        assert_eq!(below("curl: (22) The requested URL returned error: 429"), Some((429, 2)));
        assert_eq!(below("    << 429 Too Many Requests 98b"), Some((429, 2)));
        assert_eq!(below("    << HTTP/2.0 429 Too Many Requests 98b"), Some((429, 2)));
        assert_eq!(below("HTTP request sent, awaiting response... 401 Unauthorized"), Some((401, 2)));
        assert_eq!(below("urllib.error.HTTPError: HTTP Error 429: Too Many Requests"), Some((429, 2)));
        assert_eq!(below("Response status code does not indicate success: 401 (Unauthorized)."), Some((401, 2)));
        assert_eq!(below("HTTP request sent, awaiting response... 200 OK"), Some((200, 2)));
        assert_eq!(
            below("E, ERROR -- glm: Faraday::ClientError: the server responded with status 429"),
            Some((429, 2))
        );
        assert_eq!(below("[upload] HTTP 400 x"), Some((400, 2)));
        assert_eq!(below("      Received HTTP response headers after 130.2113ms - 404"), Some((404, 2)));
        assert_eq!(below("< HTTP/2 401"), Some((401, 40)));
        assert_eq!(below("< HTTP/1.1 200 OK\r"), Some((200, 40)));
        assert_eq!(below("< HTTP/1.1 100 Continue"), None);
        assert_eq!(below("    << HTTP/2.0 200 OK 1.3k"), Some((200, 2)));
        assert_eq!(below("a < HTTP/2 401"), None);
    }
}
