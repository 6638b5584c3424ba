//! The state file: it is accepted whole or refused, and what is accepted can be used.

use xxhash_rust::xxh3::xxh3_64;
use zai_exporter::catalogue::Catalogue;
use zai_exporter::ledger::Ledger;
use zai_exporter::log::{Parser, Progress};
use zai_exporter::recognise::Recogniser;
use zai_exporter::state::{self, State};

use std::sync::{Arc, LazyLock};

static RECOGNISER: LazyLock<Recogniser> =
    LazyLock::new(|| Recogniser::new(Arc::new(Catalogue::built_in()), &[], jiff::tz::TimeZone::UTC));

const LOG: &[u8] = b"2026-08-10 08:54:07,768 ERROR httpx - HTTP Request: POST https://api.z.ai/api/paas/v4/chat/completions \"HTTP/1.1 429 Too Many Requests\"\n\
    Error code: 429, with error text {\"error\":{\"code\":\"1302\",\"message\":\"Rate limit\"}}\nfinish_reason='length'\n";

/// The bytes as a file; as a file that is sealed as it must be; and as the content of one whose first line is right too.
pub fn holds(data: &[u8]) {
    if let Ok(state) = state::parse(data) {
        can_be_used(&state);
        for end in [0, data.len() / 2, data.len() - 1] {
            assert!(state::parse(&data[..end]).is_err(), "half of it was accepted");
        }
    }
    if let Ok(state) = state::parse(&file(data)) {
        can_be_used(&state);
    }
    assert!(state::parse(&sealed(data)).is_err() || data.starts_with(b"zai-exporter-state 1\n"));
    if let Ok(mut progress) = serde_json::from_slice::<Progress>(data) {
        Parser::default().feed(&RECOGNISER, &mut progress, LOG, 1 << 20, &mut |_| {});
        progress.held().for_each(drop);
    }
}

/// A state file with this content, sealed as it must be.
fn file(body: &[u8]) -> Vec<u8> {
    sealed(&[b"zai-exporter-state 1\n", body].concat())
}

fn sealed(state: &[u8]) -> Vec<u8> {
    let seal = format!("\n{:016x} {}\n", xxh3_64(state), state.len());
    [state, seal.as_bytes()].concat()
}

fn can_be_used(state: &State) {
    let again = serde_json::to_vec(state).expect("a state can be saved");
    assert_eq!(*state, state::parse(&file(&again)).expect("what was saved can be read"));
    let mut ledger = Ledger::default();
    ledger.restore(state.ledger.clone());
    ledger.reopen(&RECOGNISER.catalogue);
    let set = ledger.open([].into(), &RECOGNISER.catalogue);
    let mut progress = Progress::default();
    let mut tell = |event| ledger.count(set, event, &RECOGNISER.catalogue, 1);
    Parser::default().feed(&RECOGNISER, &mut progress, LOG, 1 << 20, &mut tell);
    let held = progress.held().map(|e| (set, e)).collect::<Vec<_>>();
    ledger.snapshot(held.into_iter(), &RECOGNISER.catalogue, 1);
}
