//! The vendor's ids of requests.

use xxhash_rust::xxh3::xxh3_64;

use super::{find, time, value};

/// The vendor's request ids behind `request_id` and its like, and where these keys stand.
pub fn all(view: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    find::EQUEST.find_iter(view).filter_map(|at| {
        let key = &view[at + 6..];
        let after = ["_id", "Id", "-id", "ID"].iter().find_map(|k| key.strip_prefix(k.as_bytes()))?;
        let value = &after[value::separator(after)?..];
        let value = &value[value::quotes(value)..];
        let len = value.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
        is_vendors(&value[..len]).then(|| (at, xxh3_64(&value[..len])))
    })
}

/// `20260212…`: a date, then hexadecimal digits.
pub fn is_vendors(id: &[u8]) -> bool {
    let dated = id.len() >= 14
        && id.starts_with(b"20")
        && time::decimal(&id[4..6]).is_some_and(|month| (1..=12).contains(&month))
        && time::decimal(&id[6..8]).is_some_and(|day| (1..=31).contains(&day));
    dated && id.iter().all(u8::is_ascii_hexdigit)
}
