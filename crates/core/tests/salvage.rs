//! A salvage writes exactly what verifies, of each key the newest, whatever of the directory is damaged or gone.

mod common;

use common::{cases, key, quiet, scratch, value};
use opendiskmap::{Code, Codec, Control, Map, Options, Salvage, salvage};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

fn content(path: &Path) -> Content {
    let map = Map::open(path, &Options { read_only: true, shards: None, ..quiet(1) }).unwrap();
    assert!(map.verify().unwrap().is_ok());
    map.iter().map(Result::unwrap).collect()
}

fn bytes_of(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    common::read_at(&file, &mut byte, at);
    common::write_at(&file, &[byte[0] ^ 0x10], at);
}

fn run(from: &Path, to: &Path, options: &Options) -> opendiskmap::Result<Salvage> {
    salvage(from, to, options, &Control::default())
}

fn stated() -> Options {
    let codec = || Some(Codec::named("bytes"));
    Options { key_codec: codec(), value_codec: codec(), ..Options::default() }
}

/// Several segments and generations, long values, removals and a clear.
fn fill(path: &Path) -> Content {
    let map = Map::open(path, &quiet(2)).unwrap();
    for number in 0..1000 {
        map.put(&key(number), b"before the clear").unwrap();
    }
    map.clear().unwrap();
    let mut content = Content::new();
    let mut map = Some(map);
    for round in 0..2 {
        let open = map.take().unwrap_or_else(|| {
            let full = Options { recovery: Some(opendiskmap::Recovery::Full), ..quiet(2) };
            Map::open(path, &full).unwrap()
        });
        for number in 0..2000 {
            let long = number % 400 == 0;
            let value = value(&key(number), round, if long { 300_000 } else { 50 + number % 50 });
            open.put(&key(number), &value).unwrap();
            content.insert(key(number), value);
        }
        for number in (round..2000).step_by(9) {
            open.remove(&key(number)).unwrap();
            content.remove(&key(number));
        }
        open.compact().unwrap();
        open.close().unwrap();
    }
    content
}

#[test]
fn all_of_a_map_is_salvaged_without_index_head_or_a_checkpoint_that_verifies_and_the_old_one_is_not_changed() {
    let temp = scratch();
    let whole = temp.path().join("whole");
    let expected = fill(&whole);
    let remove = |names: &'static [&'static str]| {
        move |path: &Path| {
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                if names.iter().any(|name| entry.file_name().to_str().unwrap().starts_with(name)) {
                    fs::remove_file(entry.path()).unwrap();
                }
            }
        }
    };
    let segments = |path: &Path| {
        for name in bytes_of(path).keys().filter(|name| name.starts_with("seg-")) {
            flip(&path.join(name), 20);
        }
    };
    type Damage<'a> = Box<dyn Fn(&Path) + 'a>;
    let cases: Vec<(&str, Damage<'_>, Options)> = vec![
        ("whole", Box::new(|_| {}), Options::default()),
        ("no index", Box::new(remove(&["HEAD", "idx", "dir", "tab"])), Options::default()),
        ("one checkpoint", Box::new(|path| flip(&path.join("CHECKPOINT.0"), 30)), Options::default()),
        ("the other checkpoint", Box::new(remove(&["CHECKPOINT.1"])), Options::default()),
        (
            "no checkpoint that verifies, no HEAD",
            Box::new(|path| {
                flip(&path.join("CHECKPOINT.0"), 17);
                flip(&path.join("CHECKPOINT.1"), 80);
                remove(&["HEAD"])(path);
            }),
            stated(),
        ),
        ("no checkpoint", Box::new(remove(&["CHECKPOINT"])), stated()),
        ("headers of segments", Box::new(segments), Options::default()),
        ("foreign files", Box::new(|path| fs::write(path.join("seg-notes.txt"), "x").unwrap()), Options::default()),
    ];
    for (what, damage, options) in cases {
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        fs::create_dir(&from).unwrap();
        for (name, bytes) in bytes_of(&whole) {
            fs::write(from.join(name), bytes).unwrap();
        }
        damage(&from);
        let before = bytes_of(&from);
        let report = run(&from, &to, &options).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((report.records, report.dropped), (expected.len() as u64, 0), "{what}: {:?}", report.errors());
        assert_eq!(report.bytes, expected.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>());
        assert!(content(&to) == expected, "{what}");
        assert!(bytes_of(&from) == before, "{what}: a file of the old map changed");
        fs::remove_dir_all(&from).unwrap();
        fs::remove_dir_all(&to).unwrap();
    }
}

