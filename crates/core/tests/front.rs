//! What the typed maps promise beyond answering right: who may open what, what the codecs store and refuse, and what
//! entries do among threads.

mod common;

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{key, quiet, scratch, served};
use opendiskmap::{
    Arch, Bytes, Code, Codec, ConcurrentDiskMap, Decoded, DiskHashMap, Error, InPlace, KeyCodec, MAX_KEY, Map,
    MapEntry, Native, Number, Options, Result, Schema, SchemaText, Str, StringStringMap, U64StringMap, ValueCodec,
};

fn code<T>(result: Result<T>) -> Code {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.code(),
    }
}

/// The engine's map under names, as other languages open it.
fn untyped(path: &Path, key: &str, value: &str) -> Map {
    stated(path, key, Codec::named(value))
}

fn stated(path: &Path, key: &str, value: Codec) -> Map {
    let options = Options { key_codec: Some(Codec::named(key)), value_codec: Some(value), ..quiet(1) };
    Map::open(path, &options).unwrap()
}

#[test]
fn maps_go_between_threads() {
    fn sends<T: Send + Sync>() {}
    sends::<U64StringMap>();
    sends::<ConcurrentDiskMap<Str, Arch<u32>>>();
    sends::<opendiskmap::Ref<'_, Str>>();
    sends::<opendiskmap::Ref<'_, Arch<String>>>();
}

#[test]
fn a_disk_hash_map_is_alone_with_its_directory() {
    let directory = scratch();
    let path = directory.path().join("map");
    let alone = StringStringMap::new_in(&path).unwrap();
    assert_eq!(code(StringStringMap::new_in(&path)), Code::Locked);
    assert_eq!(code(StringStringMap::load_from(&path)), Code::Locked);
    assert_eq!(code(ConcurrentDiskMap::<Str, Str>::new_in(&path)), Code::Locked);
    assert_eq!(code(Map::open(&path, &Options::default())), Code::Locked);
    assert_eq!(code(Map::open(&path, &Options { read_only: true, ..Options::default() })), Code::Locked);
    drop(alone);
    let shared = ConcurrentDiskMap::<Str, Str>::new_in(&path).unwrap();
    let second = shared.clone();
    assert_eq!(code(StringStringMap::new_in(&path)), Code::Locked);
    drop(shared);
    assert_eq!(code(StringStringMap::new_in(&path)), Code::Locked);
    second.insert("key", "value").unwrap();
    drop(second);
    assert_eq!(StringStringMap::new_in(&path).unwrap().get("key").unwrap(), Some("value"));
}

#[test]
fn each_type_opens_what_the_other_wrote_with_one_shard() {
    let directory = scratch();
    let path = directory.path().join("map");
    let mut alone = U64StringMap::new_in(&path).unwrap();
    alone.insert(&1, "alone").unwrap();
    alone.close().unwrap();
    let shared = ConcurrentDiskMap::<Native<u64>, Str>::load_from(&path).unwrap();
    assert_eq!(shared.shard_count(), 1);
    assert_eq!(shared.get(&1).unwrap().as_deref(), Some("alone"));
    shared.insert(&2, "shared").unwrap();
    shared.close().unwrap();
    let alone = U64StringMap::load_from(&path).unwrap();
    assert_eq!((alone.get(&1).unwrap(), alone.get(&2).unwrap()), (Some("alone"), Some("shared")));
    assert_eq!(alone.shard_count(), 1);
}

#[test]
fn a_disk_hash_map_has_one_shard() {
    let directory = scratch();
    let path = directory.path().join("map");
    assert_eq!(code(U64StringMap::open(&path, &quiet(4))), Code::OptionsMismatch);
    assert!(!path.exists(), "nothing is made before the options are known to fit");
    ConcurrentDiskMap::<Native<u64>, Str>::new_in(&path).unwrap().close().unwrap();
    assert_eq!(code(U64StringMap::new_in(&path)), Code::OptionsMismatch);
}

