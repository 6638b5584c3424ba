//! What must hold for all bytes. `make fuzz` looks for bytes for which it does not; `tests/fuzzed.rs` tries those that are kept in
//! `fuzz/corpus`.

pub mod catalogue;
pub mod config;
pub mod frames;
pub mod log;
pub mod state;
pub mod time;
pub mod web_config;

/// Splits `data` at its first NUL byte: what steers a property, and what it is about.
fn steered(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|b| *b == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&[], data),
    }
}
