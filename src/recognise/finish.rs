//! Why streamed answers ended.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::{find, value};

/// The documented values of `finish_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The answer is complete.
    Stop,
    /// The answer reached its length limit.
    Length,
    /// The model calls a tool.
    ToolCalls,
    /// Sensitive content.
    Sensitive,
    /// The inference failed.
    NetworkError,
    /// The conversation is too long for the model.
    ModelContextWindowExceeded,
    /// What some clients make of `sensitive`.
    ContentFilter,
    /// Any other.
    Other,
}

impl FinishReason {
    /// All values.
    pub const ALL: [Self; 8] = [
        Self::Stop,
        Self::Length,
        Self::ToolCalls,
        Self::Sensitive,
        Self::NetworkError,
        Self::ModelContextWindowExceeded,
        Self::ContentFilter,
        Self::Other,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::Sensitive => "sensitive",
            Self::NetworkError => "network_error",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
            Self::ContentFilter => "content_filter",
            Self::Other => "other",
        }
    }

    /// A value as clients print it: with dashes, or in the Anthropic endpoint's words.
    fn parse(value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(value).replace('-', "_").to_ascii_lowercase();
        match text.as_str() {
            "end_turn" | "stop_sequence" => Self::Stop,
            "max_tokens" => Self::Length,
            "tool_use" | "tool_call" | "function_call" => Self::ToolCalls,
            text => Self::ALL.into_iter().find(|r| r.as_str() == text).unwrap_or(Self::Other),
        }
    }
}

/// Models of other vendors: an answer that names one is not the API's.
const OTHER_MODELS: [&[u8]; 12] = [
    b"gpt-",
    b"claude",
    b"gemini",
    b"qwen",
    b"deepseek",
    b"llama",
    b"mistral",
    b"kimi",
    b"moonshot",
    b"doubao",
    b"minimax",
    b"grok",
];

/// Hands each finish reason in `view` to `found`, with its place.
pub fn reasons(view: &[u8], mut found: impl FnMut(FinishReason, usize)) {
    let mut last = None;
    for needle in [&find::FINISH, &find::STOP_REASON] {
        for at in needle.find_iter(view) {
            let starts = at == 0 || !(view[at - 1].is_ascii_alphanumeric() || view[at - 1] == b'-');
            if let Some(value) = value::finish_reason(&view[at..]).filter(|_| starts) {
                let reason = FinishReason::parse(value);
                // `finish=` alone is a key of many things: only a known reason makes it one.
                if reason != FinishReason::Other
                    || view[at..].starts_with(b"finish_")
                    || view[at..].starts_with(b"finishR")
                {
                    last = Some((reason, at));
                }
            }
        }
    }
    // A line holds one answer; the chunks of a stream that it may list end with the reason.
    let other = || OTHER_MODELS.iter().any(|m| memmem::find(view, m).is_some()) && memmem::find(view, b"glm").is_none();
    if let Some((reason, at)) = last.filter(|_| !other()) {
        found(reason, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reason_of_a_line_counts() {
        let of = |text: &str| {
            let mut out = None;
            reasons(text.as_bytes(), |r, _| out = Some(r));
            out
        };
        assert_eq!(
            of(r#"{"choices":[{"finish_reason":null},{"finish_reason":"sensitive"}]}"#),
            Some(FinishReason::Sensitive)
        );
        assert_eq!(of("Provider finish_reason: network_error"), Some(FinishReason::NetworkError));
        assert_eq!(of("finishReason: 'content-filter'"), Some(FinishReason::ContentFilter));
        assert_eq!(of("\"stop_reason\":\"end_turn\""), Some(FinishReason::Stop));
        assert_eq!(of("job finish=done"), None);
        assert_eq!(of("finish_reason=new"), Some(FinishReason::Other));
        assert_eq!(of("model=gpt-4o finish_reason=stop"), None);
        assert_eq!(of("finished"), None);
    }
}
