//! How much disk a map takes: told from its files and from what was put into it, not from its own figures.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{key, quiet, scratch, served, settle, value};
use opendiskmap::{Map, Options};

const HEADER: usize = 24;

/// What lies in the directory, in bytes.
#[derive(Debug, Default)]
struct Disk {
    log: u64,
    index: u64,
    /// The largest segment of each shard, twice.
    slack: u64,
    written: u64,
}

impl Disk {
    fn of(path: &Path) -> Self {
        let mut disk = Self::default();
        let mut largest = HashMap::<String, u64>::new();
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let length = entry.metadata().unwrap().len();
            match name.split('-').collect::<Vec<_>>()[..] {
                ["seg", shard, ..] => {
                    disk.log += length;
                    let known = largest.entry(shard.into()).or_default();
                    *known = length.max(*known);
                }
                ["ext", ..] => disk.log += length,
                ["idx" | "dir", ..] => disk.index += length,
                _ => {}
            }
        }
        disk.slack = largest.values().sum::<u64>() * 2;
        disk.written = largest.len() as u64;
        disk
    }
}

/// A map, what it must hold, and the most it ever held since its last `compact()`.
struct Measured {
    map: Map,
    lengths: HashMap<usize, (usize, usize)>,
    most: usize,
    directory: tempfile::TempDir,
}

impl Measured {
    fn new(options: &Options) -> Self {
        let directory = scratch();
        let map = Map::open(directory.path().join("map"), options).unwrap();
        Self { map, lengths: HashMap::new(), most: 0, directory }
    }

    fn put(&mut self, number: usize, version: usize, length: usize) {
        self.map.put(&key(number), &value(&key(number), version, length)).unwrap();
        self.lengths.insert(number, (version, length));
        self.most = self.most.max(self.lengths.len());
    }

    fn remove(&mut self, number: usize) {
        assert!(self.map.remove(&key(number)).unwrap());
        self.lengths.remove(&number);
    }

    /// Bytes of live records, with header and padding.
    fn live(&self) -> u64 {
        let record = |(&number, &(version, length)): (&usize, &(usize, usize))| {
            let key = key(number);
            let length = value(&key, version, length).len();
            (HEADER + key.len().next_multiple_of(8) + length).next_multiple_of(8) as u64
        };
        self.lengths.iter().map(record).sum()
    }

    /// Idle is when no background work is due; then everything must be within its bound, and there.
    fn check(&self, when: &str) {
        settle(&self.map);
        let disk = Disk::of(&self.directory.path().join("map"));
        let live = self.live();
        assert!(disk.log <= 2 * live + disk.slack, "{when}: {disk:?} with {live} bytes live");
        let most = 48 * self.most as u64 + disk.written * (128 << 10);
        assert!(disk.index <= most, "{when}: {disk:?}, at most {most} for {} entries", self.most);
        assert_eq!(self.map.len(), self.lengths.len() as u64, "{when}");
        for (&number, &(version, length)) in &self.lengths {
            let expected = value(&key(number), version, length);
            assert!(self.map.get(&key(number)).unwrap() == Some(expected), "{when}: key {number}");
        }
    }
}

/// A walk over all numbers below the count that is not in their order.
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| index * 7919 % count)
}

#[test]
fn ten_times_as_many_updates_as_entries_stay_within_the_bound() {
    for (shards, count, length) in [(1, 2000, 100), (4, 4000, 300), (16, 3000, 60), (1, 60, 20_000)] {
        let mut measured = Measured::new(&quiet(shards));
        (0..count).for_each(|number| measured.put(number, 0, length));
        measured.check("filled");
        for version in 1..=10 {
            scattered(count).for_each(|number| measured.put(number, version, length + version * 7 % 50));
        }
        measured.check(&format!("{count} entries of {length} bytes in {shards} shards, updated ten times"));
    }
}

