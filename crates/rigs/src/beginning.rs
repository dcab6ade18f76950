//! What a map holds before an operation is stepped.

use opendiskmap::{Recovery, Result};

use crate::scenario::{Bench, Operation};

pub(crate) const SMALL: usize = 40;
pub(crate) const BIG: usize = 300 << 10;

pub(crate) fn put(index: usize, length: usize) -> Operation {
    Operation::Put { index, version: 1, length }
}

/// Undoes what opening the bench made: the operation is to make it.
pub(crate) fn unmade(bench: &mut Bench) -> Result<()> {
    bench.run(Operation::Close)?;
    std::fs::remove_dir_all(&bench.path).expect("an empty map can be deleted");
    Ok(())
}

pub(crate) fn closed(bench: &mut Bench) -> Result<()> {
    few(bench)?;
    bench.run(Operation::Close)
}

pub(crate) fn empty(_: &mut Bench) -> Result<()> {
    Ok(())
}

pub(crate) fn few(bench: &mut Bench) -> Result<()> {
    bench.puts(0..12, 0, SMALL)?;
    bench.run(Operation::Delete { index: 11 })
}

pub(crate) fn extents(bench: &mut Bench) -> Result<()> {
    few(bench)?;
    bench.puts(20..22, 0, BIG)
}

/// Several segments, most of whose records have been replaced since.
pub(crate) fn worn(bench: &mut Bench) -> Result<()> {
    bench.puts(0..60, 0, 2000)?;
    bench.puts((0..60).filter(|index| index % 5 != 0), 1, 2000)?;
    (40..50).try_for_each(|index| bench.run(Operation::Delete { index }))?;
    bench.puts((0..40).filter(|index| index % 7 != 0), 2, 2000)
}

/// A first segment in which everything lives, then many that hold little but tombstones: those cannot go while the
/// first stays, so they have to move.
pub(crate) fn marked(bench: &mut Bench) -> Result<()> {
    bench.puts(0..28, 0, 2000)?;
    (0..16).try_for_each(|round| {
        bench.puts(100..110, round, 2000)?;
        bench.puts([200 + round], 0, SMALL)?;
        bench.run(Operation::Delete { index: 200 + round })
    })
}

/// An index far larger than its few entries need, and a log with nothing left to move: clearing leaves no tombstone.
pub(crate) fn hollow(bench: &mut Bench) -> Result<()> {
    bench.puts(0..4500, 0, 8)?;
    bench.run(Operation::Clear)?;
    bench.puts(0..30, 1, SMALL)?;
    (0..300).try_for_each(|_| bench.run(Operation::Background))
}

/// What nothing names: left by processes that were killed.
pub(crate) fn orphaned(bench: &mut Bench) -> Result<()> {
    extents(bench)?;
    // An extent whose record is gone.
    bench.puts([40], 0, BIG)?;
    let extent = bench.path.join(files(bench, "ext-").pop().expect("an extent"));
    let bytes = std::fs::read(&extent).expect("an extent can be read");
    bench.run(Operation::Delete { index: 40 })?;
    bench.run(Operation::Flush)?;
    bench.run(Operation::Close)?;
    assert!(!extent.exists(), "a flush frees a dead extent");
    std::fs::write(&extent, bytes).expect("a file can be written");
    for kind in ["seg-", "idx-"] {
        let name = files(bench, kind).pop().expect("a map with extents has every kind of file");
        // Numbers that no operation of these few has come to.
        let number = name.len() - 2;
        let other = format!("{}7f", &name[..number]);
        std::fs::copy(bench.path.join(&name), bench.path.join(other)).expect("a file can be copied");
    }
    bench.run(Operation::Open(Recovery::Auto))
}

/// A table of the index with a flipped byte, in a map that was closed.
pub(crate) fn flipped(bench: &mut Bench) -> Result<()> {
    few(bench)?;
    bench.run(Operation::Close)?;
    let path = bench.path.join(files(bench, "idx-").remove(0));
    let mut bytes = std::fs::read(&path).expect("the index can be read");
    // Tables begin behind a page; this is the first one's last byte.
    bytes[4096 + (16 << 10) - 1] ^= 1;
    std::fs::write(&path, bytes).expect("the index can be written");
    bench.run(Operation::Open(Recovery::Auto))
}

pub(crate) fn files(bench: &Bench, kind: &str) -> Vec<String> {
    let names = std::fs::read_dir(&bench.path).expect("the map can be listed").flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(kind)).collect();
    names.sort();
    names
}

/// A tail with no room for another record of these, the last of which is short.
pub(crate) fn filled(bench: &mut Bench) -> Result<()> {
    bench.puts(0..62, 0, 1000)?;
    bench.puts([62], 0, 900)
}

/// Compacted until something is emptied that a checkpoint is to free.
pub(crate) fn emptied(bench: &mut Bench) -> Result<()> {
    worn(bench)?;
    while bench.map.as_ref().is_some_and(|map| map.stats().is_ok_and(|stats| stats.emptied_bytes == 0)) {
        bench.run(Operation::Background)?;
    }
    Ok(())
}

/// Extents whose records stand in a segment in which nearly all else is dead.
pub(crate) fn worn_extents(bench: &mut Bench) -> Result<()> {
    bench.puts(20..22, 0, BIG)?;
    worn(bench)
}

/// As many segments as the first file of the segment table lists, but for the last. Few of them hold anything that
/// lives, and without a checkpoint none is freed.
pub(crate) fn long_chain(bench: &mut Bench) -> Result<()> {
    let listed = |bench: &Bench| files(bench, "seg-").len();
    for round in 0.. {
        if listed(bench) >= 63 {
            break;
        }
        bench.puts(0..25, round, 2000)?;
    }
    Ok(())
}

/// A map with room for many that holds few.
pub(crate) fn roomy(bench: &mut Bench, entries: u64) -> Result<()> {
    unmade(bench)?;
    bench.run(Operation::Reserve { entries })?;
    few(bench)
}
