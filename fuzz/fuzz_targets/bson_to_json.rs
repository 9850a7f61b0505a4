//! See `changecast::fuzzing::bson_to_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| changecast::fuzzing::bson_to_json(bytes));
