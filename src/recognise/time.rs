//! When a line says that it was written.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::find;

/// Milliseconds since the epoch.
pub type Millis = i64;

/// When a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Written {
    /// By a time with its offset from UTC.
    At(Millis),
    /// By a time without one, taken for that of the exporter's zone.
    Local {
        /// Wrong by the difference of the zones where the writer's is another.
        local: Millis,
    },
    /// By a time of day alone, or behind a date without a year.
    OfDay {
        /// Milliseconds since midnight, in whatever zone.
        of_day: Millis,
    },
}

/// What the offsets of all zones are multiples of (IANA database, since 1972).
const OFFSETS: u64 = 15 * 60 * 1_000;

/// How far apart the offsets of two zones are at the most: UTC+14 and UTC-12.
const ZONES: u64 = 26 * 3_600 * 1_000;

const DAY: u64 = 24 * 3_600 * 1_000;

impl Written {
    /// Milliseconds since the epoch, if the line tells the day.
    pub fn millis(self) -> Option<Millis> {
        match self {
            Self::At(millis) | Self::Local { local: millis } => Some(millis),
            Self::OfDay { .. } => None,
        }
    }

    /// Whether two lines of one log may have been written so close to each other. Where only one time has an offset, or only one a day, the
    /// minutes within a quarter of an hour alone are compared: one logger may write its own zone's time and the other UTC.
    pub fn is_near(self, other: Self, millis: u64) -> bool {
        let apart = self.number().abs_diff(other.number());
        let within = |period: u64| (apart % period + millis) % period <= 2 * millis;
        match (self, other) {
            (Self::At(_), Self::At(_)) | (Self::Local { .. }, Self::Local { .. }) => apart <= millis,
            (Self::OfDay { .. }, Self::OfDay { .. }) => within(DAY),
            (Self::OfDay { .. }, _) | (_, Self::OfDay { .. }) => within(OFFSETS),
            _ => apart <= ZONES + millis && within(OFFSETS),
        }
    }

    fn number(self) -> Millis {
        match self {
            Self::At(number) | Self::Local { local: number } | Self::OfDay { of_day: number } => number,
        }
    }
}

/// How much of a line is looked at for a time at its head.
const HEAD: usize = 96;

/// Keys of times in structured lines, from where they are found.
const KEYS: [&[u8]; 5] = [b"timestamp\"", b"time\"", b"\"ts\"", b"timestamp=", b"time="];

/// How much of a line is looked at for a time of day.
const CLOCK: usize = 40;

/// What `curl -v` prints before the lines of a connection and of headers: a certificate's `start date: Nov 27 20:56:00 2026 GMT` is no time of a line.
const CURL: [&[u8]; 3] = [b"* ", b"< ", b"> "];

/// The time of a line: from its head, or from a key of a structured line. Times without an offset are of `zone`.
pub fn of(line: &[u8], zone: &TimeZone) -> Option<Written> {
    if CURL.iter().any(|mark| line.starts_with(mark)) {
        return None;
    }
    in_text(&line[..line.len().min(HEAD)], zone).or_else(|| keyed(line, zone)).or_else(|| of_day(line))
}

/// The first time in `text`.
pub fn in_text(text: &[u8], zone: &TimeZone) -> Option<Written> {
    // Most texts without a time end here.
    memchr::memchr(b':', text)?;
    let mut at = 0;
    while at + 19 <= text.len() {
        let rest = &text[at..];
        let fresh = at == 0 || !text[at - 1].is_ascii_digit();
        if rest[0].is_ascii_digit()
            && fresh
            && let Some(written) = iso(rest, zone).or_else(|| nginx(rest, zone))
            && !is_foretold(&text[..at])
        {
            return Some(written);
        }
        at += 1;
    }
    None
}

/// `Your limit will reset at 2026-03-09 08:00:00`: nothing was written then.
fn is_foretold(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    before.ends_with(b" at") || before.ends_with("在".as_bytes())
}

/// `08:54:07.768 ERROR`, `[12:44:07 ERR]`, `Aug 10 08:54:07 host app[1]:` (RFC 3164), `E0810 08:54:07.768123` (klog).
fn of_day(line: &[u8]) -> Option<Written> {
    let head = &line[..line.len().min(CLOCK)];
    memchr::memchr_iter(b':', head).find_map(|colon| {
        let at = colon.checked_sub(2)?;
        let fresh = !head[..at].last().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'-'));
        let text = &head[at..];
        let part = |from: usize, most: i64| decimal(text.get(from..from + 2)?).filter(|n| *n <= most);
        if !fresh || text.get(5) != Some(&b':') || is_foretold(&head[..at]) {
            return None;
        }
        let (hour, minute, second) = (part(0, 23)?, part(3, 59)?, part(6, 60)?);
        let (millis, len) = fraction(&line[at + 8..]);
        let ends = !line.get(at + 8 + len).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b':');
        ends.then_some(Written::OfDay { of_day: ((hour * 60 + minute) * 60 + second) * 1_000 + millis })
    })
}

