//! Lines that announce another attempt: what has been told of the one before is all there is of it.

use std::sync::LazyLock;

use memchr::memmem;

use super::find;
use super::search::Search;

/// Whether a line announces another attempt by itself, as the SDKs do: `Retrying request to /chat/completions in 0.93 seconds`.
pub fn is_announced(view: &[u8]) -> bool {
    find::RETRYING.find(view).is_some()
}

/// What a line holds that tells of a failure and announces another attempt, and what follows it there.
const WITH_FAILURE: [(&str, &str); 4] = [
    // backoff: `Backing off go(...) for 0.2s (…)`
    ("Backing off ", "(...) for "),
    // Scrapy: `Retrying <POST …> (failed 1 times): …`
    ("Retrying <", "> (failed "),
    // tenacity: `Retrying app.ask in 0.2 seconds as it raised …`
    ("Retrying ", " as it raised "),
    // openai-node: `post https://… failed with status 429 in 47ms - retrying, 2 attempts remaining`
    ("failed with status ", " - retrying, "),
];

static BEGIN: LazyLock<Search> = LazyLock::new(|| Search::first(&WITH_FAILURE.map(|(begin, _)| begin)));

/// Whether a line that tells of a failure announces another attempt.
pub fn follows(view: &[u8]) -> bool {
    BEGIN.find_iter(view).any(|begin| {
        let (_, then) = WITH_FAILURE[begin.pattern().as_usize()];
        memmem::find(&view[begin.end()..], then.as_bytes()).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_up_announces_nothing() {
        assert!(follows(b"backoff: Backing off go(...) for 0.2s (zai.core.APIReachLimitError: x)"));
        assert!(follows(b"Retrying app.ask in 1 seconds as it raised RateLimitError: x."));
        assert!(follows(b"Retrying <POST https://api.z.ai/x> (failed 1 times): 429 Unknown Status"));
        assert!(follows(b"post https://api.z.ai/x failed with status 429 in 3ms - retrying, 1 attempts remaining"));
        assert!(!follows(b"post https://api.z.ai/x failed with status 429 in 3ms - error; no more retries left"));
        assert!(!follows(b"Giving up go(...) after 2 tries (zai.core.APIReachLimitError: x)"));
        assert!(!follows(b"Gave up retrying <POST https://api.z.ai/x> (failed 3 times): 429 Unknown Status"));
        assert!(!follows(b"> (failed 1 times): Retrying <x"));
    }
}
