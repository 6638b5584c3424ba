//! Is it this API's? One number cannot tell: 1302 is a port, 1113 a wallet's error, 429 every vendor's. So each candidate is
//! weighed: how it is written, what else its line says, what its log said before. It counts from [`ENOUGH`] on.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::search::Search;
use super::{find, value};
use crate::catalogue::Agreement;

/// The sum of weights from which a candidate is taken for the API's.
pub const ENOUGH: i32 = 3;

/// A candidate below [`ENOUGH`] and from here on looked like the API's error: it is counted as a look-alike.
pub const LOOKS_ALIKE: i32 = 1;

/// How a candidate is written. The weight is how rarely anything but this API writes so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{"error":{"code":"1113","message":…}}`: the wire shape, the code a string.
    ErrorObject,
    /// The same with the code as a number.
    ErrorObjectNumber,
    /// `{"error":{"type":"1113",…}}`: the Anthropic endpoint of 2025.
    ErrorType,
    /// `{"code":"1210","message":…}` outside of an error object.
    Object,
    /// The same with the code as a number.
    ObjectNumber,
    /// `{"code":1001,"msg":…,"success":false}`.
    Envelope,
    /// `[1302][…]`.
    Bracket,
    /// `ChatError(code=1113, …)`: the Java SDK's own class.
    JavaError,
    /// `Error code: 1113`, `providerCode: '1302'`: where others print an HTTP status.
    Stated,
    /// `code=1305`, with no message beside it.
    Field,
    /// The message alone.
    Text,
}

impl Form {
    const fn weight(self) -> i32 {
        match self {
            Self::ErrorObject | Self::ErrorType | Self::JavaError => 3,
            Self::ErrorObjectNumber | Self::Object | Self::Envelope | Self::Stated => 2,
            Self::ObjectNumber | Self::Bracket => 1,
            Self::Field | Self::Text => 0,
        }
    }
}

/// What stands around a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent observations, each with a weight of its own
pub struct Evidence {
    /// How it is written.
    pub form: Form,
    /// Whether the catalogue knows the code.
    pub documented: bool,
    /// A code of three digits, which every vendor uses.
    pub short: bool,
    /// How the message agrees with the catalogue's wordings of the code; `None` where there is no message to compare.
    pub message: Option<Agreement>,
    /// The API is known to answer with any text under this code.
    pub free_text: bool,
    /// An HTTP status is printed before it, and fits the code.
    pub status: bool,
    /// A vendor's request id is printed with it.
    pub request_id: bool,
    /// It stands within a sentence of a line that speaks of no failure.
    pub quoted: bool,
    /// What the line says elsewhere.
    pub line: Marks,
    /// The API was named in this log a short while ago.
    pub context: bool,
}

impl Evidence {
    /// The sum of the weights.
    pub fn weight(self) -> i32 {
        let one = i32::from;
        let message = match self.message {
            Some(Agreement::Whole | Agreement::Cut) => 3,
            Some(Agreement::None) if self.free_text || !self.documented => 0,
            Some(Agreement::None) => -1,
            None => 0,
        };
        // `[1302][…][20260212…]`: nobody else puts an id of this kind there.
        let triple = one(self.request_id && self.form == Form::Bracket);
        self.form.weight()
            + message
            + one(self.status)
            + one(self.request_id)
            + self.context()
            + self.line.weight()
            + triple
            - 2 * one(!self.documented)
            - self.short()
            - 5 * one(self.quoted)
    }
}

impl Evidence {
    /// In a log about the API any object may hold a code; only shapes that look like its errors gain from the company.
    const fn context(self) -> i32 {
        let plain = matches!(self.form, Form::Object | Form::ObjectNumber | Form::Field);
        if self.context && !plain { 1 } else { 0 }
    }

    /// The API writes an HTTP status in the place of a code as a text, or in an envelope; others as a number.
    const fn short(self) -> i32 {
        match (self.short, self.form) {
            (false, _) => 0,
            (true, Form::ErrorObjectNumber | Form::ObjectNumber) => 4,
            (true, _) => 1,
        }
    }
}

/// What a line says about whose error it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent observations, each with a weight of its own
pub struct Marks {
    /// The API's host, its SDK, its own phrases.
    pub vendor: bool,
    /// A name that its host is a part of.
    pub kin: bool,
    /// Its models' names, or a client that is mostly used with it.
    pub hint: bool,
    /// A URL of another host.
    pub other_host: bool,
    /// Another vendor's name.
    pub other_vendor: bool,
}

impl Marks {
    const fn weight(self) -> i32 {
        let vendor = if self.vendor {
            2
        } else if self.hint {
            1
        } else {
            0
        };
        let host = if self.other_host && !self.vendor { -3 } else { 0 };
        let name = if self.other_vendor && !self.vendor { -2 } else { 0 };
        vendor + host + name
    }

    /// Whether the line is another vendor's as far as it tells.
    pub const fn foreign(self) -> bool {
        (self.other_host || self.other_vendor) && !self.vendor
    }
}

/// Phrases that only this API, its SDKs and its adapters print.
const VENDOR: &[&str] = &[
    "with error text",
    "zaiexception",
    "zhipu",
    "bigmodel",
    "contentfilter\"",
    "contentfilter'",
    "智谱",
    "zaihttpexception",
    "z-ai-sdk",
    "ai.z.openapi",
    "zai.core",
    "z.ai",
    "chatglm",
    "zai_sdk",
    "zai-sdk",
    "providerbusinesserror",
];

