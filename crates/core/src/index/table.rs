//! One table: buckets of five slots, each with a tag and a record, searched by linear probing from bucket to bucket.
//!
//! Readers probe without a lock while a writer changes slots. That is harmless, because of three orders:
//! - a new slot gets its record before its tag, so a tag that is seen has a record;
//! - tag and record may be read apart: the key in the record is compared, and a record that is named is complete;
//! - a table that is replaced is left as it was, and a reader looks again at the directory entry that led it there.

use crate::layout::table::{
    BUCKET, BUCKET_SLOTS, BUCKETS, DEPTH, FIRST_BUCKET, NEXT, PREFIX, SUM, TABLE, TAGS, Tag, USED_LIVE,
};
use crate::mem::equal_lanes;
use crate::mem::sync::{MappedU64, Ordering};

/// A table's words in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    words: &'a [MappedU64; TABLE / 8],
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Live {
        slot: usize,
        record: u64,
    },
    /// Where the key would go: a tombstone on the way, or the empty slot that ended it. `None` in a table without either,
    /// which only damage can make.
    Vacant {
        slot: Option<usize>,
        tag: Tag,
    },
}

/// The tags of a bucket, two in a word; the last word's other half is reserved.
#[derive(Clone, Copy)]
struct Tags([u64; 3]);

const _: () = assert!(BUCKET_SLOTS == 5);

impl Tags {
    /// A bit for each slot that has this tag.
    #[inline(always)]
    fn equal(self, tag: Tag) -> u32 {
        let [first, second, last] = self.0;
        equal_lanes([first, second], tag.0) | u32::from(last as u32 == tag.0) << 4
    }
}

/// The words of a bucket: the records of its slots, and their tags in pairs.
#[derive(Clone, Copy)]
struct Bucket<'a>(&'a [MappedU64; BUCKET / 8]);

impl Bucket<'_> {
    // Each Acquire here is the partner of the stores in `set` and `set_tag`. Who loads a tag and then its record sees the
    // record that was there when the tag came, or a later one.
    #[inline(always)]
    fn tags(self) -> Tags {
        Tags([0, 1, 2].map(|word| self.0[TAGS / 8 + word].load(Ordering::Acquire)))
    }

    #[inline(always)]
    fn tag(self, place: usize) -> Tag {
        Tag((self.0[TAGS / 8 + place / 2].load(Ordering::Acquire) >> (place % 2 * 32)) as u32)
    }

    #[inline(always)]
    fn record(self, place: usize) -> u64 {
        self.0[place].load(Ordering::Acquire)
    }

    #[inline(always)]
    fn set(self, place: usize, tag: Tag, record: u64) {
        self.0[place].store(record, Ordering::Release);
        self.set_tag(place, tag);
    }

    /// Not where it is the same. The other half of the word is another slot's tag, which only this table's one writer may
    /// change meanwhile.
    #[inline(always)]
    fn set_tag(self, place: usize, tag: Tag) {
        let (word, shift) = (&self.0[TAGS / 8 + place / 2], place % 2 * 32);
        // Relaxed: there is no other writer.
        let before = word.load(Ordering::Relaxed);
        let after = before & !(0xFFFF_FFFF << shift) | u64::from(tag.0) << shift;
        if after != before {
            word.store(after, Ordering::Release);
        }
    }
}

impl<'a> Table<'a> {
    pub fn new(words: &'a [MappedU64]) -> Table<'a> {
        Table { words: words.try_into().expect("a table's words") }
    }

    #[inline]
    fn load(self, at: usize) -> u64 {
        self.words[at / 8].load(Ordering::Acquire)
    }

    #[inline]
    fn store(self, at: usize, value: u64) {
        // Release: partner of the Acquire loads of readers and of what is found after a kill.
        self.words[at / 8].store(value, Ordering::Release);
    }

    pub fn sum(self) -> u64 {
        self.load(SUM)
    }

    pub fn set_sum(self, sum: u64) {
        self.store(SUM, sum);
    }

    /// Before the first change: the sum does not hold any more.
    #[inline]
    pub fn unsum(self) {
        if self.sum() != 0 {
            self.set_sum(0);
        }
    }

    /// What the sum is over.
    pub fn summed(self) -> impl Iterator<Item = u64> + use<'a> {
        self.words[SUM / 8 + 1..].iter().map(|word| word.load(Ordering::Acquire))
    }

    pub fn prefix(self) -> u64 {
        self.load(PREFIX)
    }

    pub fn depth(self) -> u32 {
        self.load(DEPTH).min(u64::from(u32::MAX)) as u32
    }

    pub fn used(self) -> u32 {
        (self.load(USED_LIVE) >> 32) as u32
    }

