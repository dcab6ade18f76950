//! What a map's files may say about its capacity, and what is left of a shard that could not be made.

use super::{Capacity, Map, Options};
use crate::layout::checkpoint::Checkpoint;
use crate::layout::names;
use crate::{Code, Hooks, Recovery, sys};
use std::fs;
use std::path::Path;

/// Enough for a directory in a file of its own.
const MANY: Capacity = Capacity { entries: 200_000, bytes: 0 };

fn quiet() -> Options {
    Options {
        shards: Some(1),
        flush_interval: Some(None),
        hooks: Hooks { background: false, ..Hooks::default() },
        ..Options::default()
    }
}

/// Gives a closed map another capacity, as whoever can write its files can.
fn forge(path: &Path, capacity: Capacity) {
    let mut forged = 0;
    for name in names::CHECKPOINTS {
        let bytes = fs::read(path.join(name)).unwrap_or_default();
        let Ok(checkpoint) = Checkpoint::decode(&bytes) else { continue };
        let file = fs::OpenOptions::new().write(true).open(path.join(name)).unwrap();
        sys::write_at(&file, &Checkpoint { capacity, ..checkpoint }.encode(), 0).unwrap();
        forged += 1;
    }
    assert!(forged > 0);
}

fn ours(path: &Path, kind: &str) -> usize {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(kind)).count()
}

#[test]
fn a_forged_capacity_beyond_what_a_map_can_have_is_damage() {
    for (entries, bytes) in [(u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (1 << 40, 0), (0, 1 << 31)] {
        for written in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("map");
            let map = Map::open(&path, &quiet()).unwrap();
            if written {
                map.put(b"key", b"value").unwrap();
            }
            map.close().unwrap();
            forge(&path, Capacity { entries, bytes });
            for recovery in [Recovery::Auto, Recovery::Full] {
                for read_only in [false, true] {
                    let options = Options { recovery: Some(recovery), read_only, ..quiet() };
                    assert_eq!(Map::open(&path, &options).unwrap_err().code(), Code::Corrupt);
                }
            }
        }
    }
}

#[test]
fn a_rebuild_makes_no_more_tables_than_its_log_can_fill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet()).unwrap();
    map.put(b"key", b"value").unwrap();
    map.close().unwrap();
    forge(&path, Capacity { entries: 1 << 24, bytes: 0 });
    for read_only in [true, false] {
        let options = Options { recovery: Some(Recovery::Full), read_only, ..quiet() };
        let map = Map::open(&path, &options).unwrap();
        assert_eq!(map.get(b"key").unwrap().unwrap(), b"value");
        let stats = map.stats().unwrap();
        assert!(stats.tables <= 4, "{stats:?}");
        map.close().unwrap();
    }
}

#[test]
fn a_shard_that_could_not_be_made_leaves_no_files_and_is_made_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("map");
    Map::open(&path, &quiet()).unwrap().close().unwrap();
    forge(&path, MANY);
    let map = Map::open(&path, &quiet()).unwrap();
    // The large directory is made last: nothing can be under its name.
    let block = path.join(names::directory(0, 1));
    fs::create_dir(&block).unwrap();
    for _ in 0..4 {
        map.put(b"key", b"value").unwrap_err();
    }
    fs::remove_dir(&block).unwrap();
    map.put(b"key", b"value").unwrap();
    assert_eq!(
        (ours(&path, "seg"), ours(&path, "idx"), ours(&path, "dir")),
        (1, 2, 2),
        "the next index file is made ahead"
    );
    map.close().unwrap();
    let map = Map::open(&path, &quiet()).unwrap();
    assert_eq!(map.get(b"key").unwrap().unwrap(), b"value");
}