fn keyed(line: &[u8], zone: &TimeZone) -> Option<Written> {
    [&find::TIME, &find::TS].into_iter().flat_map(|word| word.find_iter(line)).find_map(|at| {
        let key = KEYS.iter().find(|key| line[at..].starts_with(key))?;
        let opened = key.starts_with(b"\"") || matches!(line[..at].last(), Some(b'"' | b'@'));
        let is_key = opened || !key.ends_with(b"\"");
        let rest = is_key.then(|| line[at + key.len()..].trim_ascii_start())?;
        let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start();
        let quoted = rest.strip_prefix(b"\"");
        quoted.map_or_else(|| epoch(rest).map(Written::At), |text| in_text(&text[..text.len().min(40)], zone))
    })
}

/// Seconds, with or without a fraction, or milliseconds since the epoch.
fn epoch(text: &[u8]) -> Option<Millis> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = decimal(&text[..digits])?;
    match digits {
        10 => Some(number * 1_000 + fraction(&text[digits..]).0),
        13 => Some(number),
        _ => None,
    }
}

/// `2026-08-10 08:54:07,768`, `2026-08-10T08:54:07.768Z`, `2025/03/24 - 19:30:16`, with or without an offset.
fn iso(text: &[u8], zone: &TimeZone) -> Option<Written> {
    let separator = *text.get(4)?;
    if !matches!(separator, b'-' | b'/') || text.get(7) != Some(&separator) {
        return None;
    }
    let (year, month, day) = (decimal(&text[..4])?, decimal(&text[5..7])?, decimal(&text[8..10])?);
    let gap = text[10..].iter().take(3).take_while(|b| matches!(b, b' ' | b'T' | b't' | b'-' | b'_')).count();
    (gap > 0).then(|| clock(date(year, month, day)?, &text[10 + gap..], zone)).flatten()
}

/// `26/Sep/2026:12:00:00 +0800`.
fn nginx(text: &[u8], zone: &TimeZone) -> Option<Written> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    if text.get(2) != Some(&b'/') || text.get(6) != Some(&b'/') || text.get(11) != Some(&b':') {
        return None;
    }
    let month = MONTHS.chunks(3).position(|m| m == &text[3..6])?;
    let month = i64::try_from(month).ok()? + 1;
    clock(date(decimal(&text[7..11])?, month, decimal(&text[..2])?)?, &text[12..], zone)
}

fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    let small = |n: i64| i8::try_from(n).ok();
    Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()
}

/// `08:54:07,768 +0800` behind a date.
fn clock(date: Date, text: &[u8], zone: &TimeZone) -> Option<Written> {
    if text.get(2) != Some(&b':') || text.get(5) != Some(&b':') {
        return None;
    }
    let small = |range: std::ops::Range<usize>| decimal(text.get(range)?).and_then(|n| i8::try_from(n).ok());
    let time = Time::new(small(0..2)?, small(3..5)?, small(6..8)?.min(59), 0).ok()?;
    let (millis, len) = fraction(&text[8..]);
    let moment = DateTime::from_parts(date, time);
    match offset(text[8 + len..].trim_ascii_start()) {
        Some(offset) => Some(Written::At(offset.to_timestamp(moment).ok()?.as_millisecond() + millis)),
        None => {
            let stamp = zone.to_ambiguous_timestamp(moment).compatible().ok()?;
            Some(Written::Local { local: stamp.as_millisecond() + millis })
        }
    }
}

/// `.768` or `,768…` as milliseconds, and its length.
fn fraction(text: &[u8]) -> (Millis, usize) {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return (0, 0);
    }
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let three = text[1..].iter().copied().take(digits).chain(std::iter::repeat(b'0')).take(3);
    (three.fold(0, |n, d| n * 10 + Millis::from(d - b'0')), 1 + digits)
}

