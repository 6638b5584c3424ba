//! Properties that hold for all bytes: how they arrive changes nothing, nothing panics, memory stays bounded.
#![allow(missing_docs)]

mod common;

use common::{Counts, count_in_pieces, records};
use proptest::prelude::*;
use zai_exporter::config::Config;

/// Pieces of real logs, and the characters that formats are made of, in any order.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let records: Vec<Vec<u8>> = records(include_str!("corpus/clients.jsonl")).into_iter().map(|r| r.log).collect();
    let real = proptest::sample::select(records);
    let cut = real.clone().prop_flat_map(|log| {
        let len = log.len();
        (Just(log), 0..len, 0..len).prop_map(|(log, a, b)| log[a.min(b)..a.max(b)].to_vec())
    });
    let shrapnel = proptest::collection::vec(
        proptest::sample::select(vec![
            &b"\""[..],
            b"\\",
            b"'",
            b"{",
            b"}",
            b"[",
            b"]",
            b"(",
            b":",
            b"=",
            b"\n",
            b"\r\n",
            b" ",
            b"error",
            b"code",
            b"1113",
            b"[1302][",
            b"message",
            b"content",
            b"\x1b[31m",
            b"\xff\xfe",
            b"\0",
            b"\\u4f59",
            b"\\ud83d",
            b"https://api.z.ai/",
            b"HTTP/1.1\" 429",
            b"finish_reason",
            b"2026-01-01 00:00:00,000",
            b"stderr P ",
            b"{\"log\":\"",
            "余额不足或无可用资源包".as_bytes(),
            b"type\":\"1",
        ]),
        0..40,
    )
    .prop_map(|parts| parts.concat());
    prop_oneof![4 => real, 2 => cut, 2 => shrapnel, 1 => proptest::collection::vec(any::<u8>(), 0..300)]
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(fragment(), 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_bytes_into_reads_counts_the_same(log in log(), sizes in proptest::collection::vec(1usize..400, 1..20)) {
        let config = Config::default();
        let whole = Counts::of(&count_in_pieces(&config, &log, &[usize::MAX]));
        let pieces = Counts::of(&count_in_pieces(&config, &log, &sizes));
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn lines_beyond_the_limit_count_the_same_however_they_arrive(
        log in log(), filler in 0usize..40_000, sizes in proptest::collection::vec(1usize..9_000, 1..20),
    ) {
        let mut config = Config::default();
        config.limits.line_bytes = 16 * 1024;
        let mut long = vec![b'x'; filler];
        long.extend_from_slice(&log);
        long.extend_from_slice(b"\nError code: 429, with error text {\"error\":{\"code\":\"1113\",\"message\":\"\"}}\n");
        let whole = Counts::of(&count_in_pieces(&config, &long, &[usize::MAX]));
        let pieces = Counts::of(&count_in_pieces(&config, &long, &sizes));
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
        count_in_pieces(&Config::default(), &bytes, &[usize::MAX]);
    }
}