#[test]
fn load_from_makes_nothing() {
    let directory = scratch();
    let path = directory.path().join("map");
    assert_eq!(code(U64StringMap::load_from(&path)), Code::NotFound);
    assert_eq!(code(ConcurrentDiskMap::<Str, Str>::load_from(&path)), Code::NotFound);
    assert_eq!(code(U64StringMap::load_from(directory.path())), Code::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn other_codecs_than_the_stored_ones_are_refused_by_name() {
    let directory = scratch();
    let path = directory.path().join("map");
    U64StringMap::new_in(&path).unwrap().close().unwrap();
    assert_eq!(code(StringStringMap::new_in(&path)), Code::CodecMismatch);
    assert_eq!(code(DiskHashMap::<Native<u64>, Bytes>::new_in(&path)), Code::CodecMismatch);
    let refused = ConcurrentDiskMap::<Native<i64>, Str>::new_in(&path).unwrap_err();
    assert_eq!(refused.code(), Code::CodecMismatch);
    assert!(refused.message().contains("native.u64") && refused.message().contains("native.i64"), "{refused}");
    // What the options say of codecs is not what counts.
    let options = Options { key_codec: Some(Codec::named("bytes")), ..Options::default() };
    U64StringMap::open(&path, &options).unwrap();
}

/// Stores a value as a key and as a value, and compares the bytes.
fn stores<T: Number + PartialEq>(number: T, name: &str, bytes: &[u8]) {
    let directory = scratch();
    let mut map = DiskHashMap::<Native<T>, Native<T>>::new_in(directory.path()).unwrap();
    map.insert(&number, &number).unwrap();
    assert_eq!(map.get(&number).unwrap(), Some(number));
    map.close().unwrap();
    let map = untyped(directory.path(), name, name);
    assert_eq!(map.get(bytes).unwrap().as_deref(), Some(bytes), "{name}");
}

#[test]
fn numbers_are_little_endian_under_the_names_that_typescript_gives_them() {
    stores(0xabu8, "native.u8", &[0xab]);
    stores(0xabcdu16, "native.u16", &[0xcd, 0xab]);
    stores(0x0102_0304u32, "native.u32", &[4, 3, 2, 1]);
    stores(u64::MAX - 1, "native.u64", &[0xfe, 255, 255, 255, 255, 255, 255, 255]);
    stores(-2i8, "native.i8", &[0xfe]);
    stores(-2i16, "native.i16", &[0xfe, 255]);
    stores(-2i32, "native.i32", &[0xfe, 255, 255, 255]);
    stores(i64::MIN, "native.i64", &[0, 0, 0, 0, 0, 0, 0, 0x80]);
    stores(1.5f32, "native.f32", &[0, 0, 0xc0, 0x3f]);
    stores(1.5f64, "native.f64", &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f]);
    stores(true, "native.bool", &[1]);
    stores(false, "native.bool", &[0]);
}

#[test]
fn text_and_bytes_are_stored_as_they_are() {
    let directory = scratch();
    let mut map = DiskHashMap::<Str, Bytes>::new_in(directory.path()).unwrap();
    for text in ["", "a", "é\0ß", "𝄞"] {
        map.insert(text, text.as_bytes()).unwrap();
    }
    map.close().unwrap();
    let map = untyped(directory.path(), "str", "bytes");
    for text in ["", "a", "é\0ß", "𝄞"] {
        assert_eq!(map.get(text.as_bytes()).unwrap().as_deref(), Some(text.as_bytes()));
    }
}

#[test]
fn a_key_of_minus_nought_is_nought_and_there_is_one_nan() {
    let directory = scratch();
    let mut doubles = DiskHashMap::<Native<f64>, Native<f64>>::new_in(directory.path().join("f64")).unwrap();
    doubles.insert(&-0.0, &-0.0).unwrap();
    assert_eq!(doubles.get(&0.0).unwrap().map(f64::to_bits), Some((-0.0f64).to_bits()), "a value keeps its sign");
    doubles.insert(&f64::from_bits(0xfff8_0000_0000_0001), &1.0).unwrap();
    assert_eq!(doubles.insert(&f64::NAN, &2.0).unwrap(), Some(1.0));
    doubles.close().unwrap();
    let map = untyped(&directory.path().join("f64"), "native.f64", "native.f64");
    assert!(map.contains_key(&[0; 8]).unwrap());
    assert!(map.contains_key(&[0, 0, 0, 0, 0, 0, 0xf8, 0x7f]).unwrap());
    let mut singles = DiskHashMap::<Native<f32>, Str>::new_in(directory.path().join("f32")).unwrap();
    singles.insert(&-0.0, "nought").unwrap();
    singles.insert(&f32::from_bits(0xffc0_0001), "none").unwrap();
    assert_eq!((singles.get(&0.0).unwrap(), singles.get(&f32::NAN).unwrap()), (Some("nought"), Some("none")));
    singles.close().unwrap();
    assert!(untyped(&directory.path().join("f32"), "native.f32", "str").contains_key(&[0, 0, 0xc0, 0x7f]).unwrap());
}

#[test]
fn a_key_has_at_most_65535_bytes() {
    let directory = scratch();
    let mut alone = DiskHashMap::<Bytes, Str>::new_in(directory.path().join("alone")).unwrap();
    let shared = ConcurrentDiskMap::<Bytes, Str>::new_in(directory.path().join("shared")).unwrap();
    let (longest, beyond) = (vec![7; MAX_KEY], vec![7; MAX_KEY + 1]);
    alone.insert(&longest, "there").unwrap();
    shared.insert(&longest, "there").unwrap();
    assert_eq!(alone.get(&longest).unwrap(), Some("there"));
    assert_eq!(shared.get(&longest).unwrap().as_deref(), Some("there"));
    assert_eq!(code(alone.insert(&beyond, "there")), Code::TooLarge);
    assert_eq!(code(alone.get(&beyond)), Code::TooLarge);
    assert_eq!(code(alone.contains_key(&beyond)), Code::TooLarge);
    assert_eq!(code(alone.remove(&beyond)), Code::TooLarge);
    assert_eq!(code(alone.entry(&beyond)), Code::TooLarge);
    assert_eq!(code(shared.insert(&beyond, "there")), Code::TooLarge);
    assert_eq!(code(shared.get(&beyond)), Code::TooLarge);
    assert_eq!(code(shared.entry(&beyond)), Code::TooLarge);
    assert_eq!(code(shared.remove(&beyond)), Code::TooLarge);
    assert_eq!(code(shared.update(&beyond, |_| Some("there"))), Code::TooLarge);
    assert_eq!((alone.len(), shared.len()), (1, 1));
}

#[test]
fn values_that_their_codec_did_not_write_are_errors_and_can_be_replaced() {
    for (codec, param, bytes) in
        [("native.u64", "", &b"seven b"[..]), ("native.u64", "", b""), ("str", "", b"\xff\xfe"), ("arch", "u32", b"x")]
    {
        let directory = scratch();
        let path = directory.path().join("map");
        let map = stated(&path, "str", Codec { name: codec.into(), param: param.into() });
        for key in ["inserted", "removed"] {
            map.put(key.as_bytes(), bytes).unwrap();
        }
        map.close().unwrap();
        fn meets<V: ValueCodec>(path: &Path, value: &V::Item) {
            let mut alone = DiskHashMap::<Str, V>::new_in(path).unwrap();
            assert_eq!(code(alone.get("inserted").map(drop)), Code::Corrupt);
            assert_eq!(code(alone.values().collect::<Result<Vec<_>>>().map(drop)), Code::Corrupt);
            assert_eq!(alone.keys().collect::<Result<Vec<_>>>().unwrap().len(), 2);
            assert_eq!(code(alone.insert("inserted", value).map(drop)), Code::Corrupt);
            assert!(alone.get("inserted").unwrap().is_some());
            assert_eq!(code(alone.remove("removed").map(drop)), Code::Corrupt);
            assert_eq!(alone.len(), 1);
        }
        match codec {
            "str" => meets::<Str>(&path, "text"),
            "arch" => meets::<Arch<u32>>(&path, &7),
            _ => meets::<Native<u64>>(&path, &7),
        }
    }
}

#[derive(rkyv::Archive, rkyv::Serialize, Schema)]
struct User {
    id: u32,
    name: String,
    scores: Vec<f64>,
}

fn user(id: u32) -> User {
    User { id, name: format!("user {id}"), scores: vec![0.5; id as usize % 300] }
}

#[test]
fn archived_structs_are_read_where_they_lie_in_both_types() {
    let directory = scratch();
    let path = directory.path().join("map");
    let shared = ConcurrentDiskMap::<Native<u32>, Arch<User>>::open(&path, &served(1)).unwrap();
    for id in 0..2000 {
        shared.insert(&id, &user(id)).unwrap();
    }
    // Longer than what the log holds: mapped from a file of its own.
    shared.insert(&5000, &User { id: 5000, name: "long".into(), scores: vec![2.5; 100_000] }).unwrap();
    let held = shared.get(&299).unwrap().unwrap();
    shared.remove(&299).unwrap();
    shared.compact().unwrap();
    assert_eq!((held.id.to_native(), held.name.as_str(), held.scores.len()), (299, "user 299", 299));
    let long = shared.get(&5000).unwrap().unwrap();
    assert!(long.name == "long" && long.scores.iter().all(|score| *score == 2.5));
    drop((held, long));
    shared.close().unwrap();
    let alone = DiskHashMap::<Native<u32>, Arch<User>>::load_from(&path).unwrap();
    let mut sum = 0;
    for entry in alone.iter() {
        let (id, user) = entry.unwrap();
        assert_eq!(user.id, id);
        sum += user.scores.len();
    }
    assert_eq!(sum, (0..2000).map(|id| id % 300).sum::<usize>() - 299 + 100_000);
}

#[derive(rkyv::Archive, rkyv::Serialize)]
#[rkyv(attr(repr(align(16))))]
struct Wide {
    number: u64,
}

impl Schema for Wide {
    fn describe(text: &mut SchemaText) {
        text.word("wide");
    }
}

/// As [`Wide`], for a program whose type asks for less.
#[derive(rkyv::Archive, rkyv::Serialize)]
struct Narrow {
    _number: u64,
}

impl Schema for Narrow {
    fn describe(text: &mut SchemaText) {
        Wide::describe(text);
    }
}

#[test]
fn a_map_has_the_alignment_that_its_archived_type_asks_for() {
    let directory = scratch();
    let path = directory.path().join("map");
    let mut map = DiskHashMap::<Str, Arch<Wide>>::new_in(&path).unwrap();
    for number in 0..200usize {
        map.insert(&"k".repeat(number), &Wide { number: number as u64 }).unwrap();
    }
    for number in 0..200usize {
        let wide = map.get(&"k".repeat(number)).unwrap().unwrap();
        assert_eq!(wide.number, number as u64);
        assert!(std::ptr::from_ref(wide).is_aligned());
    }
    map.close().unwrap();
    // Narrower types are content with more.
    DiskHashMap::<Str, Arch<Narrow>>::new_in(&path).unwrap().close().unwrap();
    let narrow = directory.path().join("narrow");
    DiskHashMap::<Str, Arch<Narrow>>::new_in(&narrow).unwrap().close().unwrap();
    assert_eq!(code(DiskHashMap::<Str, Arch<Wide>>::new_in(&narrow)), Code::OptionsMismatch);
    assert_eq!(code(ConcurrentDiskMap::<Str, Arch<Wide>>::new_in(&narrow)), Code::OptionsMismatch);
}

#[derive(rkyv::Archive, rkyv::Serialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer, __S::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
struct Chain {
    #[rkyv(omit_bounds)]
    next: Option<Box<Chain>>,
}

impl Schema for Chain {
    fn describe(text: &mut SchemaText) {
        text.word("chain");
    }
}

fn chain(length: usize) -> Chain {
    (0..length).fold(Chain { next: None }, |chain, _| Chain { next: Some(Box::new(chain)) })
}

#[test]
fn what_is_nested_too_deep_is_refused_before_it_is_stored_and_when_somebody_else_stored_it() {
    let directory = scratch();
    let path = directory.path().join("map");
    let mut map = DiskHashMap::<Native<u8>, Arch<Chain>>::new_in(&path).unwrap();
    map.insert(&1, &chain(200)).unwrap();
    assert!(map.get(&1).unwrap().is_some());
    assert_eq!(code(map.insert(&2, &chain(300)).map(drop)), Code::InvalidValue);
    assert_eq!(map.len(), 1);
    map.close().unwrap();
    let map = stated(&path, "native.u8", Codec { name: "arch".into(), param: "chain".into() });
    map.put(&[3], &rkyv::to_bytes::<rkyv::rancor::Error>(&chain(2000)).unwrap()).unwrap();
    map.close().unwrap();
    let map = DiskHashMap::<Native<u8>, Arch<Chain>>::new_in(&path).unwrap();
    assert_eq!(code(map.get(&3).map(drop)), Code::Corrupt);
}

/// Numbers below 100, as text; with a parameter, and a check on both ways.
struct Small;

impl ValueCodec for Small {
    const NAME: &'static str = "small";
    type Item = u8;
    type Target = u8;
    type Reading = Decoded;
    type Encoded<'a> = String;

    fn param() -> Result<Cow<'static, [u8]>> {
        Ok(b"v1".into())
    }

    fn encode(value: &u8) -> Result<String> {
        match value {
            0..100 => Ok(value.to_string()),
            _ => Err(Error::new(Code::InvalidValue, "too large for me")),
        }
    }

    fn decode(bytes: &[u8]) -> Result<u8> {
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(|text| text.parse().ok()).ok_or_else(|| Error::new(Code::Corrupt, "no number of mine"))
    }
}

