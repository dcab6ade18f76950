//! A sequence of calls against a model; among them kills, played by a copy of the directory, and full recoveries.

use std::path::Path;

use opendiskmap::{Map, Options, Recovery};

use crate::flip::files::Files;
use crate::model::{self, Model, value};
use crate::scenario::options;

const CALLS: usize = 200;

/// Two bytes a call: what, and with which key.
pub fn run(data: &[u8]) {
    let temp = super::scratch("operations");
    let path = temp.join("map");
    let shards = [1, 2, 4][data.first().map_or(0, |byte| usize::from(*byte) % 3)];
    let new = Options { shards: Some(shards), ..options(Recovery::Auto) };
    let mut map = Map::open(&path, &new).expect("a new map");
    let mut stored = Model::new();
    for (version, call) in data.as_chunks::<2>().0.iter().take(CALLS).enumerate() {
        map = step(*call, version, &path, map, &mut stored);
        assert_eq!(map.len(), stored.len() as u64);
    }
    model::which(&map, &[&stored]).unwrap_or_else(|told| panic!("{told}"));
    map.close().expect("a close");
    let map = Map::open(&path, &options(Recovery::Auto)).expect("an open after a close");
    model::which(&map, &[&stored]).unwrap_or_else(|told| panic!("after a close: {told}"));
    map.close().expect("a second close");
    let _ = std::fs::remove_dir_all(&temp);
}

fn step([what, which]: [u8; 2], version: usize, path: &Path, map: Map, stored: &mut Model) -> Map {
    let key = model::key(usize::from(which));
    match what % 32 {
        0..14 => {
            let length = match what {
                0..200 => usize::from(what) / 2,
                200..250 => 5000 + usize::from(which) * 40,
                _ => (256 << 10) + usize::from(which),
            };
            let value = value(usize::from(which), version, length);
            let fresh = map.put(&key, &value).expect("a put");
            assert_eq!(stored.insert(key, value).is_none(), fresh);
        }
        14..20 => assert_eq!(map.remove(&key).expect("a delete"), stored.remove(&key).is_some()),
        20..23 => assert_eq!(map.get(&key).expect("a get").as_ref(), stored.get(&key)),
        23 => {
            // Enough for a table to split.
            for number in 0..300 {
                let (key, value) = (format!("many {which} {number}").into_bytes(), vec![which; 9]);
                map.put(&key, &value).expect("one put of many");
                stored.insert(key, value);
            }
        }
        24 => {
            stored.retain(|key, _| !key.starts_with(b"many") || !key.ends_with(b"7"));
            let gone = map.iter().map(|entry| entry.expect("an entry").0);
            let gone: Vec<_> = gone.filter(|key| key.starts_with(b"many") && key.ends_with(b"7")).collect();
            gone.iter().for_each(|key| assert!(map.remove(key).expect("one delete of many")));
        }
        25 => {
            map.compact_step().expect("a step");
        }
        26 => map.compact().expect("compact"),
        27 => map.flush().expect("a flush"),
        28 if which % 4 == 0 => {
            map.clear().expect("a clear");
            stored.clear();
        }
        29 => return reopen(path, map, stored, Recovery::Auto, false),
        30 => return reopen(path, map, stored, Recovery::Full, which % 2 == 0),
        31 => return reopen(path, map, stored, Recovery::Auto, true),
        _ => {}
    }
    map
}

/// Closes the map and opens it again, or goes on with what a kill would have left.
fn reopen(path: &Path, map: Map, stored: &Model, recovery: Recovery, killed: bool) -> Map {
    let left = killed.then(|| Files::read(path).expect("the map's files can be read"));
    map.close().expect("a close");
    if let Some(left) = left {
        left.restore(path).expect("the map's files can be put back");
    }
    let map = Map::open(path, &options(recovery)).expect("an open");
    assert_eq!(map.len(), stored.len() as u64);
    map
}