#[test]
fn a_long_value_that_is_damaged_is_dropped_and_told() {
    let temp = scratch();
    let (from, to) = (temp.path().join("from"), temp.path().join("to"));
    let map = Map::open(&from, &quiet(1)).unwrap();
    for number in 0..10 {
        map.put(&key(number), &value(&key(number), 0, 300_000)).unwrap();
    }
    map.close().unwrap();
    let mut names = bytes_of(&from).into_keys().filter(|name| name.starts_with("ext-"));
    let (damaged, gone) = (names.next().unwrap(), names.next().unwrap());
    flip(&from.join(&damaged), 5000);
    fs::remove_file(from.join(&gone)).unwrap();
    let report = run(&from, &to, &Options::default()).unwrap();
    assert_eq!((report.records, report.dropped, report.error_count()), (8, 2, 2));
    let mut told: Vec<&str> = report.errors().iter().map(|error| error.file.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, [damaged.as_str(), gone.as_str()]);
    assert_eq!(content(&to).len(), 8);
}

#[test]
fn what_cannot_be_salvaged_is_told_and_leaves_nothing() {
    let temp = scratch();
    let (from, to, whole) = (temp.path().join("from"), temp.path().join("to"), temp.path().join("whole"));
    assert_eq!(run(&from, &to, &stated()).unwrap_err().code(), Code::NotFound);
    fs::write(&from, "text").unwrap();
    assert_eq!(run(&from, &to, &stated()).unwrap_err().code(), Code::NotAMap);
    fs::remove_file(&from).unwrap();
    fs::create_dir(&from).unwrap();
    assert_eq!(run(&from, &to, &stated()).unwrap_err().code(), Code::NotAMap);
    fill(&whole);
    let code = |from: &Path, to: &Path, options: &Options| run(from, to, options).unwrap_err().code();
    assert_eq!(code(&whole, &from.join("none").join("none"), &Options::default()), Code::NotFound);
    assert_eq!(code(&whole, &whole, &Options::default()), Code::InvalidArgument);
    let other = Options { key_codec: Some(Codec::named("str")), ..Options::default() };
    assert_eq!(code(&whole, &to, &other), Code::CodecMismatch);
    let control = Control::default();
    control.cancel();
    assert_eq!(salvage(&whole, &to, &Options::default(), &control).unwrap_err().code(), Code::Closed);
    let open = Map::open(&whole, &quiet(2)).unwrap();
    assert_eq!(code(&whole, &to, &Options::default()), Code::Locked);
    open.close().unwrap();
    for name in ["CHECKPOINT.0", "CHECKPOINT.1"] {
        fs::remove_file(whole.join(name)).unwrap();
    }
    assert_eq!(code(&whole, &to, &Options::default()), Code::Corrupt, "the codecs are not stated");
    fs::remove_file(whole.join("HEAD")).unwrap();
    assert_eq!(code(&whole, &to, &stated()), Code::Corrupt, "the key of the sums is lost");
    assert!(!to.exists());
    fs::create_dir(&to).unwrap();
    assert_eq!(code(&whole, &to, &stated()), Code::Corrupt);
    assert!(to.exists());
}

/// Values may begin at multiples of 8 or of 16, and only a checkpoint says which.
#[test]
fn without_a_checkpoint_the_alignment_is_told_though_damage_follows_the_first_record() {
    for align in [8, 16] {
        let temp = scratch();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        let map = Map::open(&from, &Options { value_align: align, ..quiet(1) }).unwrap();
        let expected: Content = (0..4).map(|number| (key(number), value(&key(number), number, 50))).collect();
        for (key, value) in &expected {
            map.put(key, value).unwrap();
        }
        map.close().unwrap();
        let name = bytes_of(&from).into_keys().find(|name| name.starts_with("seg-")).unwrap();
        // In the second record's value.
        flip(&from.join(name), 220);
        for name in ["CHECKPOINT.0", "CHECKPOINT.1"] {
            flip(&from.join(name), 50);
        }
        let report = run(&from, &to, &stated()).unwrap();
        let mut left = expected.clone();
        left.remove(&key(1));
        assert_eq!((content(&to), report.dropped), (left, 1), "alignment {align}");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Put(usize, usize),
    Remove(usize),
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        12 => (0usize..40, 0usize..300).prop_map(|(key, length)| Op::Put(key, length)),
        4 => (0usize..40).prop_map(Op::Remove),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 1..700)
}

