//! What happens to a map is told to whoever listens: what was synced, made, emptied and mended, and what failed. What is told
//! is compared with the files.

mod common;

use common::{key, quiet, scratch, served, value};
use opendiskmap::{Code, Control, Doing, Event, Events, Grown, Map, Options, Reason, Recovery, Told};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// Events that are listened to, and what they wake.
fn listening() -> (Arc<Events>, Receiver<()>) {
    let events = Arc::new(Events::default());
    let (wake, woken) = channel();
    events.listen(Arc::new(move || {
        let _ = wake.send(());
    }));
    (events, woken)
}

fn told_by(events: &Arc<Events>, options: Options) -> Options {
    Options { events: Some(Arc::clone(events)), ..options }
}

/// An open map and what it tells.
struct Heard {
    _temp: TempDir,
    path: PathBuf,
    events: Arc<Events>,
    woken: Receiver<()>,
    map: Map,
}

fn heard(options: Options) -> Heard {
    let temp = scratch();
    let path = temp.path().join("map");
    let (events, woken) = listening();
    let map = Map::open(&path, &told_by(&events, options)).unwrap();
    Heard { _temp: temp, path, events, woken, map }
}

fn sizes(path: &Path) -> BTreeMap<String, u64> {
    fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect()
}

fn kind_of(name: &str) -> Option<Grown> {
    match name.split('-').next()? {
        "seg" => Some(Grown::Segment),
        "tab" => Some(Grown::SegmentTable),
        "idx" => Some(Grown::Index),
        "dir" => Some(Grown::Directory),
        "SPARE" => Some(Grown::Spare),
        _ => None,
    }
}

fn flushes(told: &[Told]) -> Vec<(u64, u64)> {
    let flush = |told: &Told| match told.event {
        Event::Flush { bytes, files, .. } => Some((bytes, files)),
        _ => None,
    };
    told.iter().filter_map(flush).collect()
}

fn failures(told: &[Told]) -> Vec<(Doing, Code, bool)> {
    let failure = |told: &Told| match &told.event {
        Event::Failure { doing, error, read_only } => Some((*doing, error.code(), *read_only)),
        _ => None,
    };
    told.iter().filter_map(failure).collect()
}

#[test]
fn a_flush_tells_what_it_synced_and_whose_map_it_was() {
    let Heard { _temp, path, events, woken, map } = heard(quiet(4));
    let long = vec![7; 300_000];
    for number in 0..1000 {
        map.put(&key(number), &value(&key(number), 0, 100)).unwrap();
    }
    map.put(b"long", &long).unwrap();
    map.flush().unwrap();
    let told = events.take();
    let [(bytes, files)] = flushes(&told)[..] else { panic!("one flush") };
    // Sizes on the disk are of whole pages, and so are syncs.
    assert!(bytes > 1000 * 100 + 300_000 && bytes < 1000 * 200 + 400_000, "{bytes}");
    assert!(files >= 5, "four shards and a long value, not {files}");
    for told in &told {
        assert_eq!((&*told.path, told.instance), (&*path, map.stats().unwrap().instance));
    }
    assert!(woken.try_iter().count() >= told.len());
    map.flush().unwrap();
    assert_eq!(flushes(&events.take()), [(0, 0)], "nothing was written since");
    map.put(b"more", b"1").unwrap();
    map.close().unwrap();
    assert_eq!(flushes(&events.take()).len(), 1, "a close flushes");
}

#[test]
fn all_that_a_map_has_grown_by_was_told() {
    let Heard { _temp, path, events, map, .. } = heard(quiet(2));
    let mut grown: Vec<(Grown, u64)> = Vec::new();
    for number in 0..40_000 {
        map.put(&key(number), &value(&key(number), 0, 60)).unwrap();
        // Before more wait than are kept.
        if number % 100 == 0 {
            for told in events.take() {
                assert_eq!(told.missed, 0);
                let Event::Growth { file, bytes, shard, .. } = told.event else { panic!("{told:?}") };
                assert_eq!(shard.is_none(), file == Grown::Spare);
                grown.push((file, bytes));
            }
        }
    }
    grown.extend(events.take().into_iter().filter_map(|told| match told.event {
        Event::Growth { file, bytes, .. } => Some((file, bytes)),
        _ => None,
    }));
    for (name, size) in sizes(&path) {
        let Some(kind) = kind_of(&name) else { continue };
        let at = grown.iter().position(|&grown| grown == (kind, size));
        let at = at.unwrap_or_else(|| panic!("{name} of {size} bytes was not told"));
        grown.swap_remove(at);
    }
    // What is left were steps on the way: directories that were doubled, and what the spare had before.
    assert!(grown.iter().all(|(kind, _)| matches!(kind, Grown::Directory | Grown::Spare)), "{grown:?}");
}

#[test]
fn compaction_tells_each_segment_that_it_emptied() {
    let Heard { _temp, events, map, .. } = heard(quiet(1));
    for version in 0..4 {
        for number in 0..3000 {
            map.put(&key(number), &value(&key(number), version, 200)).unwrap();
        }
    }
    for number in (0..3000).step_by(2) {
        map.remove(&key(number)).unwrap();
    }
    let _ = events.take();
    let before = map.stats().unwrap();
    map.compact().unwrap();
    let after = map.stats().unwrap();
    let (mut made, mut emptied, mut kept) = (0, 0, 0);
    for told in events.take() {
        match told.event {
            Event::Growth { file: Grown::Segment, bytes, .. } => made += bytes,
            Event::Compaction { bytes, moved, shard, .. } => {
                assert!(moved < bytes && shard == 0);
                (emptied, kept) = (emptied + bytes, kept + moved);
            }
            _ => {}
        }
    }
    assert!(emptied > 0 && kept > 0);
    assert_eq!(before.log_bytes - before.emptied_bytes + made - emptied, after.log_bytes - after.emptied_bytes);
}

