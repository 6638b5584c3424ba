//! Texts of the API, compared without white space, punctuation and case: clients change all three.

/// A text that the API prints, with `${…}` for what changes from call to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// As it was written.
    pub text: String,
    /// The parts between the placeholders, normalised; never empty strings.
    pieces: Vec<Vec<u8>>,
}

/// How far a message agrees with a wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// Another text.
    None,
    /// The message is the beginning of the wording: it was cut off.
    Cut,
    /// The message holds the whole wording.
    Whole,
}

/// How much text may stand for one placeholder, in normalised bytes.
const PLACEHOLDER: usize = 160;

/// A message shorter than this, in normalised bytes, is too short to be called a cut wording.
const SHORTEST_CUT: usize = 12;

impl Wording {
    /// Takes a text with `${…}` placeholders apart.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            pieces.push(normalise(&rest.as_bytes()[..start]));
            rest = rest[start..].find('}').map_or("", |end| &rest[start + end + 1..]);
        }
        pieces.push(normalise(rest.as_bytes()));
        pieces.retain(|p| !p.is_empty());
        Self { text: text.to_string(), pieces }
    }

    /// The longest part without a placeholder, as it was written.
    pub fn longest_literal(&self) -> &str {
        let literals = self
            .text
            .split("${")
            .enumerate()
            .map(|(i, part)| if i == 0 { part } else { part.split_once('}').map_or("", |(_, after)| after) });
        literals.max_by_key(|part| part.len()).unwrap_or("")
    }

    /// Whether the text starts with what changes from call to call.
    pub fn opens_with_placeholder(&self) -> bool {
        self.text.starts_with("${")
    }

    /// Where the wording stands in `message`, which must be normalised: the shortest text that ends where the first one does, since
    /// the beginning of one (`API ${…} has been taken offline`) may stand before it (`/api/paas`).
    pub fn find(&self, message: &[u8]) -> Option<std::ops::Range<usize>> {
        self.find_shortest(message, 0)
    }

    /// The same of the first text that ends behind `at`: others may stand before it.
    pub fn find_over(&self, message: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
        let longest = self.pieces.iter().map(|piece| piece.len() + PLACEHOLDER).sum::<usize>();
        let mut found = self.find_shortest(message, at.saturating_sub(longest.saturating_sub(PLACEHOLDER)))?;
        while found.end <= at {
            found = self.find_shortest(message, found.end)?;
        }
        Some(found)
    }

    /// The next longer text that ends where this one does.
    pub fn find_longer(&self, message: &[u8], found: &std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
        let (first, others) = self.pieces.split_first().filter(|(_, others)| !others.is_empty())?;
        let start = memchr::memmem::rfind(&message[..found.start], first)?;
        (follow(message, start + first.len(), others)? == found.end).then_some(start..found.end)
    }

    fn find_shortest(&self, message: &[u8], from: usize) -> Option<std::ops::Range<usize>> {
        let mut found = self.find_from(message, from)?;
        while let Some(shorter) = self.find_from(message, found.start + 1).filter(|later| later.end == found.end) {
            found = shorter;
        }
        Some(found)
    }

    fn find_from(&self, message: &[u8], mut from: usize) -> Option<std::ops::Range<usize>> {
        let (first, others) = self.pieces.split_first()?;
        loop {
            let start = from + memchr::memmem::find(&message[from..], first)?;
            if let Some(end) = follow(message, start + first.len(), others) {
                return Some(start..end);
            }
            from = start + 1;
        }
    }

    /// Whether `message`, which must be normalised, begins with this wording.
    pub fn begins(&self, message: &[u8]) -> bool {
        let begins = |p: &Vec<u8>| message.starts_with(p) && follow(message, p.len(), &self.pieces[1..]).is_some();
        self.pieces.first().is_some_and(begins)
    }

    /// How far `message`, which must be normalised, agrees with this wording.
    pub fn agreement(&self, message: &[u8]) -> Agreement {
        if self.begins(message) || self.find(message).is_some() {
            return Agreement::Whole;
        }
        let cut = message.len() >= SHORTEST_CUT && self.pieces.first().is_some_and(|p| p.starts_with(message));
        if cut { Agreement::Cut } else { Agreement::None }
    }
}

