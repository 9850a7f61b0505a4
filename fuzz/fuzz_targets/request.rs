//! See `changecast::fuzzing::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| changecast::fuzzing::request(bytes));
