//! The fuzzers' inputs that are kept, each run once: what was found once is not found again.

#![cfg(target_os = "linux")]

use opendiskmap_rigs::fuzz;
use std::fs;
use std::path::Path;

/// Says which input it was that failed, and how many there were.
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "the corpus of {target} is gone");
    for input in &inputs {
        println!("{}", input.file_name().unwrap_or_default().display());
        run(&fs::read(input).unwrap());
    }
}

#[test]
fn changed_maps_of_the_corpus_answer_right_or_say_so() {
    replay("image", fuzz::image::run);
}

#[test]
fn bytes_of_the_corpus_are_decoded_or_refused_by_every_codec() {
    replay("codecs", fuzz::codecs::run);
}

#[test]
fn calls_of_the_corpus_agree_with_a_model() {
    replay("operations", fuzz::operations::run);
}

#[test]
fn an_image_is_what_was_packed() {
    let files = fuzz::packed::unpack(include_bytes!("../../../fuzz/images/closed")).unwrap();
    assert!(files.names.iter().any(|name| name == "HEAD"));
    assert!(fuzz::packed::pack(&files) == include_bytes!("../../../fuzz/images/closed"));
}

/// The fuzzer gets past the sums only if it can make them right, and what is right must stay as it is.
#[test]
fn sums_that_are_right_are_made_the_same_again() {
    let files = fuzz::packed::unpack(include_bytes!("../../../fuzz/images/closed")).unwrap();
    let mut again = files.clone();
    fuzz::resum::resum(&mut again);
    for ((name, before), after) in files.names.iter().zip(&files.bytes).zip(&again.bytes) {
        assert!(before == after, "{name}");
    }
}
