//! Exceptions of the SDKs where nothing but the class is left of the API's answer.

use std::cell::OnceCell;
use std::sync::LazyLock;

use memchr::memmem;

use super::search::Search;

/// What a line holds that these exceptions are printed on, or that names the SDK that threw one.
pub const NEEDLES: [&str; 11] = [
    CLASSES[0].0,
    CLASSES[1].0,
    CLASSES[2].0,
    CLASSES[3].0,
    CLASSES[4].0,
    STREAM_CLASS,
    ZAI,
    HTTP,
    "ZAiHttpException",
    "ZhiPuAiHttpException",
    "ProviderBusinessError",
];

/// What the class of an exception tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The HTTP status behind the class.
    Status(u32),
    /// An error inside a stream: not even a status.
    Unknown,
}

/// The SDKs' classes and the statuses they stand for (`_make_status_error` of `zhipuai` and `zai`).
const CLASSES: [(&str, u32); 5] = [
    ("APIRequestFailedError", 400),
    ("APIAuthenticationError", 401),
    ("APIReachLimitError", 429),
    ("APIInternalError", 500),
    ("APIServerFlowExceedError", 503),
];

/// LiteLLM's classes, which print `ZaiException` behind them.
const LITELLM: [(&[u8], u32); 8] = [
    (b"BadRequestError", 400),
    (b"ContextWindowExceededError", 400),
    (b"AuthenticationError", 401),
    (b"PermissionDeniedError", 403),
    (b"NotFoundError", 404),
    (b"RateLimitError", 429),
    (b"ServiceUnavailableError", 503),
    (b"InternalServerError", 500),
];

/// The phrase of the SDKs' error inside a stream.
const STREAM: &str = "An error occurred during streaming";

/// The class of that error.
const STREAM_CLASS: &str = "APIResponseError";

/// The name behind LiteLLM's classes.
const ZAI: &str = "ZaiException";

/// What an adapter prints of an answer whose body it does not read.
const HTTP: &str = "HTTP exception: HTTP ";

/// What each of these exceptions is printed with.
static WORDS: LazyLock<Search> = LazyLock::new(|| {
    let classes = CLASSES.iter().map(|(class, _)| *class);
    Search::first(&classes.chain([STREAM, ZAI, HTTP]).collect::<Vec<_>>())
});

/// Reads the class of an exception of `view`.
pub fn lost(view: &[u8]) -> Option<Lost> {
    WORDS.find(view, 0..view.len())?;
    if memmem::find(view, STREAM.as_bytes()).is_some() && printed(view, STREAM_CLASS) {
        return Some(Lost::Unknown);
    }
    if memmem::find(view, ZAI.as_bytes()).is_some() {
        let class = LITELLM.iter().find(|(class, _)| memmem::find(view, class).is_some());
        return class.map(|(_, status)| Lost::Status(*status));
    }
    if let Some(at) = memmem::find(view, HTTP.as_bytes()) {
        let status = super::value::number(&view[at + HTTP.len()..]).map(|(n, _)| n);
        return status.filter(|s| (400..600).contains(s)).map(Lost::Status);
    }
    let class = CLASSES.iter().find(|(class, _)| printed(view, class));
    class.map(|(_, status)| Lost::Status(*status))
}

/// Whether the class is printed as what was raised, not as a line of source code.
fn printed(view: &[u8], class: &str) -> bool {
    let source = OnceCell::new();
    let source = |at| source.get_or_init(|| source_code(view)).is_some_and(|end| end <= at);
    memmem::find_iter(view, class.as_bytes()).any(|at| {
        let behind = &view[at + class.len()..];
        // A linter's `'zai.core.APIReachLimitError' imported but unused`.
        let named = behind.first().is_some_and(|b| matches!(b, b'\'' | b'"')) && behind[1..].starts_with(b" imported");
        // Python's repr of an exception: the class, then its text.
        let repr = behind.starts_with(b"('") || behind.starts_with(b"(\"");
        let ends =
            matches!(behind.first(), None | Some(b':' | b' ' | b'>' | b']' | b'"' | b'\'' | b'\n' | b')' | b','));
        !named && (repr || ends) && !source(at)
    })
}

/// Where the first word ends behind which the name of a class is source code.
fn source_code(view: &[u8]) -> Option<usize> {
    let words = [b"except ".as_slice(), b"import ", b"raise ", b"class "];
    words.iter().filter_map(|word| Some(memmem::find(view, word)? + word.len())).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_stand_for_statuses() {
        let lost = |text: &str| super::lost(text.as_bytes());
        assert_eq!(
            lost("RetryError[<Future at 0x7 state=finished raised APIReachLimitError>]"),
            Some(Lost::Status(429))
        );
        assert_eq!(lost("zai.core._errors.APIResponseError: An error occurred during streaming"), Some(Lost::Unknown));
        assert_eq!(lost("litellm.RateLimitError: RateLimitError: ZaiException - new words"), Some(Lost::Status(429)));
        assert_eq!(lost("    except zhipuai.APIReachLimitError as e:"), None);
        assert_eq!(lost("F401 'zai.core._errors.APIReachLimitError' imported but unused"), None);
        assert_eq!(lost("    raise APIReachLimitError(message)"), None);
        assert_eq!(lost("    raise (APIReachLimitError: x)"), None);
        assert_eq!(lost("APIReachLimitErrors APIReachLimitError: x, to class as"), Some(Lost::Status(429)));
        assert_eq!(lost("HTTP exception: HTTP 429 "), Some(Lost::Status(429)));
    }
}
