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

/// How far behind its beginning such a line says the rest, in bytes: a URL may stand between.
const REST: usize = 1_024;

static BEGIN: LazyLock<Search> = LazyLock::new(|| Search::first(&WITH_FAILURE.map(|(begin, _)| begin)));

/// Whether a line that tells of a failure announces another attempt.
pub fn follows(view: &[u8]) -> bool {
    BEGIN.find_iter(view).any(|begin| {
        let (_, then) = WITH_FAILURE[begin.pattern().as_usize()];
        let rest = &view[begin.end()..];
        memmem::find(&rest[..rest.len().min(REST)], then.as_bytes()).is_some()
    })
}

/// Words that announce another attempt in a program's own line about a failure: `retrying in 2s`, `will retry`, `retry #1 after 500`.
static MEANT: LazyLock<Search> =
    LazyLock::new(|| Search::first(&["etrying", "ill retry", "etry #", "etry 1", "etry 2", "etry 3"]));

/// Whether a program's own line about a failure announces another attempt. It may say that there is none any more.
pub fn is_meant(view: &[u8]) -> bool {
    MEANT.find_iter(view).any(|word| {
        let before = &view[..word.start().saturating_sub(1)];
        ![b"up ".as_slice(), b"not ", b"no ", b"after ", b"stop ", b"stopped "].iter().any(|end| before.ends_with(end))
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
        assert!(
            is_meant(b"attempt 1 failed (1302), retrying in 0.2 s")
                && is_meant(b"Will retry: x")
                && is_meant(b"retry #1 after 500: x")
        );
        assert!(
            !is_meant(b"gave up retrying: x")
                && !is_meant(b"failed after retrying 3 times")
                && !is_meant(b"not retrying: x")
        );
        assert!(!is_meant(b"no more retries left"));
    }
}
