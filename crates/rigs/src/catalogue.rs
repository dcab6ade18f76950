//! Which operations are stepped.

use opendiskmap::{Code, Recovery};

use crate::beginning::{
    BIG, SMALL, closed, emptied, empty, extents, few, filled, flipped, hollow, long_chain, marked, orphaned, put,
    roomy, unmade, worn, worn_extents,
};
use crate::scenario::{Fails, Operation, Scenario, Shows, intent};

const PLAIN: Scenario = Scenario {
    name: "",
    shards: 1,
    prepare: empty,
    script: |_| Operation::Flush,
    shows: Shows::Anything,
    fails: Fails::Nothing,
    refusal: None,
    trusted: true,
    sample: usize::MAX,
};

/// The order is that of the report; the rigs take the slow ones first by themselves.
pub const CATALOGUE: &[Scenario] = &[
    Scenario { name: "create", prepare: unmade, script: |_| Operation::Open(Recovery::Auto), ..PLAIN },
    // So many that the directory is one of those that have a file each.
    Scenario {
        name: "create with capacity",
        prepare: unmade,
        script: |_| Operation::Reserve { entries: 200_000 },
        sample: 60,
        ..PLAIN
    },
    Scenario { name: "open", prepare: closed, script: |_| Operation::Open(Recovery::Auto), ..PLAIN },
    Scenario {
        name: "first put",
        prepare: empty,
        script: |_| put(0, SMALL),
        shows: Shows::Intent(intent::PUT),
        ..PLAIN
    },
    Scenario { name: "put", prepare: few, script: |_| put(30, SMALL), shows: Shows::Intent(intent::PUT), ..PLAIN },
    Scenario { name: "update", prepare: few, script: |_| put(3, 60), shows: Shows::Intent(intent::PUT), ..PLAIN },
    Scenario {
        name: "delete",
        prepare: few,
        script: |_| Operation::Delete { index: 5 },
        shows: Shows::Intent(intent::DELETE),
        ..PLAIN
    },
    Scenario {
        name: "clear",
        prepare: few,
        script: |_| Operation::Clear,
        shows: Shows::Intent(intent::CLEAR),
        ..PLAIN
    },
    Scenario {
        name: "clear 4 shards",
        shards: 4,
        prepare: few,
        script: |_| Operation::Clear,
        shows: Shows::Intent(intent::CLEAR),
        ..PLAIN
    },
    Scenario { name: "extent put", prepare: few, script: |_| put(30, BIG), shows: Shows::Intent(intent::PUT), ..PLAIN },
    Scenario {
        name: "extent update",
        prepare: extents,
        script: |_| put(20, BIG + 9),
        shows: Shows::Intent(intent::PUT),
        ..PLAIN
    },
    Scenario {
        name: "extent to small",
        prepare: extents,
        script: |_| put(21, SMALL),
        shows: Shows::Intent(intent::PUT),
        ..PLAIN
    },
    Scenario {
        name: "segment change",
        prepare: |bench| bench.puts(0..50, 0, 1000),
        script: |index| put(50 + index, 1000),
        shows: Shows::Intent(intent::SEGMENT),
        ..PLAIN
    },
    Scenario {
        name: "larger segment",
        prepare: few,
        script: |_| put(30, 30_000),
        shows: Shows::Intent(intent::SEGMENT),
        ..PLAIN
    },
    Scenario {
        name: "extent delete",
        prepare: extents,
        script: |_| Operation::Delete { index: 20 },
        shows: Shows::Intent(intent::DELETE),
        ..PLAIN
    },
    Scenario {
        name: "table rewrite",
        prepare: |bench| {
            // Live keys take a slot each; a put after a delete would take the deleted one's often. As many stay as one table may
            // keep: a put finds a deleted one's slot in most buckets, and the first that does not finds the table full.
            bench.puts(0..1113, 0, 8)?;
            (620..1113).try_for_each(|index| bench.run(Operation::Delete { index }))
        },
        script: |index| if index % 2 == 0 { put(1200 + index, 8) } else { Operation::Delete { index: 1199 + index } },
        shows: Shows::Intent(intent::TABLE),
        ..PLAIN
    },
    Scenario {
        name: "table split and doubling",
        prepare: |bench| bench.puts(0..1109, 0, 8),
        script: |index| put(1109 + index, 8),
        shows: Shows::Intent(intent::TABLE),
        ..PLAIN
    },
    Scenario {
        name: "table split",
        // After the second split there are three tables, and the one that has not split yet is as full as they were:
        // it splits soon, into a directory that is deep enough.
        prepare: |bench| {
            for index in 0.. {
                if bench.map.as_ref().is_none_or(|map| map.stats().is_ok_and(|stats| stats.tables == 3)) {
                    break;
                }
                bench.run(put(index, 8))?;
            }
            Ok(())
        },
        script: |index| put(10_000 + index, 8),
        shows: Shows::Intent(intent::TABLE),
        ..PLAIN
    },
    Scenario {
        name: "compaction move",
        prepare: worn,
        script: |_| Operation::Background,
        shows: Shows::Intent(intent::MOVE),
        ..PLAIN
    },
    Scenario {
        name: "compaction mark",
        prepare: marked,
        script: |_| Operation::Background,
        shows: Shows::Intent(intent::MOVE_MARK),
        ..PLAIN
    },
    Scenario {
        name: "compact",
        prepare: worn,
        script: |_| Operation::Compact,
        shows: Shows::Intent(intent::MOVE),
        ..PLAIN
    },
    Scenario {
        name: "index shrink",
        prepare: hollow,
        script: |_| Operation::Compact,
        shows: Shows::Intent(intent::INDEX),
        ..PLAIN
    },
    Scenario { name: "flush", prepare: few, script: |_| Operation::Flush, ..PLAIN },
    Scenario { name: "flush extents", prepare: extents, script: |_| Operation::Flush, ..PLAIN },
    Scenario { name: "close", prepare: few, script: |_| Operation::Close, ..PLAIN },
    // Several keys in one call: each is atomic by itself.
    Scenario {
        name: "batch of puts",
        shards: 2,
        prepare: few,
        script: |_| Operation::PutMany { from: 8, count: 6, version: 3, length: SMALL },
        shows: Shows::Intent(intent::PUT),
        sample: 150,
        ..PLAIN
    },
    Scenario {
        name: "batch of deletes",
        shards: 2,
        prepare: few,
        script: |_| Operation::DeleteMany { from: 4, count: 6 },
        shows: Shows::Intent(intent::DELETE),
        sample: 150,
        ..PLAIN
    },
    Scenario {
        name: "compare and set",
        prepare: few,
        script: |_| Operation::Replace { index: 3, length: SMALL, version: 0, by: 1 },
        shows: Shows::Intent(intent::PUT),
        ..PLAIN
    },
    Scenario {
        name: "increment",
        prepare: |bench| {
            few(bench)?;
            bench.run(Operation::Increment { index: 40, by: 7 })
        },
        script: |_| Operation::Increment { index: 40, by: 1 },
        shows: Shows::Intent(intent::PUT),
        ..PLAIN
    },
    Scenario {
        name: "first increment",
        prepare: few,
        script: |_| Operation::Increment { index: 40, by: 1 },
        shows: Shows::Intent(intent::PUT),
        ..PLAIN
    },
    Scenario {
        name: "clear shards with extents",
        shards: 4,
        prepare: |bench| {
            few(bench)?;
            bench.puts(20..24, 0, BIG)
        },
        script: |_| Operation::Clear,
        shows: Shows::Intent(intent::CLEAR),
        sample: 50,
        ..PLAIN
    },
    Scenario {
        name: "extent move",
        prepare: worn_extents,
        script: |_| Operation::Background,
        shows: Shows::Intent(intent::MOVE),
        sample: 60,
        ..PLAIN
    },
    Scenario {
        name: "orphans",
        prepare: orphaned,
        script: |_| Operation::Background,
        shows: Shows::Gone("map/ext-"),
        ..PLAIN
    },
    Scenario {
        name: "segment made ahead",
        prepare: |bench| bench.puts(0..40, 0, 1000),
        script: |_| Operation::Background,
        shows: Shows::Made("map/seg-"),
        sample: 60,
        ..PLAIN
    },
    Scenario {
        name: "change to a segment made ahead",
        prepare: |bench| {
            bench.puts(0..50, 0, 1000)?;
            bench.run(Operation::Background)
        },
        script: |index| put(50 + index, 1000),
        shows: Shows::Intent(intent::SEGMENT),
        sample: 60,
        ..PLAIN
    },
    Scenario {
        name: "segment table grows",
        prepare: long_chain,
        script: |index| put(index % 25, 2000 + index),
        shows: Shows::Made("map/tab-"),
        sample: 40,
        ..PLAIN
    },
    Scenario {
        name: "capacity given back",
        prepare: |bench| roomy(bench, 4000),
        script: |_| Operation::Compact,
        shows: Shows::Intent(intent::INDEX),
        sample: 40,
        ..PLAIN
    },
    // Millions of instructions: the directory that goes is one of those that have a file each.
    Scenario {
        name: "directory given back",
        prepare: |bench| roomy(bench, 200_000),
        script: |_| Operation::Compact,
        shows: Shows::Gone("map/dir-"),
        sample: 0,
        ..PLAIN
    },
    Scenario {
        name: "flush frees segments",
        prepare: emptied,
        script: |_| Operation::Flush,
        shows: Shows::Gone("map/seg-"),
        ..PLAIN
    },
    Scenario {
        name: "flush frees extents",
        prepare: |bench| {
            extents(bench)?;
            bench.puts(20..22, 1, BIG)
        },
        script: |_| Operation::Flush,
        shows: Shows::Gone("map/ext-"),
        ..PLAIN
    },
    Scenario {
        name: "index made again in place",
        prepare: flipped,
        script: |_| Operation::Get { index: 3 },
        shows: Shows::Made("map/idx-"),
        trusted: false,
        sample: 80,
        ..PLAIN
    },
    // What a full disk does.
    Scenario {
        name: "put on a full disk",
        prepare: filled,
        script: |index| put(100 + index, 1000),
        shows: Shows::Refusal,
        fails: Fails::Allocation,
        refusal: Some(Code::NoSpace),
        ..PLAIN
    },
    Scenario {
        name: "first put on a full disk",
        prepare: empty,
        script: |_| put(0, SMALL),
        shows: Shows::Refusal,
        fails: Fails::Allocation,
        refusal: Some(Code::NoSpace),
        ..PLAIN
    },
    Scenario {
        name: "extent put on a full disk",
        prepare: few,
        script: |_| put(30, BIG),
        shows: Shows::Refusal,
        fails: Fails::Allocation,
        refusal: Some(Code::NoSpace),
        ..PLAIN
    },
    Scenario {
        name: "create on a full disk",
        prepare: unmade,
        script: |_| Operation::Open(Recovery::Auto),
        shows: Shows::Refusal,
        fails: Fails::Allocation,
        refusal: Some(Code::NoSpace),
        ..PLAIN
    },
    Scenario {
        name: "delete takes the spare",
        prepare: filled,
        script: |index| Operation::Delete { index },
        shows: Shows::Intent(intent::SEGMENT),
        fails: Fails::Allocation,
        sample: 60,
        ..PLAIN
    },
    Scenario {
        name: "compaction takes the spare",
        prepare: |bench| {
            worn(bench)?;
            (3..17).try_for_each(|version| bench.puts([3], version, 2000))
        },
        script: |index| match index % 2 {
            0 => Operation::Background,
            _ => Operation::Put { index: 3, version: 20 + index, length: 2000 },
        },
        refusal: Some(Code::NoSpace),
        shows: Shows::Intent(intent::SEGMENT),
        fails: Fails::Allocation,
        sample: 60,
        ..PLAIN
    },
    // What a disk does that does not keep what it was given.
    Scenario {
        name: "flush that fails",
        prepare: few,
        script: |_| Operation::Flush,
        shows: Shows::Refusal,
        fails: Fails::Sync,
        refusal: Some(Code::Io),
        trusted: false,
        ..PLAIN
    },
    Scenario {
        name: "close that fails",
        prepare: few,
        script: |_| Operation::Close,
        shows: Shows::Refusal,
        fails: Fails::Sync,
        refusal: Some(Code::Io),
        trusted: false,
        ..PLAIN
    },
    Scenario {
        name: "open that fails",
        prepare: closed,
        script: |_| Operation::Open(Recovery::Auto),
        shows: Shows::Refusal,
        fails: Fails::Sync,
        refusal: Some(Code::Io),
        ..PLAIN
    },
    Scenario {
        name: "create that fails",
        prepare: unmade,
        script: |_| Operation::Open(Recovery::Auto),
        shows: Shows::Refusal,
        fails: Fails::Sync,
        refusal: Some(Code::Io),
        ..PLAIN
    },
];
