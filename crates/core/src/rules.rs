//! The crash rules that a test build can leave out, one at a time, so that a rig can be seen to catch the absence.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(feature = "negative-controls"), allow(dead_code))]
        pub(crate) enum Rule { $($(#[$doc])* $name,)* }

        #[cfg(feature = "negative-controls")]
        impl Rule {
            pub(crate) const NAMES: &[&str] = &[$($text,)*];

            fn named(text: &str) -> Option<Rule> {
                match text { $($text => Some(Rule::$name),)* _ => None }
            }
        }
    };
}

rules! {
    /// A slot is stored only after the record it names is complete.
    SlotAfterRecord = "slot-after-record",
    /// The intent stands before an operation changes anything.
    Intent = "intent",
    /// A fix-up stores results, it does not add.
    Absolute = "absolute",
    /// A compaction move has an intent of its own.
    MoveIntent = "move-intent",
    /// A table split has an intent of its own.
    SplitIntent = "split-intent",
    /// What a checkpoint names is durable before the checkpoint is written.
    DataFirst = "data-first",
    /// The names of new files are durable before a checkpoint that needs them.
    NamesFirst = "names-first",
    /// Checkpoints are written to two files in turn.
    TwoCheckpoints = "two-checkpoints",
    /// A segment is freed only by a checkpoint that was noted after it was emptied.
    FreeAfterNote = "free-after-note",
    /// Whoever asks for a flush after its tails were noted gets the next one.
    JoinBeforeNote = "join-before-note",
    /// After a rebuild nothing is appended to an old segment.
    SealTail = "seal-tail",
    /// A record that a fix-up discards is covered with a pad.
    PadDiscarded = "pad-discarded",
    /// The first checkpoint of a rebuild carries no boot id.
    VoidRebuild = "void-rebuild",
    /// A rebuild that writes nothing is told of a clear whose record is in no file.
    TellClears = "tell-clears",
    /// A tombstone stays while an older segment may hold what it covers.
    KeepTombstones = "keep-tombstones",
    /// No store into a mapped page before a checkpoint with clean = 0 is durable.
    DirtyFirst = "dirty-first",
    /// A clean close syncs the index before its checkpoint.
    SyncIndex = "sync-index",
    /// Compaction verifies a body and keeps its sum.
    KeepBodySum = "keep-body-sum",
    /// What msync returns is looked at.
    SyncResult = "sync-result",
    /// A file that could not be made is taken back.
    TakeBack = "take-back",
    /// What cannot be read just now is not taken for something that is not there.
    ErrorIsNoDamage = "error-is-no-damage",
    /// A flush syncs the log before its checkpoint says that it is on the disk.
    FlushSyncsLog = "flush-syncs-log",
    /// A record's key and value are compared with their sum at the first read.
    RecordBody = "record-body",
    /// A table is compared with its sum at the first touch.
    TableSum = "table-sum",
    /// A table's sum covers the table's place.
    TablePlace = "table-place",
    /// The sum of a shard's page covers the shard's number.
    PagePlace = "page-place",
    /// While a clear is under way the map says so.
    MapIntent = "map-intent",
    /// While a shard's index is made again in place the map says so.
    MarkRemaking = "mark-remaking",
}

/// Whether the rule holds. Always, but in a build made to show what happens without it.
#[cfg(not(feature = "negative-controls"))]
#[inline(always)]
pub(crate) const fn holds(_rule: Rule) -> bool {
    true
}

#[cfg(feature = "negative-controls")]
pub(crate) fn holds(rule: Rule) -> bool {
    static REMOVED: std::sync::OnceLock<Option<Rule>> = std::sync::OnceLock::new();
    let removed = REMOVED.get_or_init(|| {
        let name = std::env::var("ODM_REMOVE_RULE").ok()?;
        Some(Rule::named(&name).unwrap_or_else(|| panic!("no crash rule is called {name}")))
    });
    *removed != Some(rule)
}
