//! Which layer printed a line: its text up to the error, without what changes from call to call.

use xxhash_rust::xxh3::Xxh3;

use super::evidence::Form;

/// A hash that is the same for all lines that one statement of a program prints.
pub type Shape = u64;

/// The shape of a line whose error starts at `start` and is written as `form`.
pub fn of(view: &[u8], start: usize, form: Form) -> Shape {
    let mut hash = Xxh3::new();
    hash.update(&[form as u8]);
    let head = &view[..start.min(view.len())];
    // Indentation is part of a shape, the width of a gap within a line is not.
    let indented_to = head.iter().take_while(|b| **b == b' ').count();
    let mut i = 0;
    while i < head.len() {
        i += match head[i] {
            b'[' => bracketed(head, i, b']', &mut hash),
            b'(' => bracketed(head, i, b')', &mut hash),
            b'"' | b'\'' => quoted(head, i, &mut hash),
            b'=' => {
                hash.update(b"=");
                1 + word(&head[i + 1..])
            }
            b if in_word(b) => {
                let len = word(&head[i..]);
                hash.update(stem(&head[i..i + len]));
                len
            }
            b' ' if i > 0 && head[i - 1] == b' ' && indented_to < i => 1,
            0xE2 if head.get(i + 1) == Some(&0x96) => 3, // U+2580…: the blocks of a progress bar
            b => {
                hash.update(&[b]);
                1
            }
        };
    }
    hash.digest()
}

/// What stays of a word: nothing of one with digits, and `task-` of `task-a`.
fn stem(word: &[u8]) -> &[u8] {
    match word {
        _ if word.iter().any(u8::is_ascii_digit) => b"#",
        [.., b'-', _] => &word[..word.len() - 1],
        _ => word,
    }
}

const fn in_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-') || b >= 0x80 && b != 0xE2
}

fn word(text: &[u8]) -> usize {
    text.iter().take_while(|b| in_word(**b) || **b == b'.').count()
}

/// `[worker-3]`, `(channel 7)`: only that it is there.
fn bracketed(head: &[u8], at: usize, close: u8, hash: &mut Xxh3) -> usize {
    match memchr::memchr(close, &head[at..]) {
        Some(len) => {
            hash.update(&[close]);
            len + 1
        }
        None => {
            hash.update(&head[at..=at]);
            1
        }
    }
}

/// A quoted text: its words where it is a key, otherwise only that it is there.
fn quoted(head: &[u8], at: usize, hash: &mut Xxh3) -> usize {
    let Some(len) = memchr::memchr(head[at], &head[at + 1..]) else {
        hash.update(&head[at..=at]);
        return 1;
    };
    let after = head[at + len + 2..].trim_ascii_start();
    if matches!(after.first(), Some(b':')) {
        hash.update(&head[at..at + len + 2]);
    } else {
        hash.update(&head[at..=at]);
    }
    len + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        of(a.as_bytes(), a.len(), Form::Object) == of(b.as_bytes(), b.len(), Form::Object)
    }

    #[test]
    fn times_ids_and_values_do_not_change_a_shape() {
        assert!(same("2026-08-10 08:54:07,768 [Thread-1] ERROR x: ", "2026-01-17 18:00:00,001 [Thread-22] ERROR x: "));
        assert!(same("| 2025e59bb346 | relay error (user id: 1): ", "| 77aa0b346 | relay error (user id: 2): "));
        assert!(same(r#"{"model": "glm-4.5", "ms": 12, "error": ""#, r#"{"model": "glm-5", "ms": 99, "error": ""#));
        assert!(same("user=alice err=", "user=bob err="));
        assert!(same("ERROR task-a ", "ERROR task-b "));
        assert!(same("Evaluating:  12%|█▏        | 6/50 ", "Evaluating:  94%|█████▎  | 47/50 "));
    }

    #[test]
    fn another_layer_has_another_shape() {
        assert!(!same("openai.RateLimitError: ", "litellm.llms.OpenAIError: "));
        assert!(!same("  code: ", "    code: "));
        assert!(!same("x ERROR chat failed: ", ""));
    }
}