impl KeyCodec for Small {
    fn encode_key(key: &u8) -> Result<String> {
        Self::encode(key).map_err(|_| Error::new(Code::InvalidKey, "too large for a key"))
    }
}

/// The same name with another parameter.
struct Smaller;

impl ValueCodec for Smaller {
    const NAME: &'static str = Small::NAME;
    type Item = [u8];
    type Target = [u8];
    type Reading = InPlace;
    type Encoded<'a> = &'a [u8];

    fn encode(value: &[u8]) -> Result<&[u8]> {
        Ok(value)
    }

    fn decode(bytes: &[u8]) -> Result<&[u8]> {
        Ok(bytes)
    }
}

#[test]
fn a_users_codec_is_stored_with_its_parameter_and_its_errors_pass_through() {
    let directory = scratch();
    let path = directory.path().join("map");
    let mut map = DiskHashMap::<Small, Small>::new_in(&path).unwrap();
    assert_eq!(map.insert(&7, &70).unwrap(), None);
    assert_eq!(map.insert(&7, &71).unwrap(), Some(70));
    for refused in [map.insert(&7, &100), map.entry(&8).unwrap().or_insert(&100).map(Some)] {
        assert_eq!(refused.unwrap_err().message(), "too large for me");
    }
    assert_eq!(map.get(&100).unwrap_err().message(), "too large for a key");
    assert_eq!((map.get(&7).unwrap(), map.len()), (Some(71), 1));
    map.close().unwrap();
    assert_eq!(code(DiskHashMap::<Small, Smaller>::new_in(&path)), Code::CodecMismatch);
    let map = ConcurrentDiskMap::<Small, Small>::new_in(&path).unwrap();
    assert_eq!(code(map.update(&7, |value| value.map(|value| value + 29))), Code::InvalidValue);
    assert_eq!(code(map.entry(&7).unwrap().and_modify(|_| 200).map(drop)), Code::InvalidValue);
    assert_eq!(map.get(&7).unwrap().as_deref(), Some(&71));
}

