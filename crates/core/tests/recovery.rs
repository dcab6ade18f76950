//! What a rebuild keeps and drops, what it says about that, and that being killed in it changes neither.
//!
//! The map has one shard, and a model of its log: where each record lies is computed here, not asked of the engine. A power
//! cut is played by another boot id.

mod common;

use common::{cases, copy, of_boot, scratch};
use opendiskmap::{Code, Control, Map, OpenReport, Options, Reason, Recovery};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const HEADER: usize = 24;
const FIRST_RECORD: usize = 64;
/// As long as the map is small, and no record larger than a quarter of it.
const SEGMENT: usize = 64 << 10;
const LONGEST: usize = 16_000;

fn options(boot: u8) -> Options {
    of_boot(1, [boot; 16])
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn segments(directory: &Path) -> Vec<String> {
    names(directory).into_iter().filter(|name| name.starts_with("seg-")).collect()
}

fn key(number: usize) -> Vec<u8> {
    format!("key{number:05}").into_bytes()
}

/// No byte is 0, so that what was never written can be told from what was.
fn value(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (number * 7 + at * 13) as u8 | 1).collect()
}

/// A record of the log, as the model has it.
#[derive(Clone, Copy, Debug)]
struct Placed {
    segment: usize,
    start: usize,
    end: usize,
    /// Where key and value end; what follows up to `end` is padding.
    used: usize,
}

/// A map whose log is known, as a killed process leaves it.
struct Written {
    records: Vec<Placed>,
    lengths: Vec<usize>,
    flushed: usize,
}

impl Written {
    /// Stores values of these lengths, and flushes after so many.
    fn new(path: &Path, lengths: &[usize], flushed: usize) -> Written {
        let map = Map::open(path.with_extension("live"), &options(1)).unwrap();
        let (mut records, mut segment, mut at) = (Vec::new(), 0, FIRST_RECORD);
        for (number, &length) in lengths.iter().enumerate() {
            if number == flushed {
                map.flush().unwrap();
            }
            map.put(&key(number), &value(number, length)).unwrap();
            let used = HEADER + 8 + length;
            if at + used.next_multiple_of(8) > SEGMENT {
                (segment, at) = (segment + 1, FIRST_RECORD);
            }
            let end = at + used.next_multiple_of(8);
            records.push(Placed { segment, start: at, end, used: at + used });
            at = end;
        }
        if flushed >= lengths.len() {
            map.flush().unwrap();
        }
        copy(&path.with_extension("live"), path);
        assert_eq!(segments(path).len(), segment + 1, "the model knows the segments");
        Written { records, lengths: lengths.to_vec(), flushed: flushed.min(lengths.len()) }
    }

    fn check(&self, map: &Map, kept: usize) {
        assert_eq!(map.len(), kept as u64);
        for number in 0..self.lengths.len() {
            let expected = (number < kept).then(|| value(number, self.lengths[number]));
            assert!(map.get(&key(number)).unwrap() == expected, "key {number} of {kept}");
        }
    }
}

