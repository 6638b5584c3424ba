//! Which statement of a program printed the line that an exception stands below: `ERROR chat failed`.

use xxhash_rust::xxh3::xxh3_64;

use super::evidence::speaks_of_failure;

/// How many words tell one statement from another: further ones are often what it failed for.
const WORDS: usize = 5;

/// How much of a line is looked at.
const HEAD: usize = 256;

/// A hash of the statement that printed `line`, if that speaks of a failure.
pub fn of(line: &[u8]) -> Option<u64> {
    let line = &line[..line.len().min(HEAD)];
    // Serilog's level.
    if !speaks_of_failure(line) && memchr::memmem::find(line, b"ERR]").is_none() {
        return None;
    }
    let within = |b: &u8| b.is_ascii_alphanumeric() || !b.is_ascii();
    let name = |word: &&[u8]| word.len() > 1 && !word.iter().any(u8::is_ascii_digit);
    let words: Vec<&[u8]> = line.split(|b| !within(b)).filter(name).take(WORDS).collect();
    Some(xxh3_64(&words.join(&b' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, two: &str) -> bool {
        of(one.as_bytes()) == of(two.as_bytes())
    }

    #[test]
    fn statements_are_told_by_their_first_words() {
        assert!(same(
            "2026-08-10 08:54:07,768 ERROR app - try 1 failed",
            "2026-08-11 18:50:01,001 ERROR app - try 22 failed"
        ));
        assert!(same("ERROR app - cannot write about report.pdf", "ERROR app - cannot write about invoice.pdf"));
        assert!(!same("ERROR c.e.RetryUtils : Retry error", "ERROR c.e.ChatController : chat failed"));
        assert!(!same("ERROR app - 模型调用失败", "ERROR app - 请求处理失败"));
        assert!(of(b"[08:54:07 ERR] HTTP POST /chat responded 500").is_some());
        assert_eq!(of(b"2026-08-10 08:54:07,768 INFO app - started"), None);
    }
}
