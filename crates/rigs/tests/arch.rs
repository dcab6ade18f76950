//! What is drawn under `arch` is written, read and kept as one and the same, and bytes that nobody drew harm nobody.

use std::fs;
use std::path::{Path, PathBuf};

use opendiskmap::{Code, typescript};
use opendiskmap_rigs::arch::kinds::{GOLDEN_COUNT, GOLDEN_SEED, KINDS, Kind};
use opendiskmap_rigs::arch::{Archived, from_hex, map, to_hex};
use proptest::prelude::*;
use serde_json::Value;

fn golden(kind: &Kind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/arch").join(format!("{}.ndjson", kind.name))
}

#[test]
fn the_files_that_are_kept_are_what_the_generator_writes() {
    for kind in KINDS {
        let kept = fs::read_to_string(golden(kind)).unwrap();
        let written = kind.lines(GOLDEN_SEED, GOLDEN_COUNT).unwrap();
        for (number, (kept, written)) in kept.lines().zip(written.lines()).enumerate() {
            assert_eq!(kept, written, "{} {number}", kind.name);
        }
        assert_eq!(kept.len(), written.len(), "{}", kind.name);
    }
}

/// The files' JSON is that of the values by the test above; floats are not parsed here, for the parser may give the next one.
#[test]
fn what_is_kept_is_read_and_written_again_as_it_is() {
    for kind in KINDS {
        for (nth, line) in fs::read_to_string(golden(kind)).unwrap().lines().enumerate() {
            let line: Value = serde_json::from_str(line).unwrap();
            let hex = line["hex"].as_str().unwrap();
            let again = kind.read(&from_hex(hex).unwrap()).unwrap();
            assert_eq!(to_hex(&again.bytes), hex, "{}", kind.name);
            assert_eq!(again.json, kind.draw(GOLDEN_SEED, nth).unwrap().json, "{}", kind.name);
        }
    }
}

#[test]
fn every_type_has_a_schema_that_typescript_can_say() {
    for kind in KINDS {
        typescript(&kind.schema().unwrap()).unwrap();
    }
}

/// The face is given the same ones.
#[test]
fn texts_are_schemas_or_are_refused_as_the_file_of_them_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/arch/texts.json");
    let texts: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let of = |list: &str| texts[list].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    for text in of("schemas") {
        typescript(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for text in of("refused") {
        let refused = typescript(&text).expect_err(&text);
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[test]
fn a_map_of_users_has_what_was_generated() {
    let directory = tempfile::tempdir().unwrap();
    map::write(&directory.path().join("map"), 7, 60).unwrap();
    let read = map::read(&directory.path().join("map")).unwrap();
    assert_eq!(read.len(), 60);
    for (nth, (key, json)) in read.into_iter().enumerate() {
        assert_eq!(key, nth as u64);
        assert_eq!(json, KINDS[0].draw(7, nth).unwrap().json);
    }
}

/// Where bytes were changed.
#[derive(Clone, Debug)]
enum Change {
    Bit(prop::sample::Index, u8),
    Byte(prop::sample::Index, u8),
    /// A word that points or counts.
    Word(prop::sample::Index, u32),
    CutFront(usize),
    CutBack(usize),
    Front(Vec<u8>),
    All(Vec<u8>),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let word = prop_oneof![any::<u32>(), 0u32..64, (-64i32..0).prop_map(|word| word as u32)];
    let change = prop_oneof![
        4 => (any::<prop::sample::Index>(), 0u8..8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        4 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (any::<prop::sample::Index>(), word).prop_map(|(at, word)| Change::Word(at, word)),
        1 => (1usize..20).prop_map(Change::CutFront),
        1 => (1usize..20).prop_map(Change::CutBack),
        1 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Change::Front),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Change::All),
    ];
    prop::collection::vec(change, 1..4)
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    let length = bytes.len();
    match change {
        Change::Bit(at, bit) if length > 0 => bytes[at.index(length)] ^= 1 << bit,
        Change::Byte(at, byte) if length > 0 => bytes[at.index(length)] = byte,
        Change::Word(at, word) if length >= 4 => {
            let at = at.index(length / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        Change::CutFront(cut) => drop(bytes.drain(..cut.min(length))),
        Change::CutBack(cut) => bytes.truncate(length.saturating_sub(cut)),
        Change::Front(front) => drop(bytes.splice(0..0, front)),
        Change::All(all) => *bytes = all,
        _ => {}
    }
}

/// What is no value is `ERR_CORRUPT`.
fn read(kind: &Kind, bytes: &[u8]) -> Option<Archived> {
    match kind.read(bytes) {
        Ok(archived) => Some(archived),
        Err(error) => {
            assert_eq!(error.code(), Code::Corrupt, "{error}");
            None
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn what_is_drawn_is_read_and_written_again_as_it_is(
        kind in prop::sample::select(KINDS.iter().collect::<Vec<_>>()),
        seed in any::<u64>(),
        nth in 0usize..200,
    ) {
        let drawn = kind.draw(seed, nth).unwrap();
        let again = kind.read(&drawn.bytes).unwrap();
        prop_assert_eq!(&again.json, &drawn.json);
        prop_assert_eq!(&again.bytes, &drawn.bytes);
    }

    /// And what is a value all the same is written as such.
    #[test]
    fn hostile_bytes_are_refused_or_are_a_value(
        kind in prop::sample::select(KINDS.iter().collect::<Vec<_>>()),
        nth in 0usize..60,
        changes in changes(),
    ) {
        let mut bytes = kind.draw(11, nth).unwrap().bytes;
        for change in changes {
            apply(&mut bytes, change);
        }
        if let Some(value) = read(kind, &bytes) {
            let again = read(kind, &value.bytes).expect("what is written is a value");
            prop_assert_eq!(&again.json, &value.json);
            prop_assert_eq!(&again.bytes, &value.bytes);
        }
    }
}
