//! Every target over its seeds and what chance makes of them: on the stable toolchain, with each
//! test run, so that a target cannot rot and what was found once stays found.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use fastrand::Rng;

const MUTATIONS: usize = 4_000;

/// Larger inputs are left to libFuzzer.
const BYTES_MAX: usize = 2_048;

#[track_caller]
fn check(target: &str, run: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 5, "only {} seeds of {target}", seeds.len());
    let attempt = |input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(input))) {
            eprintln!("{target} failed on b\"{}\"", input.escape_ascii());
            resume_unwind(panic);
        }
    };
    seeds.iter().for_each(|seed| attempt(seed));
    let mut random = Rng::with_seed(1);
    for _ in 0..MUTATIONS {
        attempt(&mutated(&seeds, &mut random));
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = fs::read_dir(&folder).expect("a folder of seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// A seed, changed in a few places: a byte here, a piece of another seed there.
fn mutated(seeds: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = random.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(0..=input.len());
        let end = random.usize(at..=input.len().min(at + 8));
        let replacement = match random.u8(0..4) {
            0 => vec![],
            1 => vec![random.u8(..)],
            2 => input[at..end].repeat(2),
            _ => piece(random.choice(seeds).unwrap_or(&input), random),
        };
        input.splice(at..end, replacement);
    }
    input.truncate(BYTES_MAX);
    input
}

fn piece(seed: &[u8], random: &mut Rng) -> Vec<u8> {
    let from = random.usize(0..=seed.len());
    let to = random.usize(from..=seed.len().min(from + 32));
    seed[from..to].to_vec()
}

#[test]
fn g5_any_event_id_is_read_as_it_was_written_or_refused() {
    check("event_id", super::event_id);
}

#[test]
fn any_pattern_chooses_what_its_text_says() {
    check("topic", super::topic);
}

#[test]
fn g2_any_filter_is_refused_in_words_or_found_by_its_index() {
    check("filter", super::filter);
}

#[test]
fn g2_any_request_is_refused_in_words_or_followed_without_a_silent_gap() {
    check("request", super::request);
}

#[test]
fn g8_any_command_is_answered_and_brings_nothing_but_what_is_followed() {
    check("websocket_command", super::websocket_command);
}

#[test]
fn g8_any_frames_meet_well_formed_ones_and_an_end() {
    check("websocket_frames", super::websocket_frames);
}

#[test]
fn any_bson_is_written_as_bson_writes_it_or_refused() {
    check("bson_to_json", super::bson_to_json);
}

#[test]
fn g2_any_bytes_of_a_postgresql_become_events_or_end_the_stream() {
    check("pgoutput", super::pgoutput);
}
