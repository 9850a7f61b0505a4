//! See `changecast::fuzzing::topic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| changecast::fuzzing::topic(bytes));
