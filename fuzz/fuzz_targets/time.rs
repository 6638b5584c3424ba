#![no_main]

#[allow(dead_code)] // each target has its own property
#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::time::holds(data));
