//! All sums of a map's files made right again, as whoever can read the files can: their keys stand in the checkpoint. Written
//! from docs/format.md alone, without the engine's own code.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::flip::files::Files;

const PAGE: usize = 4096;
const TABLE: usize = 16384;
const RECORD: usize = 24;

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |bytes| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte: usize| bytes[byte])))
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

/// What the sums of one map are made with.
struct Sums {
    key: u64,
    align: usize,
}

impl Sums {
    fn of(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = Xxh3::with_seed(self.key);
        parts.iter().for_each(|part| hasher.update(part));
        hasher.digest().max(1)
    }

    fn header(&self, bytes: &mut [u8]) {
        if bytes.len() >= 64 {
            let sum = self.of(&[&bytes[..48]]) as u32;
            put(bytes, 56, &sum.to_le_bytes());
            let sum = self.of(&[&bytes[..56]]) as u32;
            put(bytes, 60, &sum.to_le_bytes());
        }
    }

    fn head(&self, bytes: &mut [u8]) {
        for shard in 0..64 {
            let page = PAGE * (1 + shard as usize);
            if word(bytes, page) != 0 && bytes.len() >= page + 384 {
                let sum = self.of(&[&u64::to_le_bytes(shard), &bytes[page + 8..page + 384]]);
                put(bytes, page, &sum.to_le_bytes());
            }
        }
    }

    fn segment_table(&self, bytes: &mut [u8]) {
        if bytes.len() >= 128 && word(bytes, 64) != 0 {
            let sum = self.of(&[&bytes[128..]]);
            put(bytes, 64, &sum.to_le_bytes());
        }
    }

    /// The small file's, whose directories are all of less than a page.
    fn directory(&self, bytes: &mut [u8]) {
        for depth in 0..=8 {
            let at = PAGE + 8 * ((1 << depth) - 1);
            if bytes.len() >= at + (8 << depth) && word(bytes, 64 + 8 * depth) != 0 {
                let sum = self.of(&[&bytes[at..at + (8 << depth)]]);
                put(bytes, 64 + 8 * depth, &sum.to_le_bytes());
            }
        }
    }

    fn index(&self, bytes: &mut [u8]) {
        let file = word(bytes, 16);
        for (number, at) in (PAGE..bytes.len()).step_by(TABLE).enumerate() {
            if word(bytes, at) != 0 && bytes.len() >= at + TABLE {
                let reference = file.wrapping_mul(1 << 16).wrapping_add(number as u64 + 1);
                let sum = self.of(&[&reference.to_le_bytes(), &bytes[at + 8..at + TABLE]]);
                put(bytes, at, &sum.to_le_bytes());
            }
        }
    }

    fn segment(&self, bytes: &mut [u8]) {
        let id = word(bytes, 16);
        let mut at = 64;
        while at + RECORD <= bytes.len() {
            let kind = bytes[at + 23];
            let value_len = word(bytes, at + 4) as u32 as usize;
            let key_len = word(bytes, at + 8) as u16 as usize;
            if !(1..=5).contains(&kind) {
                return;
            }
            let value_at = (RECORD + key_len).next_multiple_of(self.align);
            let length = match kind {
                5 => RECORD.saturating_add(value_len),
                _ => value_at.saturating_add(value_len).next_multiple_of(self.align),
            };
            let Some(record) = bytes.get_mut(at..at.saturating_add(length)) else { return };
            if kind != 5 {
                let seed = xxh3_64_with_seed(&record[RECORD..RECORD + key_len], self.key);
                let sum = xxh3_64_with_seed(&record[value_at..value_at + value_len], seed) >> 8;
                put(record, 16, &sum.to_le_bytes()[..7]);
            }
            let head = self.of(&[&record[4..RECORD], &[0; 4], &id.to_le_bytes(), &(at as u64).to_le_bytes()]) as u32;
            put(record, 0, &head.to_le_bytes());
            at += length;
        }
    }
}

fn checkpoint(bytes: &mut [u8]) {
    let length = word(bytes, 12) as u32 as usize;
    if (24..=bytes.len()).contains(&length) {
        let mut hasher = Xxh3::new();
        hasher.update(&bytes[..16]);
        hasher.update(&bytes[24..length]);
        put(bytes, 16, &hasher.digest().to_le_bytes());
    }
}

/// Where there was no sum, as in what a killed process left, none is made.
pub fn resum(files: &mut Files) {
    let mut newest = (0, Sums { key: 0, align: 8 });
    for (name, bytes) in files.names.iter().zip(&mut files.bytes) {
        if name.starts_with("CHECKPOINT") {
            checkpoint(bytes);
            let number = word(bytes, 24);
            if number >= newest.0 && bytes.len() > 128 {
                newest = (number, Sums { key: word(bytes, 104), align: if bytes[45] == 16 { 16 } else { 8 } });
            }
        }
    }
    let sums = newest.1;
    for (name, bytes) in files.names.iter().zip(&mut files.bytes) {
        match name.get(..3) {
            Some("HEA") => sums.head(bytes),
            Some("tab") => sums.segment_table(bytes),
            Some("dir") => sums.directory(bytes),
            Some("idx") => sums.index(bytes),
            Some("seg") => sums.segment(bytes),
            Some("ext") if bytes.len() >= 80 => {
                sums.header(bytes);
                let sum = sums.of(&[&bytes[..72]]);
                put(bytes, 72, &sum.to_le_bytes());
            }
            _ => continue,
        }
        sums.header(bytes);
    }
}