/// `Z`, `+08:00`, `+0800`.
fn offset(text: &[u8]) -> Option<Offset> {
    let sign = match text.first()? {
        b'Z' | b'z' => return Some(Offset::UTC),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = decimal(text.get(1..3)?)?;
    let minutes = if text.get(3) == Some(&b':') { text.get(4..6) } else { text.get(3..5) };
    let minutes = minutes.and_then(decimal)?;
    Offset::from_seconds(i32::try_from(sign * (hours * 3_600 + minutes * 60)).ok()?).ok()
}

pub(super) fn decimal(digits: &[u8]) -> Option<i64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0i64, |n, d| n.wrapping_mul(10).wrapping_add(i64::from(d - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_common_form() {
        let shanghai = Offset::constant(8).to_time_zone();
        for line in [
            "2026-08-10 08:54:07,768 - httpx - INFO",
            "[2026-08-10 08:54:07.768] x",
            "2026-08-10T00:54:07.768Z stderr",
            "2026-08-10T08:54:07.768123+08:00 x",
            r#"1.2.3.4 - - [10/Aug/2026:08:54:07 +0800] "POST"#,
            "[ERROR] 2026/08/10 - 08:54:07 | x",
            r#"{"model":"glm","level":"error","timestamp":"2026-08-10T00:54:07.768Z"}"#,
            r#"{"level":50,"time":1786323247768,"pid":15083}"#,
            r#"{"level":"x","ts":1786323247.768}"#,
            r#"{"uptime":12,"@timestamp":"2026-08-10T00:54:07.768Z"}"#,
            "level=error timeout=5 time=2026-08-10T00:54:07Z",
        ] {
            let millis = of(line.as_bytes(), &shanghai).and_then(Written::millis).unwrap_or_default();
            assert_eq!(millis / 1_000, 1_786_323_247, "{line}");
        }
    }

    #[test]
    fn zones_do_not_set_one_moment_apart() {
        let moment = 1_786_323_247_768;
        let near = |a: Written, b: Written| a.is_near(b, 15_000) && b.is_near(a, 15_000);
        let local = |minutes: i64, seconds: i64| Written::Local { local: moment + (60 * minutes + seconds) * 1_000 };
        for minutes in [0, 60, 8 * 60, -8 * 60, 5 * 60 + 45, -(3 * 60 + 30), 26 * 60, -26 * 60] {
            assert!(near(Written::At(moment), local(minutes, 15)) && near(Written::At(moment), local(minutes, -15)));
            assert!(!near(Written::At(moment), local(minutes, 16)) && !near(Written::At(moment), local(minutes, -16)));
        }
        assert!(!near(Written::At(moment), local(27 * 60, 0)));
        assert!(!near(Written::At(moment), Written::At(moment + 8 * 3_600_000)));
        assert!(!near(local(0, 0), local(8 * 60, 0)));
        let extreme = [Written::At(Millis::MIN), Written::Local { local: Millis::MAX }];
        assert!(!near(extreme[0], extreme[1]));
    }

    #[test]
    fn a_time_of_day_is_read_at_the_head_of_a_line() {
        let of_day = ((8 * 60 + 54) * 60 + 7) * 1_000;
        for (line, millis) in [
            ("08:54:07.768 [pool-2] ERROR x", 768),
            ("[08:54:07 ERR] x", 0),
            ("Aug 10 08:54:07 host app[1]: x", 0),
            ("E0810 08:54:07.768123       1 x.go:88] x", 768),
            ("api  | 08:54:07,768 ERROR x", 768),
        ] {
            let expected = Written::OfDay { of_day: of_day + millis };
            assert_eq!(of(line.as_bytes(), &TimeZone::UTC), Some(expected), "{line}");
        }
        for line in
            ["x 08:54", "fe80::08:54:07:11", "25:54:07 x", "limit will reset at 08:54:07", "1.08:54:07", "08:54:07:11"]
        {
            assert_eq!(of(line.as_bytes(), &TimeZone::UTC), None, "{line}");
        }
        let (late, early) = (Written::OfDay { of_day: 86_399_900 }, Written::OfDay { of_day: 50 });
        assert!(late.is_near(early, 150) && early.is_near(late, 150) && !late.is_near(early, 149));
        assert!(Written::At(1_786_323_247_768).is_near(Written::OfDay { of_day: of_day + 768 }, 0));
        assert_eq!(
            of("[1308][已达到 5 小时的使用上限。您的限额将在 2026-01-25 12:00:00 重置]".as_bytes(), &TimeZone::UTC),
            None
        );
    }

    #[test]
    fn a_time_with_its_offset_is_told_from_one_without() {
        let kind = |line: &str| matches!(of(line.as_bytes(), &TimeZone::UTC), Some(Written::At(_)));
        assert!(
            kind("2026-08-10T00:54:07.768Z x")
                && kind(r#"{"ts":1786323247.768}"#)
                && kind("2026-08-10 08:54:07 +0800 x")
        );
        assert!(!kind("2026-08-10 08:54:07,768 x") && !kind("2026/08/10 08:54:07 x"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for line in ["", "no time", "2026-13-40 99:99:99", "12345678901234567890123", "\"time\":12", "2026-08-10"] {
            assert_eq!(of(line.as_bytes(), &TimeZone::UTC), None, "{line}");
        }
    }
}
