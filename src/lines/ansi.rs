//! Terminal escapes: colours that a logger wrote are taken out, so that they do not cut a text in two.

use memchr::memchr;

const ESC: u8 = 0x1B;

/// Appends `bytes` to `out` without ANSI escape sequences (ECMA-48 CSI and OSC, and two-byte escapes).
pub fn strip(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = memchr(ESC, rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + sequence(&rest[at..])..];
    }
    out.extend_from_slice(rest);
}

/// The length of the escape sequence that `bytes` starts with.
fn sequence(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(b'[') => {
            let end = bytes[2..].iter().position(|b| (0x40..=0x7E).contains(b));
            end.map_or(bytes.len(), |n| n + 3)
        }
        Some(b']') => {
            // It ends with BEL, or with the string terminator, `ESC \`.
            let end = bytes[2..].iter().position(|b| matches!(*b, 0x07 | ESC));
            end.map_or(bytes.len(), |n| n + if bytes[n + 2..].starts_with(b"\x1b\\") { 4 } else { 3 })
        }
        Some(_) => 2,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn colours_and_titles_go_and_the_text_stays() {
        let mut out = Vec::new();
        super::strip(b"\x1b[31mERR\x1b[0;1mOR\x1b]0;title\x07 end\x1b", &mut out);
        assert_eq!(out, b"ERROR end");
        out.clear();
        super::strip(b"\x1b]8;;https://z.ai\x1b\\link\x1b]8;;\x1b\\ nothing", &mut out);
        assert_eq!(out, b"link nothing");
    }
}
