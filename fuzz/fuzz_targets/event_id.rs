//! See `changecast::fuzzing::event_id`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| changecast::fuzzing::event_id(bytes));