/// Names that make it likely. Those that begin as another does find nothing more; with them the search groups its texts better, and costs little more than half.
const HINTS: &[&str] = &["glm-", "glm_", "zai", "api error", "providercode", "glm"];

/// Other vendors whose errors have the same shapes. Names of client libraries (`openai.`, `anthropic.`) say nothing.
const OTHERS: &[&str] = &[
    "deepseek",
    "moonshot",
    "kimi",
    "minimax",
    "siliconflow",
    "cerebras",
    "ollama",
    "gemini",
    "mistral",
    "groq",
    "dashscope",
    "openrouter",
    "bedrock",
    "vertex_ai",
    "cohere",
    "hunyuan",
    "volcengine",
    "doubao",
    "baichuan",
    "stepfun",
    "perplexity",
    "together_ai",
    "alertname",
    "runbook_url",
    "fireworks",
    "azure",
    "mysql",
    "postgres",
    "redis",
    "websocket",
    "cloudflare",
    // Codes in words, as OpenAI and those who follow it have them: this API's are numbers.
    "rate_limit_exceeded",
    "insufficient_quota",
    "invalid_api_key",
    "context_length_exceeded",
    // Mistral's and vLLM's objects say what they are.
    "object\":\"error\"",
    "object\": \"error\"",
    "object': 'error'",
];

/// Hosts of URLs that are printed with anybody's errors.
const NEUTRAL_HOSTS: &[&str] = &["developer.mozilla.org", "github.com", "docs.litellm.ai", "errors.pydantic.dev"];

struct Lexicon {
    words: Search,
    failures: AhoCorasick,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon {
    words: Search::longest(&[VENDOR, HINTS, OTHERS].concat()),
    failures: AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(FAILURES)
        .expect("short texts make an automaton"),
});

/// Words that a line about a failure holds.
const FAILURES: &[&str] = &[
    "error",
    "exception",
    "fail",
    "fatal",
    "critical",
    "错误",
    "失败",
    "异常",
    "出错",
    "报错",
    "reject",
    "retry",
    "retries",
    "err=",
    "err:",
    "err ",
    "warn",
    "refused",
    "denied",
    "trouble",
    "unable",
    "cut short",
    "interrupted",
    "aborted",
    "中断",
    "超限",
    "exhausted",
];

/// Whether `text` speaks of a failure.
pub fn speaks_of_failure(text: &[u8]) -> bool {
    LEXICON.failures.is_match(text)
}

/// Where the first word that speaks of a failure ends.
pub fn first_word_of_failure(text: &[u8]) -> Option<usize> {
    LEXICON.failures.find(text).map(|found| found.end())
}

/// Reads the marks of `line`, which is `lower` in lower case; `is_api_host` knows the API's hosts.
pub fn marks(line: &[u8], lower: &[u8], is_api_host: impl Fn(&[u8]) -> bool) -> Marks {
    let mut marks = Marks::default();
    for word in LEXICON.words.find_iter(lower) {
        match word.pattern().as_usize() {
            i if i < VENDOR.len() => {
                let host = VENDOR[i] == "z.ai" || VENDOR[i] == "bigmodel";
                marks.kin |= host;
                marks.vendor |= VENDOR[i] != "z.ai" || value::is_host(line, word.start(), word.end());
            }
            i if i < VENDOR.len() + HINTS.len() => marks.hint = true,
            _ => marks.other_vendor = true,
        }
    }
    for host in hosts(line) {
        if is_api_host(host) {
            marks.vendor = true;
        } else if !NEUTRAL_HOSTS.iter().any(|n| host.eq_ignore_ascii_case(n.as_bytes())) && host.contains(&b'.') {
            marks.other_host = true;
        }
    }
    marks
}

/// The hosts of all URLs in `line`, without ports.
pub fn hosts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    find::SCHEME_END.find_iter(line).filter_map(|at| {
        let scheme = &line[..at];
        if !(scheme.ends_with(b"http") || scheme.ends_with(b"https")) {
            return None;
        }
        let rest = &line[at + 3..];
        let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')));
        Some(&rest[..end.unwrap_or(rest.len())]).filter(|h| !h.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Marks {
        marks(line.as_bytes(), line.to_ascii_lowercase().as_bytes(), |h| h == b"api.z.ai")
    }

    #[test]
    fn marks_are_read_from_the_whole_line() {
        assert!(of("POST https://api.z.ai/api").vendor);
        assert!(of("Error code: 400, with error text {").vendor);
        assert!(of("model=glm-4.6").hint);
        assert!(of("url=http://stock.internal/x").foreign());
        assert!(!of("see https://developer.mozilla.org/x").foreign());
        assert!(of("deepseek failed").foreign());
        assert!(of("{'message': 'x', 'code': 'rate_limit_exceeded'}").foreign());
        assert!(of("{'object': 'error', 'code': '1300'}").foreign());
        assert!(!of("jazz.ai").vendor);
    }

    #[test]
    fn the_wire_shape_is_enough_and_a_bare_number_is_not() {
        let base = Evidence {
            form: Form::ErrorObject,
            documented: true,
            short: false,
            message: None,
            free_text: false,
            status: false,
            request_id: false,
            quoted: false,
            line: Marks::default(),
            context: false,
        };
        assert!(base.weight() >= ENOUGH);
        assert!(Evidence { form: Form::Field, ..base }.weight() < LOOKS_ALIKE);
        assert!(Evidence { message: Some(Agreement::None), ..base }.weight() < ENOUGH);
        assert!(Evidence { form: Form::Bracket, message: Some(Agreement::Whole), ..base }.weight() >= ENOUGH);
        assert!(Evidence { documented: false, ..base }.weight() < ENOUGH);
    }
}
