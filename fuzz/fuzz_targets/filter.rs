//! See `changecast::fuzzing::filter`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| changecast::fuzzing::filter(bytes));