/// Changes the bytes of a segment from an offset on.
fn damage(path: &Path, segment: usize, change: impl FnOnce(&mut [u8])) {
    let file = path.join(&segments(path)[segment]);
    let mut bytes = fs::read(&file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn rebuilt(map: &Map) -> OpenReport {
    let report = map.stats().unwrap().recovery;
    assert_eq!(report.reason, Reason::Rebuilt);
    assert_eq!(report.records, report.shards.iter().map(|shard| shard.kept).sum::<u64>());
    assert_eq!(report.dropped, report.shards.iter().map(|shard| shard.dropped).sum::<u64>());
    report
}

#[test]
fn a_tail_that_was_cut_off_at_any_byte_keeps_every_record_before_the_cut() {
    let temp = scratch();
    let path = temp.path().join("map");
    // Without padding, so that every byte of a record counts.
    let lengths = [8, 16, 104, 8, 40];
    let written = Written::new(&path, &lengths, 1);
    let last = written.records.last().unwrap().end;
    for cut in written.records[0].end..=last {
        let torn = temp.path().join("torn");
        copy(&path, &torn);
        damage(&torn, 0, |bytes| bytes[cut..].fill(0));
        let left = fs::read(torn.join(&segments(&torn)[0])).unwrap();
        let map = Map::open(&torn, &options(2)).unwrap();
        let report = rebuilt(&map);
        let kept = written.records.iter().filter(|record| record.end <= cut).count();
        let start = written.records[..kept].last().unwrap().end;
        assert_eq!(report.records, kept as u64, "cut at {cut}");
        // A record is counted if its header is whole: it ends with its type, which is not 0.
        assert_eq!(report.dropped, u64::from(cut >= start + HEADER), "cut at {cut}");
        let traces = left[start..].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        assert_eq!(report.shards[0].cut_bytes, traces as u64, "cut at {cut}");
        written.check(&map, kept);
        map.close().unwrap();
        fs::remove_dir_all(torn).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// One bit anywhere behind the flush: what stands before its record is kept, and the rest is counted, over segments too.
    #[test]
    fn what_is_kept_and_what_is_dropped_are_all_there_was(
        lengths in prop::collection::vec(1usize..LONGEST, 1..40),
        flushed in 0usize..40,
        place in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let temp = scratch();
        let path = temp.path().join("map");
        let written = Written::new(&path, &lengths, flushed);
        let count = lengths.len();
        let (kept, dropped) = if written.flushed == count {
            (count, 0)
        } else {
            let number = written.flushed + place.index(count - written.flushed);
            let hit = written.records[number];
            let at = hit.start + byte.index(hit.end - hit.start);
            damage(&path, hit.segment, |bytes| bytes[at] ^= 1 << bit);
            if at >= hit.used {
                // Padding is outside the sums.
                (count, 0)
            } else if at < hit.start + HEADER {
                // Nobody can say any more that this was a record; those behind it can be told.
                (number, count - number - 1)
            } else {
                (number, count - number)
            }
        };
        let map = Map::open(&path, &options(2)).unwrap();
        let report = rebuilt(&map);
        prop_assert_eq!((report.records, report.dropped), (kept as u64, dropped as u64));
        prop_assert_eq!(report.shards[0].cut_bytes > 0, kept < count);
        written.check(&map, kept);
        map.close().unwrap();
        // What was dropped is gone for good: it is not found again, and not counted again.
        let map = Map::open(&path, &Options { recovery: Some(Recovery::Full), ..options(3) }).unwrap();
        let report = rebuilt(&map);
        prop_assert_eq!((report.records, report.dropped, report.shards[0].cut_bytes), (kept as u64, 0, 0));
        written.check(&map, kept);
    }

    /// A kill anywhere in a rebuild leaves the old checkpoint, the segments that it keeps, and any of the files that are
    /// made anew, in any state.
    #[test]
    fn a_rebuild_that_is_killed_and_done_again_keeps_the_same(
        lengths in prop::collection::vec(1usize..LONGEST, 2..30),
        flushed in 0usize..30,
        cut in any::<prop::sample::Index>(),
        kills in prop::collection::vec(any::<u64>(), 1..4),
    ) {
        let temp = scratch();
        let path = temp.path().join("map");
        let written = Written::new(&path, &lengths, flushed);
        let first = written.flushed.min(lengths.len() - 1);
        let number = first + cut.index(lengths.len() - first);
        let kept = if number < written.flushed { lengths.len() } else { number };
        if number >= written.flushed {
            let hit = written.records[number];
            damage(&path, hit.segment, |bytes| bytes[hit.start + HEADER] ^= 1);
        }
        let before = temp.path().join("before");
        copy(&path, &before);
        let map = Map::open(&path, &options(2)).unwrap();
        let whole = rebuilt(&map);
        prop_assert_eq!(whole.records, kept as u64);
        written.check(&map, kept);
        let unreached: Vec<_> = segments(&before).into_iter().filter(|name| !path.join(name).exists()).collect();
        // Its sync and its last checkpoint did not happen; each file made meanwhile is there, or is as before.
        for (round, mut choice) in kills.into_iter().enumerate() {
            let killed = temp.path().join(format!("killed-{round}"));
            copy(&before, &killed);
            let mut one_of = |count: u64| {
                choice = choice.rotate_right(3);
                choice % count
            };
            // What the chain does not reach goes before anything that could take its place in it is made.
            let cleaned = one_of(2) == 1;
            for name in &unreached {
                if cleaned {
                    fs::remove_file(killed.join(name)).unwrap();
                }
            }
            for name in names(&path) {
                let of_log = name.starts_with("seg-");
                if name.starts_with("CHECKPOINT") || of_log && (before.join(&name).exists() || !cleaned) {
                    continue;
                }
                match one_of(4) {
                    0 | 1 => drop(fs::copy(path.join(&name), killed.join(&name)).unwrap()),
                    2 => drop(fs::remove_file(killed.join(&name))),
                    _ => {}
                }
            }
            let again = Map::open(&killed, &options(3 + round as u8)).unwrap();
            let report = rebuilt(&again);
            prop_assert_eq!(report.records, whole.records);
            if cleaned && !unreached.is_empty() {
                // What was deleted is not counted again.
                prop_assert!(report.dropped < whole.dropped);
            } else {
                prop_assert_eq!(report.shards[0], whole.shards[0]);
            }
            written.check(&again, kept);
            again.put(b"after", b"the rebuild").unwrap();
            again.close().unwrap();
            let again = Map::open(&killed, &options(9)).unwrap();
            prop_assert_eq!(again.stats().unwrap().recovery.reason, Reason::Clean);
            prop_assert_eq!(again.len(), kept as u64 + 1);
        }
    }
}

/// Updates, deletions and a clear, in a log that several threads enter in any order: the last change of a key wins.
#[test]
fn a_rebuild_by_many_threads_finds_what_a_model_holds() {
    let temp = scratch();
    for shards in [1, 4] {
        let path = temp.path().join(format!("map of {shards}"));
        let options = Options { shards: Some(shards), ..options(1) };
        let map = Map::open(&path, &options).unwrap();
        let mut model = BTreeMap::new();
        let mut state = 7u64;
        for change in 0..60_000usize {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let number = (state >> 40) as usize % 9_000;
            match change {
                20_000 => {
                    map.clear().unwrap();
                    model.clear();
                }
                _ if state >> 33 & 3 == 0 => {
                    assert_eq!(map.remove(&key(number)).unwrap(), model.remove(&key(number)).is_some());
                }
                _ => {
                    map.put(&key(number), &value(change, 60)).unwrap();
                    model.insert(key(number), value(change, 60));
                }
            }
            if change == 40_000 {
                // From here on the index is larger than the checkpoint says.
                map.flush().unwrap();
            }
        }
        drop(map);
        let control = Arc::new(Control::default());
        let full = Options { recovery: Some(Recovery::Full), control: Some(Arc::clone(&control)), ..options };
        let map = Map::open(&path, &full).unwrap();
        let report = rebuilt(&map);
        assert_eq!(report.shards.len(), shards as usize);
        assert!(report.records >= model.len() as u64 && report.dropped == 0);
        assert_eq!((control.done(), control.total() > 0), (control.total(), true));
        let found: BTreeMap<_, _> = map.iter().map(Result::unwrap).collect();
        assert!(found == model);
        assert_eq!(map.len(), model.len() as u64);
        // What lives was counted right: all of the rest can be given back.
        let stats = map.stats().unwrap();
        let live: usize = model.iter().map(|(key, value)| (HEADER + key.len() + value.len()).next_multiple_of(8)).sum();
        assert_eq!(stats.live_bytes, live as u64);
        assert!(stats.index_bytes <= stats.index_bound, "{} of {}", stats.index_bytes, stats.index_bound);
    }
}

#[test]
fn only_the_open_that_recovered_is_told_of_it() {
    let temp = scratch();
    let path = temp.path().join("map");
    Written::new(&path, &[10, 20, 30], 1);
    let map = Map::open(&path, &options(2)).unwrap();
    assert_eq!(map.recovered().unwrap().records, 3);
    assert!(map.clone().recovered().is_none());
    assert!(Map::open(&path, &options(2)).unwrap().recovered().is_none());
    assert!(Map::attach(&map.identity().unwrap(), &options(2)).unwrap().recovered().is_none());
    map.close().unwrap();
    let map = Map::open(&path, &options(2)).unwrap();
    assert!(map.recovered().is_none(), "it had been closed");
    assert!(map.stats().unwrap().recovery.shards.iter().all(|shard| shard.kept == 0));
}

/// Called off before it begins, and at any point of both passes over the log: what is there stays, and the next open has it.
#[test]
fn an_open_that_is_called_off_can_be_begun_anew() {
    let temp = scratch();
    let path = temp.path().join("map");
    let options = Options { shards: Some(2), ..options(1) };
    let map = Map::open(&path, &options).unwrap();
    for number in 0..30_000 {
        map.put(&key(number), &value(number, 200)).unwrap();
    }
    map.close().unwrap();
    let full = |control: &Arc<Control>| Options {
        recovery: Some(Recovery::Full),
        control: Some(Arc::clone(control)),
        ..options.clone()
    };
    let mut total = 0;
    for round in 0..12 {
        let control = Arc::new(Control::default());
        let from = total / 11 * round;
        if round == 0 {
            control.cancel();
        }
        let opened = std::thread::scope(|scope| {
            let opening = scope.spawn(|| Map::open(&path, &full(&control)));
            while control.done() <= from && !opening.is_finished() {
                std::thread::yield_now();
            }
            control.cancel();
            opening.join().unwrap()
        });
        match opened {
            Ok(map) => map.close().unwrap(),
            Err(error) => assert_eq!(error.code(), Code::Closed),
        }
        total = control.total().max(total);
        if round == 0 {
            assert_eq!(total, 0, "it had not begun");
            total = 30_000 * 232;
        }
    }
    let missing = temp.path().join("missing");
    let control = Arc::new(Control::default());
    control.cancel();
    assert_eq!(Map::open(&missing, &full(&control)).unwrap_err().code(), Code::Closed);
    assert!(!missing.exists());
    let map = Map::open(&path, &options).unwrap();
    assert_eq!(map.len(), 30_000);
    for number in 0..30_000 {
        assert_eq!(map.get(&key(number)).unwrap(), Some(value(number, 200)));
    }
    assert!(map.verify().unwrap().is_ok());
}
