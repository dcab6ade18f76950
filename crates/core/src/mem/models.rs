//! The protocols between threads, each as small as loom can take it, with the epochs and the orderings of the real code.
//! Beside each stand those that leave something out, which loom must notice: an ordering, a second look, a wait.

use super::epoch::{Domain, Word};
use super::published::Published;
use super::sync::{AtomicU64, AtomicUsize, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::sync::Arc as Plain;

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// What is written as plain bytes: loom tells whoever reads it while another writes, or without having met the writer.
struct Bytes(UnsafeCell<u64>);

impl Bytes {
    fn new(value: u64) -> Bytes {
        Bytes(UnsafeCell::new(value))
    }

    fn read(&self) -> u64 {
        // SAFETY: loom checks that nobody writes meanwhile, which is what the models are for.
        self.0.with(|value| unsafe { *value })
    }

    fn write(&self, value: u64) {
        // SAFETY: as in `read`.
        self.0.with_mut(|place| unsafe { *place = value });
    }
}

// SAFETY: loom checks every access.
unsafe impl Sync for Bytes {}

/// A model of two threads: one that changes something, and one that reads it.
fn model<T: Send + Sync + 'static>(
    make: impl Fn() -> T + Send + Sync + 'static,
    read: impl Fn(&T) + Copy + Send + Sync + 'static,
    change: impl Fn(&T) + Send + Sync + 'static,
) {
    loom::model(move || {
        let shared = Arc::new(make());
        let reader = thread::spawn({
            let shared = Arc::clone(&shared);
            move || read(&shared)
        });
        change(&shared);
        reader.join().unwrap();
    });
}

mod publication {
    use super::*;

    /// A record's bytes, the end of what is readable, and the slot that names the record.
    struct Log {
        bytes: Bytes,
        published: Published,
        slot: AtomicU64,
    }

    fn log() -> Log {
        Log { bytes: Bytes::new(0), published: Published::new(64), slot: AtomicU64::new(0) }
    }

    fn find(log: &Log) {
        if log.slot.load(Acquire) == 1 {
            assert!(log.published.end() >= 128, "a slot names a record that is not published");
            assert_eq!(log.bytes.read(), 7);
        }
    }

    /// Who reads the log and not the index: a flush, an iteration, a rebuild in place.
    fn walk(log: &Log) {
        if log.published.end() >= 128 {
            assert_eq!(log.bytes.read(), 7);
        }
    }

    #[test]
    fn loom_a_slot_that_is_seen_names_a_complete_record() {
        model(log, find, |log| {
            log.bytes.write(7);
            log.published.raise(128);
            log.slot.store(1, Release);
        });
    }

    #[test]
    fn loom_bytes_below_the_published_end_are_complete() {
        model(log, walk, |log| {
            log.bytes.write(7);
            log.published.raise(128);
        });
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_an_end_that_is_published_before_the_bytes() {
        model(log, walk, |log| {
            log.published.raise(128);
            log.bytes.write(7);
        });
    }

    #[test]
    #[should_panic(expected = "not published")]
    fn loom_notices_a_slot_that_is_stored_before_the_end() {
        model(log, find, |log| {
            log.bytes.write(7);
            log.slot.store(1, Release);
            log.published.raise(128);
        });
    }

    #[test]
    #[should_panic(expected = "not published")]
    fn loom_notices_a_slot_that_is_stored_without_release() {
        model(log, find, |log| {
            log.bytes.write(7);
            log.published.raise(128);
            log.slot.store(1, Relaxed);
        });
    }
}

mod slots {
    use super::*;

    /// The two words of a slot: it is buried and used again for another key with another hash.
    struct Slot {
        hash: AtomicU64,
        record: AtomicU64,
    }

    fn slot() -> Slot {
        Slot { hash: AtomicU64::new(0), record: AtomicU64::new(0) }
    }

    fn probe(slot: &Slot) {
        if slot.hash.load(Acquire) == 5 {
            assert_ne!(slot.record.load(Acquire), 0, "a hash without its record");
        }
    }

    #[test]
    fn loom_a_hash_that_is_seen_has_a_record() {
        model(slot, probe, |slot| {
            slot.record.store(1, Release);
            slot.hash.store(5, Release);
        });
    }

    #[test]
    #[should_panic(expected = "a hash without its record")]
    fn loom_notices_a_hash_before_its_record() {
        model(slot, probe, |slot| {
            slot.hash.store(5, Release);
            slot.record.store(1, Release);
        });
    }

    #[test]
    #[should_panic(expected = "a hash without its record")]
    fn loom_notices_a_hash_without_release() {
        model(slot, probe, |slot| {
            slot.record.store(1, Release);
            slot.hash.store(5, Relaxed);
        });
    }
}

mod reclamation {
    use super::*;

    struct Linked {
        domain: Domain,
        word: Plain<Word>,
        link: AtomicU64,
        bytes: Bytes,
    }

