//! See `changecast::fuzzing::pgoutput`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| changecast::fuzzing::pgoutput(bytes));