fn follow(message: &[u8], mut at: usize, pieces: &[Vec<u8>]) -> Option<usize> {
    for piece in pieces {
        let end = message.len().min(at + PLACEHOLDER + piece.len());
        let found = memchr::memmem::find(&message[at..end], piece)?;
        at += found + piece.len();
    }
    Some(at)
}

/// A text without white space and punctuation (ASCII's and the CJK and full-width forms), ASCII letters in lower case.
pub fn normalise(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    normalise_mapped(text, |byte, _| out.push(byte));
    out
}

/// Normalises `text`, telling for each byte kept where it stood.
pub fn normalise_mapped(text: &[u8], mut keep: impl FnMut(u8, usize)) {
    let mut i = 0;
    while let Some(&b) = text.get(i) {
        match KEPT[usize::from(b)] {
            0 => {}
            LEAD => match punctuation(&text[i..]) {
                0 => keep(b, i),
                len => i += len - 1,
            },
            kept => keep(kept, i),
        }
        i += 1;
    }
}

/// Marks the first bytes of characters that may be punctuation. No text holds this byte (RFC 3629).
const LEAD: u8 = 0xFF;

/// What is kept of each byte: 0 for nothing.
static KEPT: [u8; 256] = {
    let mut kept = [0; 256];
    let mut b = 1u8;
    while b != 0 {
        kept[b as usize] = match b {
            0xC2 | 0xE2 | 0xE3 | 0xEF => LEAD,
            _ if b.is_ascii_alphanumeric() => b.to_ascii_lowercase(),
            _ if b.is_ascii() => 0,
            _ => b,
        };
        b = b.wrapping_add(1);
    }
    kept
};

/// The length of the punctuation character that `text` begins with; 0 for another character.
fn punctuation(text: &[u8]) -> usize {
    match text {
        [0xE3, 0x80, ..] => 3,        // U+3000…: CJK punctuation
        [0xEF, 0xBC | 0xBD, ..] => 3, // U+FF00…: full-width forms
        [0xE2, 0x80, ..] => 3,        // U+2000…: quotation marks, dashes, the ellipsis
        [0xC2, 0xA0, ..] => 2,        // no-break space
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(wording: &str, message: &str) -> Agreement {
        Wording::parse(wording).agreement(&normalise(message.as_bytes()))
    }

    #[test]
    fn white_space_punctuation_and_case_do_not_count() {
        let wording = "您当前使用该API的并发数过高，请降低并发";
        assert_eq!(agreement(wording, "您当前使用该 API 的并发数过高,请降低并发。"), Agreement::Whole);
        assert_eq!(agreement("Rate limit reached", "rate  LIMIT reached."), Agreement::Whole);
    }

    #[test]
    fn placeholders_stand_for_any_text() {
        let wording = "Current model does not support ${method} call method";
        assert_eq!(agreement(wording, "Current model does not support SSE call method"), Agreement::Whole);
        assert_eq!(agreement(wording, "Current model does not support"), Agreement::Cut);
        assert_eq!(agreement(wording, "Current modem does not support SSE call method"), Agreement::None);
    }

    #[test]
    fn a_placeholder_stands_for_as_little_as_it_can() {
        let wording = Wording::parse("API ${name} has been taken offline");
        let message = normalise(b"POST /api/paas failed: API x has been taken offline; the API too");
        let found = wording.find(&message).unwrap();
        assert_eq!(&message[found], b"apixhasbeentakenoffline");
        let twice = normalise(b"API x has been taken offline, API yy has been taken offline");
        let second = wording.find_over(&twice, 30).unwrap();
        assert_eq!(&twice[second], b"apiyyhasbeentakenoffline");
        assert_eq!(wording.find_over(&twice, twice.len()), None);
    }

    #[test]
    fn a_cut_message_agrees_only_when_it_is_long_enough_to_tell() {
        assert_eq!(agreement("Rate limit reached for requests", "Rate limit reached for req..."), Agreement::Cut);
        assert_eq!(agreement("Rate limit reached for requests", "Rate"), Agreement::None);
    }
}