    fn linked() -> Linked {
        let domain = Domain::new();
        Linked { word: domain.register(), domain, link: AtomicU64::new(1), bytes: Bytes::new(7) }
    }

    fn follow(linked: &Linked) {
        if linked.link.load(Acquire) == 1 {
            assert_eq!(linked.bytes.read(), 7);
        }
    }

    fn read(linked: &Linked) {
        linked.domain.enter(&linked.word);
        follow(linked);
        linked.domain.leave(&linked.word);
    }

    fn free(linked: &Linked) {
        linked.link.swap(0, AcqRel);
        let stamp = linked.domain.stamp();
        if linked.domain.passed(stamp) {
            linked.bytes.write(0);
        }
    }

    #[test]
    fn loom_nothing_is_freed_under_a_reader() {
        model(linked, read, free);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_a_reader_that_enters_without_a_fence() {
        let read = |linked: &Linked| {
            linked.word.0.store(1, Relaxed);
            follow(linked);
            linked.domain.leave(&linked.word);
        };
        model(linked, read, free);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_a_reader_that_leaves_without_release() {
        let read = |linked: &Linked| {
            linked.domain.enter(&linked.word);
            follow(linked);
            linked.word.0.store(0, Relaxed);
        };
        model(linked, read, free);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_who_asks_for_readers_before_it_unlinks() {
        model(linked, read, |linked| {
            let stamp = linked.domain.stamp();
            let passed = linked.domain.passed(stamp);
            linked.link.swap(0, AcqRel);
            if passed {
                linked.bytes.write(0);
            }
        });
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_who_asks_for_readers_without_a_fence() {
        model(linked, read, |linked| {
            linked.link.swap(0, AcqRel);
            if linked.word.0.load(Acquire) == 0 {
                linked.bytes.write(0);
            }
        });
    }
}

mod pins {
    use super::*;

    /// A segment: its slot's share and those of who pins it.
    struct Shared {
        domain: Domain,
        word: Plain<Word>,
        link: AtomicU64,
        shares: AtomicUsize,
        bytes: Bytes,
    }

    fn shared() -> Shared {
        let domain = Domain::new();
        let word = domain.register();
        Shared { domain, word, link: AtomicU64::new(1), shares: AtomicUsize::new(1), bytes: Bytes::new(7) }
    }

    /// As `Arc` counts: up without an order, down with Release.
    fn look(shared: &Shared) {
        assert_eq!(shared.bytes.read(), 7);
        shared.shares.fetch_sub(1, Release);
    }

    fn pin(shared: &Shared) {
        shared.domain.enter(&shared.word);
        let found = shared.link.load(Acquire) == 1;
        if found {
            shared.shares.fetch_add(1, Relaxed);
        }
        shared.domain.leave(&shared.word);
        if found {
            look(shared);
        }
    }

    fn unlink(shared: &Shared, may_go: impl Fn(&dyn Fn() -> bool) -> bool) {
        shared.link.swap(0, AcqRel);
        let stamp = shared.domain.stamp();
        if may_go(&|| shared.domain.passed(stamp)) {
            shared.bytes.write(0);
        }
    }

    #[test]
    fn loom_nothing_is_freed_under_a_pin() {
        model(shared, pin, |shared| unlink(shared, |passed| passed() && shared.shares.load(Acquire) == 1));
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_who_counts_pins_before_the_readers_have_left() {
        model(shared, pin, |shared| unlink(shared, |passed| shared.shares.load(Acquire) == 1 && passed()));
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_who_counts_pins_without_acquire() {
        model(shared, pin, |shared| unlink(shared, |passed| passed() && shared.shares.load(Relaxed) == 1));
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn loom_notices_who_pins_after_it_has_left() {
        let pin = |shared: &Shared| {
            shared.domain.enter(&shared.word);
            let found = shared.link.load(Acquire) == 1;
            shared.domain.leave(&shared.word);
            if found {
                shared.shares.fetch_add(1, Relaxed);
                look(shared);
            }
        };
        model(shared, pin, |shared| unlink(shared, |passed| passed() && shared.shares.load(Acquire) == 1));
    }
}

mod validation {
    use super::*;

    /// A directory entry and the two tables that it may name, of which each shows the key's record or none. The key is
    /// there all the time.
    struct Index {
        domain: Domain,
        word: Plain<Word>,
        entry: AtomicU64,
        tables: [AtomicU64; 2],
    }

    fn index() -> Index {
        let domain = Domain::new();
        let tables = [AtomicU64::new(7), AtomicU64::new(0)];
        Index { word: domain.register(), domain, entry: AtomicU64::new(0), tables }
    }

    fn found(index: &Index, order: Ordering) -> (u64, u64) {
        let entry = index.entry.load(Acquire);
        (entry, index.tables[entry as usize].load(order))
    }

    fn lookup(index: &Index) {
        index.domain.enter(&index.word);
        let (entry, record) = found(index, Acquire);
        // The second look; what does not stand up to it is tried again.
        if index.entry.load(Acquire) == entry {
            assert_eq!(record, 7, "a key that was there was missed");
        }
        index.domain.leave(&index.word);
    }

    fn replace(index: &Index, by: usize) {
        index.tables[by].store(7, Release);
        index.entry.store(by as u64, Release);
    }

    /// A table that was replaced takes other keys.
    fn give_away(index: &Index, table: usize) {
        index.tables[table].store(0, Release);
    }

    #[test]
    fn loom_a_table_is_used_again_only_after_the_readers_that_know_it() {
        model(index, lookup, |index| {
            replace(index, 1);
            let stamp = index.domain.stamp();
            if index.domain.passed(stamp) {
                give_away(index, 0);
                replace(index, 0);
            }
        });
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn loom_notices_a_table_that_is_used_again_at_once() {
        model(index, lookup, |index| {
            replace(index, 1);
            give_away(index, 0);
            replace(index, 0);
        });
    }

    #[test]
    fn loom_a_later_read_sees_nothing_older() {
        let twice = |index: &Index| {
            let mut last = 7;
            for _ in 0..2 {
                let (entry, record) = found(index, Acquire);
                if index.entry.load(Acquire) == entry {
                    assert!(record >= last, "a later read saw an older record");
                    last = record;
                }
            }
        };
        model(index, twice, |index| {
            replace(index, 1);
            index.tables[1].store(8, Release);
        });
    }

    /// What a rebuild does with its own tables: as long as no entry names them again, the second look is enough.
    #[test]
    fn loom_a_second_look_finds_out_a_table_that_was_given_away() {
        model(index, lookup, |index| {
            replace(index, 1);
            give_away(index, 0);
        });
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn loom_notices_a_missing_second_look() {
        let lookup = |index: &Index| assert_eq!(found(index, Acquire).1, 7, "a key that was there was missed");
        model(index, lookup, |index| {
            replace(index, 1);
            give_away(index, 0);
        });
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn loom_notices_a_second_look_that_may_be_taken_first() {
        let lookup = |index: &Index| {
            let (entry, record) = found(index, Relaxed);
            if index.entry.load(Acquire) == entry {
                assert_eq!(record, 7, "a key that was there was missed");
            }
        };
        model(index, lookup, |index| {
            replace(index, 1);
            give_away(index, 0);
        });
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn loom_notices_an_entry_that_is_stored_without_release() {
        model(index, lookup, |index| {
            index.tables[1].store(7, Release);
            index.entry.store(1, Relaxed);
        });
    }
}

mod rebuild {
    use super::*;

    const OPEN: u64 = 0;
    const REBUILDING: u64 = 1;

    /// A shard whose index is made again in place, and the index of each version of the root: the old one, and the new one
    /// while it is made and when it is complete. The key is there all the time.
    struct Shard {
        state: AtomicU64,
        root: AtomicU64,
        old: AtomicU64,
        new: AtomicU64,
    }

    fn shard() -> Shard {
        let [state, new] = [OPEN, 0].map(AtomicU64::new);
        Shard { state, root: AtomicU64::new(1), old: AtomicU64::new(7), new }
    }

    fn found(shard: &Shard) -> (u64, u64) {
        let root = shard.root.load(Acquire);
        (root, if root == 1 { &shard.old } else { &shard.new }.load(Acquire))
    }

    fn lookup(shard: &Shard) {
        let (root, record) = found(shard);
        if shard.state.load(Acquire) == OPEN && shard.root.load(Acquire) == root {
            assert_eq!(record, 7, "a key that was there was missed");
        }
    }

    fn remake(shard: &Shard) {
        shard.root.store(2, Release);
        shard.new.store(7, Release);
    }

    fn rebuild(shard: &Shard) {
        shard.state.store(REBUILDING, SeqCst);
        remake(shard);
        shard.root.store(3, Release);
        shard.state.store(OPEN, SeqCst);
    }

    #[test]
    fn loom_no_reader_believes_an_index_that_is_being_made() {
        model(shard, lookup, rebuild);
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn loom_notices_a_root_that_is_looked_at_before_the_state() {
        let lookup = |shard: &Shard| {
            let (root, record) = found(shard);
            if shard.root.load(Acquire) == root && shard.state.load(Acquire) == OPEN {
                assert_eq!(record, 7, "a key that was there was missed");
            }
        };
        model(shard, lookup, rebuild);
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn loom_notices_a_root_that_is_not_renewed() {
        model(shard, lookup, |shard| {
            shard.state.store(REBUILDING, SeqCst);
            remake(shard);
            shard.state.store(OPEN, SeqCst);
        });
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn loom_notices_a_rebuild_that_readers_are_not_told_of() {
        model(shard, lookup, |shard| {
            remake(shard);
            shard.root.store(3, Release);
        });
    }
}