    pub fn live(self) -> u32 {
        self.load(USED_LIVE) as u32
    }

    pub fn set_used_live(self, word: u64) {
        self.store(USED_LIVE, word);
    }

    pub fn next(self) -> u64 {
        self.load(NEXT)
    }

    pub fn set_next(self, table: u64) {
        self.store(NEXT, table);
    }

    /// Empties a table that no directory names, whatever it held. Its link stays: until the operation that takes it is
    /// written down the free queue goes through it.
    pub fn reset(self, prefix: u64, depth: u32) {
        for word in &self.words[FIRST_BUCKET / 8..] {
            word.store(0, Ordering::Relaxed);
        }
        self.set_sum(0);
        self.set_used_live(0);
        self.set_place(prefix, depth);
    }

    /// Which hashes belong in a table that no directory names.
    pub fn set_place(self, prefix: u64, depth: u32) {
        self.store(PREFIX, prefix);
        self.store(DEPTH, u64::from(depth));
    }

    #[inline(always)]
    fn bucket(self, number: usize) -> Bucket<'a> {
        let (buckets, _) = self.words[FIRST_BUCKET / 8..].as_chunks();
        Bucket(&buckets[number])
    }

    pub fn tag(self, slot: usize) -> Tag {
        self.bucket(slot / BUCKET_SLOTS).tag(slot % BUCKET_SLOTS)
    }

    pub fn slot(self, slot: usize) -> (Tag, u64) {
        let (bucket, place) = (self.bucket(slot / BUCKET_SLOTS), slot % BUCKET_SLOTS);
        (bucket.tag(place), bucket.record(place))
    }

    /// Stores the record, then the tag, and this not where it is the same.
    #[inline]
    pub fn set_slot(self, slot: usize, tag: Tag, record: u64) {
        self.bucket(slot / BUCKET_SLOTS).set(slot % BUCKET_SLOTS, tag, record);
    }

    pub fn bury_slot(self, slot: usize) {
        self.bucket(slot / BUCKET_SLOTS).set_tag(slot % BUCKET_SLOTS, Tag::TOMBSTONE);
    }

    /// Looks into the tag's buckets until an entry matches or a bucket with an empty slot ends the search; at most once around.
    #[inline]
    pub fn probe<E>(self, tag: Tag, mut matches: impl FnMut(u64) -> Result<bool, E>) -> Result<Probe, E> {
        let mut number = tag.bucket();
        let mut buried = None;
        for _ in 0..BUCKETS {
            let bucket = self.bucket(number);
            let tags = bucket.tags();
            let slot = |place: u32| number * BUCKET_SLOTS + place as usize;
            let mut equal = tags.equal(tag);
            while equal != 0 {
                let place = equal.trailing_zeros();
                let record = bucket.record(place as usize);
                // The slot may have been buried since, and the record be one that a put is only about to make visible: it
                // counts if the tag still stands there. If not, the key was absent for a moment.
                if matches(record)? && bucket.tag(place as usize) == tag {
                    return Ok(Probe::Live { slot: slot(place), record });
                }
                equal &= equal - 1;
            }
            let tombstones = tags.equal(Tag::TOMBSTONE);
            if buried.is_none() && tombstones != 0 {
                buried = Some(slot(tombstones.trailing_zeros()));
            }
            let empty = tags.equal(Tag::EMPTY);
            if empty != 0 {
                return Ok(match buried {
                    Some(slot) => Probe::Vacant { slot: Some(slot), tag: Tag::TOMBSTONE },
                    None => Probe::Vacant { slot: Some(slot(empty.trailing_zeros())), tag: Tag::EMPTY },
                });
            }
            number = next(number);
        }
        Ok(Probe::Vacant { slot: buried, tag: Tag::TOMBSTONE })
    }

    /// Has the processor fetch where a search for the tag begins, and the header, which a writer needs too.
    #[cfg(not(loom))]
    #[inline]
    pub fn prefetch(self, tag: Tag, for_change: bool) {
        crate::mem::prefetch(&self.words[(FIRST_BUCKET + tag.bucket() * BUCKET) / 8]);
        if for_change {
            crate::mem::prefetch(&self.words[0]);
        }
    }

    /// The tags and records of all entries, in the order of the slots.
    pub fn entries(self) -> impl Iterator<Item = (Tag, u64)> + use<'a> {
        let slots = |bucket: Bucket<'a>| (0..BUCKET_SLOTS).map(move |place| (bucket.tag(place), bucket.record(place)));
        (0..BUCKETS).flat_map(move |number| slots(self.bucket(number))).filter(|(tag, _)| tag.is_entry())
    }

    /// How many buckets a search for the entry of this slot looks into.
    pub fn looks(slot: usize, tag: Tag) -> usize {
        (slot / BUCKET_SLOTS + BUCKETS - tag.bucket()) % BUCKETS + 1
    }

    /// How many buckets before this one have no empty slot: so far a search gets that begins among them.
    pub fn full_before(self, bucket: usize) -> usize {
        let before = (0..BUCKETS).map(|back| (bucket + 2 * BUCKETS - 1 - back) % BUCKETS);
        before.take_while(|&number| self.bucket(number).tags().equal(Tag::EMPTY) == 0).count()
    }

    /// Adds an entry that is not there yet to a table that no directory names.
    pub fn fill(self, tag: Tag, record: u64) {
        let mut number = tag.bucket();
        for _ in 0..BUCKETS {
            let bucket = self.bucket(number);
            let empty = bucket.tags().equal(Tag::EMPTY);
            if empty != 0 {
                bucket.set(empty.trailing_zeros() as usize, tag, record);
                self.set_used_live(self.load(USED_LIVE) + (1 << 32 | 1));
                return;
            }
            number = next(number);
        }
        panic!("more entries than slots");
    }
}