/// As where writers leave the background no processor.
#[test]
fn where_nobody_else_compacts_the_writers_keep_the_log_little_above_the_bound() {
    for (shards, count, length) in [(1, 20_000, 100), (4, 12_000, 300), (1, 400, 20_000)] {
        let mut measured = Measured::new(&quiet(shards));
        for version in 0..=10 {
            scattered(count).for_each(|number| measured.put(number, version, length + version * 7 % 50));
        }
        // What was emptied is freed by a checkpoint.
        let stats = measured.map.stats().unwrap();
        let log = stats.log_bytes - stats.emptied_bytes;
        assert!(log <= stats.log_bound + stats.log_bound / 4, "{stats:?}");
        measured.check("at rest");
    }
}

/// Threads in need make segments while the background makes some ahead, of files that were freed too.
#[test]
fn whoever_makes_segments_they_join_in_their_order() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map =
        Map::open(&path, &Options { flush_interval: Some(Some(Duration::from_millis(10))), ..served(1) }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let map = &map;
            scope.spawn(move || {
                for round in 0..30_000 {
                    let number = thread * 1000 + round * 7919 % 1000;
                    map.put(&key(number), &value(&key(number), round, 300)).unwrap();
                }
            });
        }
    });
    map.close().unwrap();
    // An open takes the chain to be in the order of its ids.
    let map = Map::open(&path, &quiet(1)).unwrap();
    assert_eq!(map.len(), 3000);
    assert_eq!(map.iter().filter(Result::is_ok).count(), 3000);
}

#[test]
fn half_deleted_and_others_inserted_stay_within_the_bound() {
    for shards in [1, 4, 16] {
        let mut measured = Measured::new(&quiet(shards));
        (0..5000).for_each(|number| measured.put(number, 0, 200));
        measured.check("filled");
        (0..5000).step_by(2).for_each(|number| measured.remove(number));
        measured.check("half deleted");
        (5000..7500).for_each(|number| measured.put(number, 0, 200));
        measured.check("others inserted");
    }
}

#[test]
fn a_queue_that_is_filled_and_drained_for_long_stays_within_the_bound() {
    let mut measured = Measured::new(&quiet(1));
    for number in 0..30_000 {
        measured.put(number, 0, 50);
        if number >= 100 {
            measured.remove(number - 100);
        }
        // As often as a background thread would come by.
        if number % 500 == 0 {
            settle(&measured.map);
        }
    }
    measured.check("a queue of 100");
}

#[test]
fn deleting_nearly_everything_gives_the_space_back() {
    let mut measured = Measured::new(&quiet(2));
    (0..20_000).for_each(|number| measured.put(number, 0, 120));
    (50..20_000).for_each(|number| measured.remove(number));
    measured.check("50 of 20,000 left");
    measured.map.compact().unwrap();
    measured.most = measured.lengths.len();
    measured.check("after compact()");
}

#[test]
fn values_in_files_of_their_own_stay_within_the_bound() {
    let mut measured = Measured::new(&quiet(1));
    for version in 0..8 {
        (0..6).for_each(|number| measured.put(number, version, (256 << 10) + 1000 * version + number));
    }
    measured.check("six large values, each replaced seven times");
    (1..6).for_each(|number| measured.remove(number));
    measured.check("one large value left");
    measured.put(0, 9, 10);
    measured.check("no large value left");
}

#[test]
fn a_map_served_in_the_background_comes_to_rest_within_the_bound() {
    let mut measured = Measured::new(&served(4));
    for version in 0..11 {
        scattered(4000).for_each(|number| measured.put(number, version, 150));
    }
    measured.map.compact().unwrap();
    measured.check("4,000 entries updated ten times");
}

#[test]
fn a_map_of_ten_entries_costs_at_most_four_mebibytes() {
    let mut measured = Measured::new(&served(16));
    (0..10).for_each(|number| measured.put(number, 0, 100));
    measured.check("ten entries");
    let path = measured.directory.path().join("map");
    let total: u64 = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(total <= 4 << 20, "{total} bytes for ten entries");
}
