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
