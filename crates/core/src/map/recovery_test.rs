//! What an open says of changes that a killed process had in flight.

use super::{Map, Options};
use crate::layout::head;
use crate::layout::intent::{Operation, RecordIntent};
use crate::layout::names;
use crate::layout::segment::RecordRef;
use crate::{Hooks, Reason};
use std::fs;

/// A put whose record was not written yet when the process died.
#[test]
fn a_change_that_is_undone_is_counted_once() {
    let hooks = Hooks { background: false, same_files: true, boot_id: Some([1; 16]) };
    let options = Options { shards: Some(2), flush_interval: Some(None), hooks, ..Options::default() };
    let temp = tempfile::tempdir().unwrap();
    let (path, killed) = (temp.path().join("map"), temp.path().join("killed"));
    let map = Map::open(&path, &options).unwrap();
    for number in 0..100u32 {
        map.put(&number.to_le_bytes(), b"value").unwrap();
    }
    fs::create_dir(&killed).unwrap();
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), killed.join(entry.file_name())).unwrap();
    }
    let mut head = fs::read(killed.join(names::HEAD)).unwrap();
    let page = head::shard(1);
    let word = |field: usize| u64::from_le_bytes(head[page + field..][..8].try_into().unwrap());
    let tail = RecordRef(word(head::TAIL));
    let intent = RecordIntent {
        record: tail.0,
        length: 64,
        seq: word(head::SEQ) + 1,
        tail: RecordRef::new(tail.segment(), tail.offset() + 64).0,
        ..RecordIntent::default()
    };
    for (at, word) in intent.encode(Operation::Put).iter().enumerate() {
        head[page + head::INTENT + at * 8..][..8].copy_from_slice(&word.to_le_bytes());
    }
    fs::write(killed.join(names::HEAD), head).unwrap();
    let reopened = Map::open(&killed, &options).unwrap();
    let report = reopened.recovered().unwrap();
    assert_eq!((report.reason, report.records, report.dropped), (Reason::Killed, 0, 1));
    assert_eq!(report.shards.iter().map(|shard| shard.dropped).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(reopened.len(), 100);
    drop(reopened);
    let reopened = Map::open(&killed, &options).unwrap();
    assert!(reopened.recovered().is_none());
}