/// Decodes by asking the map again, which a lock or an epoch held meanwhile would not survive.
struct Asking;

static ASKED: AtomicUsize = AtomicUsize::new(0);
static MAP: std::sync::OnceLock<ConcurrentDiskMap<Str, Asking>> = std::sync::OnceLock::new();

impl ValueCodec for Asking {
    const NAME: &'static str = "asking";
    type Item = str;
    type Target = String;
    type Reading = Decoded;
    type Encoded<'a> = &'a [u8];

    fn encode(value: &str) -> Result<&[u8]> {
        Ok(value.as_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<String> {
        if ASKED.fetch_add(1, Ordering::Relaxed) < 10 {
            let map = MAP.get().unwrap();
            map.insert("other", "changed")?;
            map.get("key")?;
            map.compact()?;
        }
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[test]
fn a_codec_may_call_the_map_that_it_decodes_for() {
    let directory = scratch();
    let map = MAP.get_or_init(|| ConcurrentDiskMap::open(directory.path().join("map"), &quiet(1)).unwrap());
    map.insert("key", "value").unwrap();
    assert_eq!(map.get("key").unwrap().as_deref().map(String::as_str), Some("value"));
    assert_eq!(map.insert("key", "second").unwrap().as_deref().map(String::as_str), Some("value"));
    assert!(ASKED.load(Ordering::Relaxed) > 10);
}

#[test]
fn an_entry_of_a_shared_map_goes_by_what_is_there_and_not_by_what_it_saw() {
    let directory = scratch();
    let map = ConcurrentDiskMap::<Str, Native<i64>>::open(directory.path().join("map"), &served(4)).unwrap();
    let entry = |key| map.entry(key).unwrap();
    let (vacant, second, third, fourth) = (entry("a"), entry("a"), entry("a"), entry("a"));
    map.insert("a", &1).unwrap();
    assert!(!vacant.is_occupied() && vacant.value().is_none());
    assert_eq!(*vacant.or_insert(&2).unwrap(), 1);
    assert_eq!(second.insert(&3).unwrap().as_deref(), Some(&1));
    let modified = third.and_modify(|value| value + 10).unwrap();
    assert_eq!((modified.value(), modified.key()), (Some(&13), "a"));
    assert_eq!(fourth.remove().unwrap().as_deref(), Some(&13));
    let gone = modified.and_modify(|_| -> i64 { panic!("there is nothing to modify") }).unwrap();
    assert!(!gone.is_occupied());
    assert_eq!(*gone.or_insert_with(|| 5i64).unwrap(), 5);
}

#[test]
fn all_that_insert_one_key_if_absent_get_the_same_value() {
    let directory = scratch();
    let map = ConcurrentDiskMap::<Str, Bytes>::open(directory.path().join("map"), &served(4)).unwrap();
    for round in 0..300 {
        let key = format!("key {round}");
        let stored: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads = (0..4u8).map(|thread| {
                let (map, key) = (&map, &key);
                scope.spawn(move || map.entry(key).unwrap().or_insert_with(|| [thread; 40]).unwrap().to_vec())
            });
            threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let there = map.get(&key).unwrap().unwrap();
        assert!(stored.iter().all(|stored| **stored == *there), "one value, seen by all");
    }
}

#[test]
fn updates_of_many_threads_lose_none() {
    let directory = scratch();
    let map = ConcurrentDiskMap::<Native<u32>, Native<u64>>::open(directory.path().join("map"), &served(2)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..5000 {
                    let add = |value: Option<&u64>| Some(value.copied().unwrap_or(0) + 1);
                    map.update(&(round % 3), add).unwrap();
                }
            });
        }
    });
    let sum: u64 = map.values().map(|value| *value.unwrap()).sum();
    assert_eq!(sum, 15_000);
}