const fn next(number: usize) -> usize {
    if number + 1 == BUCKETS { 0 } else { number + 1 }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::layout::table::SLOT_COUNT;
    use crate::mem::Region;
    use std::convert::Infallible;

    fn find(table: Table<'_>, tag: Tag, record: u64) -> Probe {
        table.probe(tag, |found| Ok::<_, Infallible>(found == record)).unwrap()
    }

    /// A tag whose search begins in the last bucket.
    fn last_bucket() -> Tag {
        (2..).map(Tag).find(|tag| tag.bucket() == BUCKETS - 1).unwrap()
    }

    #[test]
    fn equal_tags_are_told_apart_and_a_buried_slot_is_used_again() {
        let region = Region::anonymous(TABLE).unwrap();
        let table = Table::new(region.words(0, TABLE / 8));
        table.reset(0, 0);
        let (tag, first) = (last_bucket(), SLOT_COUNT - BUCKET_SLOTS);
        let records: Vec<u64> = (1..=6).map(|record| record * 8).collect();
        for &record in &records {
            table.fill(tag, record);
        }
        assert_eq!((table.used(), table.live()), (6, 6));
        for (at, &record) in records.iter().enumerate() {
            let slot = (first + at) % SLOT_COUNT;
            assert_eq!(find(table, tag, record), Probe::Live { slot, record }, "searching goes on in the next bucket");
            assert_eq!(Table::looks(slot, tag), 1 + at / BUCKET_SLOTS);
        }
        assert_eq!(find(table, tag, 99), Probe::Vacant { slot: Some(1), tag: Tag::EMPTY });
        assert_eq!((table.full_before(0), table.full_before(1), table.full_before(BUCKETS - 1)), (1, 0, 0));
        table.bury_slot(first + 2);
        assert_eq!(find(table, tag, 99), Probe::Vacant { slot: Some(first + 2), tag: Tag::TOMBSTONE });
        assert_eq!(find(table, tag, 48), Probe::Live { slot: 0, record: 48 }, "a tombstone ends no search");
        assert_eq!(table.entries().count(), 5);
    }

    #[test]
    fn a_slots_change_leaves_its_neighbours_as_they_are() {
        let region = Region::anonymous(TABLE).unwrap();
        let table = Table::new(region.words(0, TABLE / 8));
        let entry = |slot: usize| (Tag(slot as u32 * 7 + 2), slot as u64 + 1);
        for slot in 0..SLOT_COUNT {
            table.set_slot(slot, entry(slot).0, entry(slot).1);
        }
        for slot in (0..SLOT_COUNT).step_by(3) {
            table.bury_slot(slot);
        }
        for slot in 0..SLOT_COUNT {
            let expected = if slot % 3 == 0 { (Tag::TOMBSTONE, entry(slot).1) } else { entry(slot) };
            assert_eq!(table.slot(slot), expected, "slot {slot}");
        }
        assert_eq!(table.sum() | table.prefix() | u64::from(table.depth()) | table.next(), 0);
    }

    #[test]
    fn a_search_in_a_table_without_an_empty_slot_ends() {
        let region = Region::anonymous(TABLE).unwrap();
        let table = Table::new(region.words(0, TABLE / 8));
        for slot in 0..SLOT_COUNT {
            table.set_slot(slot, Tag(99), 8);
        }
        assert_eq!(find(table, Tag(5), 8), Probe::Vacant { slot: None, tag: Tag::TOMBSTONE });
        assert_eq!(table.full_before(7), BUCKETS);
    }
}