/// Where a record lies, its padding left out, and what it says: a key's value, that it has none, or that no key has.
struct Laid {
    segment: usize,
    bytes: Vec<std::ops::Range<usize>>,
    says: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

const SEGMENT: usize = 65536;

/// Does the calls and follows where their records go: one behind the other, in one shard, as long as nothing is compacted.
fn lay(map: &Map, ops: &[Op]) -> Vec<Laid> {
    let (mut laid, mut model) = (Vec::new(), Content::new());
    let (mut segment, mut at) = (0, 64);
    for (version, op) in ops.iter().enumerate() {
        let (said, key, value) = match op {
            Op::Put(number, length) => {
                let (key, value) = (key(*number), value(&key(*number), version, *length));
                (Some((key.clone(), Some(value.clone()))), key, value)
            }
            Op::Remove(number) if model.contains_key(&key(*number)) => {
                (Some((key(*number), None)), key(*number), Vec::new())
            }
            Op::Clear if !model.is_empty() => (None, Vec::new(), Vec::new()),
            _ => continue,
        };
        let value_at = (24 + key.len()).next_multiple_of(8);
        let length = (value_at + value.len()).next_multiple_of(8);
        if at + length > SEGMENT {
            if segment == 1 {
                break;
            }
            (segment, at) = (1, 64);
        }
        let parts = vec![at..at + 24 + key.len(), at + value_at..at + value_at + value.len()];
        match &said {
            Some((key, Some(value))) => {
                map.put(key, value).unwrap();
                model.insert(key.clone(), value.clone());
            }
            Some((key, None)) => {
                assert!(map.remove(key).unwrap());
                model.remove(key);
            }
            None => {
                map.clear().unwrap();
                model.clear();
            }
        }
        laid.push(Laid { segment, bytes: parts, says: said });
        at += length;
    }
    laid
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn what_verifies_is_salvaged_and_nothing_else(
        ops in ops(),
        damage in prop::collection::vec((0usize..2, 64usize..SEGMENT, 1usize..200), 0..8),
        has_checkpoint in any::<bool>(),
    ) {
        let temp = scratch();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        let map = Map::open(&from, &quiet(1)).unwrap();
        let laid = lay(&map, &ops);
        map.close().unwrap();
        // A directory without a checkpoint and without a segment says nothing of a map.
        prop_assume!(has_checkpoint || !laid.is_empty());
        let names: Vec<String> = bytes_of(&from).into_keys().filter(|name| name.starts_with("seg-")).collect();
        let mut hurt = Vec::new();
        for (segment, at, length) in damage {
            if let Some(name) = names.get(segment) {
                let file = File::options().read(true).write(true).open(from.join(name)).unwrap();
                let mut bytes = vec![0; length.min(SEGMENT - at)];
                common::read_at(&file, &mut bytes, at as u64);
                bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
                common::write_at(&file, &bytes, at as u64);
                hurt.push((segment, at, at + bytes.len()));
            }
        }
        if !has_checkpoint {
            for name in ["CHECKPOINT.0", "CHECKPOINT.1"] {
                flip(&from.join(name), 50);
            }
        }
        // Damage that is done twice is undone, so what is damaged is told from the bytes.
        let is_hurt = |record: &&Laid| {
            let times = |at: usize| hurt.iter().filter(|&&(segment, from, to)| segment == record.segment && (from..to).contains(&at)).count();
            record.bytes.iter().cloned().flatten().any(|at| times(at) % 2 == 1)
        };
        let mut expected = Content::new();
        for record in laid.iter().filter(|record| !is_hurt(record)) {
            match &record.says {
                Some((key, Some(value))) => drop(expected.insert(key.clone(), value.clone())),
                Some((key, None)) => drop(expected.remove(key)),
                None => expected.clear(),
            }
        }
        let report = run(&from, &to, &stated()).unwrap();
        prop_assert_eq!(report.records, expected.len() as u64);
        prop_assert!(content(&to) == expected);
        let lost = laid.iter().filter(is_hurt).count();
        prop_assert!(report.dropped > 0 || lost == 0, "{lost} records are damaged, and nobody says so");
        prop_assert!(report.error_count() >= report.dropped);
    }
}
