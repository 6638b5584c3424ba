//! Times of lines: whatever is written, and that what was printed is read.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use zai_exporter::recognise::time::{self, Written};

/// The bytes as a line; and its first bytes as a moment and an offset, printed in the common forms.
pub fn holds(data: &[u8]) {
    let zone = Offset::from_seconds(8 * 3_600).expect("it is an offset").to_time_zone();
    if let Some(millis) = time::of(data, &zone).and_then(Written::millis) {
        // What is told from digits is a time of years with four digits, or of as many seconds or milliseconds.
        assert!(Timestamp::from_millisecond(millis).is_ok(), "{millis}");
    }
    let Some((moment, rest)) = data.split_at_checked(5) else { return };
    let moment = moment.iter().fold(0i64, |n, b| n << 8 | i64::from(*b)) % 8_000_000_000_000;
    let minutes = rest.first().map_or(0, |b| (i32::from(*b) - 128) * 5);
    printed(Timestamp::from_millisecond(moment).expect("it is before the year 2300"), minutes * 60, rest);
}

fn printed(moment: Timestamp, seconds: i32, behind: &[u8]) {
    let offset = Offset::from_seconds(seconds).expect("it is within a day");
    let here = moment.to_zoned_datetime(offset.to_time_zone());
    for form in [
        "%Y-%m-%d %H:%M:%S%.3f %:z",
        "%Y-%m-%dT%H:%M:%S%.3f%z",
        "[%d/%b/%Y:%H:%M:%S %z]",
        "time=\"%Y-%m-%dT%H:%M:%S%.6f%:z\"",
    ] {
        let mut line = here.strftime(form).to_string().into_bytes();
        line.push(b' ');
        line.extend_from_slice(behind);
        let read = time::of(&line, &TimeZone::UTC);
        let exact = form.contains("%.");
        let expected = if exact { moment.as_millisecond() } else { moment.as_second() * 1_000 };
        assert_eq!(read, Some(Written::At(expected)), "{}", String::from_utf8_lossy(&line));
    }
}
