//! Any bytes as a meter's message: nothing panics, and what must hold of any message does.

#![no_main]

#[path = "../wire/tests/messages/holds.rs"]
mod holds;

libfuzzer_sys::fuzz_target!(|message: &[u8]| holds::holds(message));