#[test]
fn an_open_that_recovered_tells_its_own_listener_and_nobody_else() {
    let temp = scratch();
    let path = temp.path().join("map");
    let map = Map::open(&path, &quiet(2)).unwrap();
    for number in 0..500 {
        map.put(&key(number), b"value").unwrap();
    }
    map.close().unwrap();
    let (events, _woken) = listening();
    let (other, _other_woken) = listening();
    let full = Options { recovery: Some(Recovery::Full), ..quiet(2) };
    let map = Map::open(&path, &told_by(&events, full.clone())).unwrap();
    let joined = Map::open(&path, &told_by(&other, full)).unwrap();
    let told = events.take();
    let [Told { event: Event::Recovery(report), .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((report.reason, report.records), (Reason::Rebuilt, 500));
    assert!(other.take().is_empty());
    // From here on both are told the same.
    map.put(b"more", b"1").unwrap();
    joined.flush().unwrap();
    assert_eq!((flushes(&events.take()).len(), flushes(&other.take()).len()), (1, 1));
    joined.close().unwrap();
    map.flush().unwrap();
    assert_eq!((events.take().len(), other.take().len()), (1, 0), "its handle has ended");
}

#[test]
fn an_index_that_is_mended_is_told() {
    let temp = scratch();
    let path = temp.path().join("map");
    let map = Map::open(&path, &quiet(1)).unwrap();
    for number in 0..300 {
        map.put(&key(number), b"value").unwrap();
    }
    map.close().unwrap();
    for name in sizes(&path).into_keys().filter(|name| name.starts_with("idx-")) {
        let mut bytes = fs::read(path.join(&name)).unwrap();
        // Every table, behind its page of a header.
        (4096 + 1024..bytes.len()).step_by(16 << 10).for_each(|at| bytes[at] ^= 1);
        fs::write(path.join(&name), bytes).unwrap();
    }
    let (events, _woken) = listening();
    let map = Map::open(&path, &told_by(&events, quiet(1))).unwrap();
    for number in 0..300 {
        assert_eq!(map.get(&key(number)).unwrap().as_deref(), Some(&b"value"[..]));
    }
    let mended: Vec<_> = events
        .take()
        .into_iter()
        .filter_map(|told| match told.event {
            Event::Mended { shard, records, .. } => Some((shard, records)),
            _ => None,
        })
        .collect();
    assert_eq!(mended, [(0, 300)]);
}

#[test]
fn a_failure_that_makes_the_map_read_only_is_told_once_to_all() {
    let Heard { _temp, path, events, map, .. } = heard(quiet(1));
    map.put(b"key", b"value").unwrap();
    map.flush().unwrap();
    let _ = events.take();
    let name = sizes(&path).into_keys().find(|name| name.starts_with("seg-")).unwrap();
    File::options().write(true).open(path.join(name)).unwrap().set_len(40_000).unwrap();
    for _ in 0..3 {
        assert_eq!(map.flush().unwrap_err().code(), Code::Io);
    }
    let told = events.take();
    assert_eq!(failures(&told), [(Doing::Call, Code::Io, true)]);
    assert!(flushes(&told).is_empty(), "none has succeeded");
}

#[test]
fn what_the_background_does_and_fails_at_is_told_too() {
    let options = Options { flush_interval: Some(Some(Duration::from_millis(1))), ..served(1) };
    let Heard { _temp, path, events, woken, map } = heard(options);
    map.put(b"key", b"value").unwrap();
    let mut told = Vec::new();
    while flushes(&told).is_empty() {
        woken.recv().unwrap();
        told.extend(events.take());
    }
    fs::remove_file(path.join("HEAD")).unwrap();
    map.put(b"key", b"another").unwrap();
    told.clear();
    while failures(&told).is_empty() {
        woken.recv().unwrap();
        told.extend(events.take());
    }
    assert_eq!(failures(&told), [(Doing::Flush, Code::FileGone, false)]);
    // It is tried again and again, and was told.
    drop(map);
    assert!(failures(&events.take()).is_empty());
}

#[test]
fn a_compaction_that_is_called_off_keeps_what_it_did_and_can_be_finished() {
    let temp = scratch();
    let map = Map::open(temp.path().join("map"), &quiet(2)).unwrap();
    for version in 0..3 {
        for number in 0..4000 {
            map.put(&key(number), &value(&key(number), version, 150)).unwrap();
        }
    }
    let cancelled = Control::default();
    cancelled.cancel();
    let before = map.stats().unwrap();
    assert_eq!(map.compact_with(&cancelled).unwrap_err().code(), Code::Closed);
    assert_eq!(map.stats().unwrap().dead_bytes, before.dead_bytes);
    // Called off in its middle: by whoever is told of the first segment that it emptied.
    let control = Arc::new(Control::default());
    let events = Arc::new(Events::default());
    let joined = Map::open(temp.path().join("map"), &told_by(&events, quiet(2))).unwrap();
    let calls_off = Arc::clone(&control);
    events.listen(Arc::new(move || calls_off.cancel()));
    assert_eq!(joined.compact_with(&control).unwrap_err().code(), Code::Closed);
    assert!(map.verify().unwrap().is_ok());
    assert!(map.stats().unwrap().dead_bytes > 0);
    joined.compact_with(&Control::default()).unwrap();
    assert!(map.stats().unwrap().log_bytes < before.log_bytes);
    for number in 0..4000 {
        assert_eq!(map.get(&key(number)).unwrap(), Some(value(&key(number), 2, 150)));
    }
}