#[test]
fn update_stores_removes_and_gives_up_after_a_thousand_lost_races() {
    let directory = scratch();
    let map = ConcurrentDiskMap::<Str, Str>::open(directory.path().join("map"), &quiet(1)).unwrap();
    assert_eq!(map.update("key", |old| Some(format!("{old:?}"))).unwrap().as_deref(), Some("None"));
    assert_eq!(map.update("key", |old| Some(format!("{old:?}"))).unwrap().as_deref(), Some("Some(\"None\")"));
    assert_eq!(map.update("key", |_| None::<&str>).unwrap(), None);
    assert_eq!(map.update("key", |_| None::<&str>).unwrap(), None);
    assert_eq!(map.len(), 0);
    let mut calls = 0;
    let lost = map.update("key", |_| {
        calls += 1;
        map.insert("key", &format!("by another {calls}")).unwrap();
        Some("mine")
    });
    assert_eq!((code(lost), calls), (Code::Conflict, 1000));
    assert_eq!(map.get("key").unwrap().as_deref(), Some("by another 1000"));
}

#[test]
fn a_map_that_may_only_read_says_so_by_code() {
    let directory = scratch();
    let path = directory.path().join("map");
    let mut map = StringStringMap::new_in(&path).unwrap();
    map.insert("key", "value").unwrap();
    map.close().unwrap();
    let mut map = StringStringMap::open(&path, &Options { read_only: true, ..Options::default() }).unwrap();
    assert_eq!(map.get("key").unwrap(), Some("value"));
    assert_eq!(code(map.insert("key", "other").map(drop)), Code::ReadOnly);
    assert_eq!(code(map.remove("key").map(drop)), Code::ReadOnly);
    assert_eq!(code(map.clear()), Code::ReadOnly);
    assert!(matches!(map.entry("key").unwrap(), MapEntry::Occupied(_)));
    assert_eq!(code(map.entry("absent").unwrap().or_insert("x").map(drop)), Code::ReadOnly);
}

#[test]
fn an_iteration_meets_what_stays_exactly_once_whatever_is_changed_meanwhile() {
    let directory = scratch();
    let map = ConcurrentDiskMap::<Bytes, Native<u32>>::open(directory.path().join("map"), &quiet(2)).unwrap();
    for number in 0..6000 {
        map.insert(&key(number), &(number as u32)).unwrap();
    }
    let mut seen = vec![0; 6000];
    for (at, entry) in map.iter().enumerate() {
        let (found, number) = entry.unwrap();
        if *number < 6000 {
            assert_eq!(*found, *key(*number as usize));
            seen[*number as usize] += 1;
        }
        map.insert(&key(100_000 + at % 20_000), &(100_000 + at as u32)).unwrap();
        if at > 50_000 {
            break;
        }
    }
    assert!(seen.iter().all(|&times| times == 1));
}
