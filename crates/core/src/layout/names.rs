//! The names of the map's files.

use super::segment::SegmentId;

pub(crate) const HEAD: &str = "HEAD";
pub(crate) const CHECKPOINTS: [&str; 2] = ["CHECKPOINT.0", "CHECKPOINT.1"];
/// The first checkpoint is written under this name and renamed: its appearance is the map's birth.
pub(crate) const FIRST_CHECKPOINT: &str = "CHECKPOINT.new";
/// Holds the owner's pid for the message; the lock itself is on the directory, or on `LOCK`.
pub(crate) const OWNER: &str = "OWNER";
pub(crate) const SPARE: &str = "SPARE";
/// Empty. Where a directory cannot be locked, on Windows, the lock is on this file.
pub(crate) const LOCK: &str = "LOCK";

/// Numbers of directory and index files are below this: six digits, and a root has 24 bits for its directory's.
pub(crate) const FILE_NUMBERS: u64 = 1 << 24;

/// What a name of ours stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Head,
    Checkpoint,
    Owner,
    Spare,
    Lock,
    Segment { shard: u32, id: SegmentId },
    Extent { shard: u32, id: SegmentId },
    SegmentTable { shard: u32, number: u32 },
    Directory { shard: u32, number: u32 },
    Index { shard: u32, number: u32 },
}

pub(crate) fn segment(shard: u32, id: SegmentId) -> String {
    format!("seg-{shard:02}-{:08x}-{:08x}", id.generation(), id.counter())
}

pub(crate) fn extent(shard: u32, id: SegmentId) -> String {
    format!("ext-{shard:02}-{:08x}-{:08x}", id.generation(), id.counter())
}

pub(crate) fn segment_table(shard: u32, number: u32) -> String {
    format!("tab-{shard:02}-{number:06x}")
}

pub(crate) fn directory(shard: u32, number: u32) -> String {
    format!("dir-{shard:02}-{number:06x}")
}

pub(crate) fn index(shard: u32, number: u32) -> String {
    format!("idx-{shard:02}-{number:06x}")
}

/// `None`: not one of ours.
pub(crate) fn parse(name: &str) -> Option<Name> {
    match name {
        HEAD => return Some(Name::Head),
        OWNER => return Some(Name::Owner),
        SPARE => return Some(Name::Spare),
        LOCK => return Some(Name::Lock),
        FIRST_CHECKPOINT => return Some(Name::Checkpoint),
        _ if CHECKPOINTS.contains(&name) => return Some(Name::Checkpoint),
        _ => {}
    }
    let mut parts = name.split('-');
    let (kind, shard) = (parts.next()?, parts.next()?);
    let shard = (shard.len() == 2).then(|| shard.parse::<u32>().ok()).flatten()?;
    let first = u32::from_str_radix(parts.next()?, 16).ok()?;
    let second = parts.next().map(|part| u32::from_str_radix(part, 16)).transpose().ok()?;
    let parsed = match (kind, second) {
        ("seg", Some(counter)) => Name::Segment { shard, id: SegmentId::new(first, counter) },
        ("ext", Some(counter)) => Name::Extent { shard, id: SegmentId::new(first, counter) },
        ("tab", None) => Name::SegmentTable { shard, number: first },
        ("dir", None) => Name::Directory { shard, number: first },
        ("idx", None) => Name::Index { shard, number: first },
        _ => return None,
    };
    // Only the one spelling that we write is ours.
    (parts.next().is_none() && spell(parsed) == name).then_some(parsed)
}

fn spell(name: Name) -> String {
    match name {
        Name::Segment { shard, id } => segment(shard, id),
        Name::Extent { shard, id } => extent(shard, id),
        Name::SegmentTable { shard, number } => segment_table(shard, number),
        Name::Directory { shard, number } => directory(shard, number),
        Name::Index { shard, number } => index(shard, number),
        Name::Head | Name::Checkpoint | Name::Owner | Name::Spare | Name::Lock => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_and_others_do_not() {
        let id = SegmentId::new(3, 0xabc);
        for name in [
            Name::Segment { shard: 7, id },
            Name::Extent { shard: 63, id },
            Name::SegmentTable { shard: 0, number: 2 },
            Name::Directory { shard: 1, number: 9 },
            Name::Index { shard: 15, number: 0xff_ffff },
        ] {
            assert_eq!(parse(&spell(name)), Some(name));
        }
        for foreign in ["seg-7-1-1", "seg-07-00000001", "notes.txt", "idx-01-1", "seg-00-00000001-00000001-0", ""] {
            assert_eq!(parse(foreign), None, "{foreign}");
        }
    }
}
