//! Times, amounts and durations as the status page writes them.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::recognise::time::Millis;

/// A time: in JSON as RFC 3339 in UTC, on the page as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Millis);

impl Moment {
    /// The time `millis` after the epoch; 0 means never.
    pub fn of(millis: Millis) -> Option<Self> {
        (millis > 0).then_some(Self(millis))
    }

    /// The time of a metric; 0 means never.
    pub fn of_seconds(seconds: f64) -> Option<Self> {
        #[allow(clippy::cast_possible_truncation)] // saturates, and no time is that far
        Self::of((seconds * 1_000.0).round() as Millis)
    }

    /// As machines read it.
    pub fn iso(self) -> String {
        self.timestamp().to_string()
    }

    /// The day and time.
    pub fn full(self) -> String {
        self.timestamp().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// The hour and minute.
    pub fn minute(self) -> String {
        self.timestamp().strftime("%H:%M").to_string()
    }

    /// How long before `now` it was. A log's clock may be ahead, or its time zone not the one that it is read by.
    pub fn ago(self, now: Self) -> String {
        match now.0 - self.0 {
            ahead if ahead < -60_000 => format!("{} ahead of this clock", duration(-ahead)),
            elapsed if elapsed < 1_000 => "just now".to_string(),
            elapsed => format!("{} ago", duration(elapsed)),
        }
    }

    /// Milliseconds from `earlier` to this.
    pub fn since(self, earlier: Self) -> Millis {
        self.0 - earlier.0
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::MAX)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.iso())
    }
}

/// A duration in its two largest units.
pub fn duration(millis: Millis) -> String {
    const UNITS: [(&str, Millis); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let seconds = millis / 1_000;
    let first = UNITS.iter().position(|(_, size)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let (unit, size) = UNITS[first];
    let whole = format!("{} {unit}", seconds / size);
    match UNITS.get(first + 1).map(|(unit, smaller)| (unit, seconds % size / smaller)) {
        // Seconds beside minutes only make the text restless.
        Some((unit, rest)) if rest > 0 && *unit != "s" => format!("{whole} {rest} {unit}"),
        _ => whole,
    }
}

/// A number with a comma between thousands.
pub fn grouped(number: impl fmt::Display) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An amount of data.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    if number < 1_024 {
        return if number == 1 { "1 byte".to_string() } else { format!("{number} bytes") };
    }
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1_023.95 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_machines_and_for_people() {
        let moment = Moment::of(1_795_521_605_250).unwrap();
        assert_eq!(moment.iso(), "2026-11-24T12:00:05.25Z");
        assert_eq!(moment.full(), "2026-11-24 12:00:05 UTC");
        assert_eq!(moment.minute(), "12:00");
        assert_eq!(Moment::of_seconds(1_795_521_605.25), Some(moment));
        assert_eq!(Moment::of(0), None);
    }

    #[test]
    fn how_long_ago_is_told_in_two_units_at_most() {
        let now = Moment::of(1_795_521_605_000).unwrap();
        let ago = |millis: Millis| Moment::of(1_795_521_605_000 - millis).unwrap().ago(now);
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(-500), "just now");
        assert_eq!(ago(59_999), "59 s ago");
        assert_eq!(ago(119_000), "1 min ago");
        assert_eq!(ago(3 * 3_600_000 + 5 * 60_000), "3 h 5 min ago");
        assert_eq!(ago(2 * 86_400_000), "2 d ago");
        assert_eq!(ago(-8 * 3_600_000), "8 h ahead of this clock");
    }

    #[test]
    fn amounts_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(1_023), "1023 bytes");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(1_024 * 1_024 - 1), "1.0 MiB");
    }
}
