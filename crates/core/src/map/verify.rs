//! Verification of an open map, shard by shard, beside its readers and writers.

use super::Map;
use super::instance::Instance;
use crate::control::Control;
use crate::damage::{Damage, Damages};
use crate::durability::checkpoints::{self, Found};
use crate::layout::file::Kind;
use crate::layout::names;
use crate::shard::Findings;
use crate::{Code, Result};
use std::time::Duration;

/// What [`Map::verify`] found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// Records of the log that were checked: entries, what they replaced and is still there, and tombstones.
    pub records: u64,
    /// Bytes of the log and of extents that were checked.
    pub bytes: u64,
    damages: Damages,
}

impl Verification {
    /// Nothing is damaged.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.error_count() == 0
    }

    /// What is damaged; of more than 1,000 places the first.
    #[must_use]
    pub fn errors(&self) -> &[Damage] {
        self.damages.list()
    }

    /// All places that are damaged, those too that are not listed.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.damages.count()
    }
}

impl Map {
    /// Checks every record, slot and counter of the map, and every extent of an entry, and changes nothing. Others read and
    /// write meanwhile; writers of a shard wait for a fraction of a millisecond at a time. What the system has in its cache is
    /// what is checked.
    ///
    /// A report of damage is no error: see [`Verification::is_ok`]. Memory: some 32 bytes for each tombstone of a shard.
    ///
    /// # Errors
    /// `ERR_CLOSED` when this handle is closed meanwhile; `ERR_POISONED`; `ERR_NO_SPACE` where a file cannot be mapped.
    pub fn verify(&self) -> Result<Verification> {
        self.verify_with(&Control::default())
    }

    /// The same, watched and called off by another thread.
    ///
    /// # Errors
    /// As [`verify`](Map::verify), and `ERR_CLOSED` once `control` is cancelled.
    pub fn verify_with(&self, control: &Control) -> Result<Verification> {
        let instance = self.instance()?;
        control.begin(instance.shards.iter().fold(0, |bytes, shard| shard.bytes_to_check().saturating_add(bytes)));
        let mut proceed = |bytes: u64| {
            self.instance()?;
            control.proceed(bytes)
        };
        // One at a time: a shard's writers count for one of them.
        let _verifying = loop {
            if let Some(verifying) = instance.verifying.try_lock_for(Duration::from_millis(5)) {
                break verifying;
            }
            proceed(0)?;
        };
        let mut found = Findings::default();
        instance.verify_files(&mut found);
        for shard in &instance.shards {
            shard.verify(&mut found, &mut proceed)?;
        }
        Ok(Verification { records: found.records, bytes: found.bytes, damages: found.damages })
    }
}

impl Instance {
    /// The files of the map as a whole.
    fn verify_files(&self, found: &mut Findings) {
        let medium = &self.medium;
        if !medium.header_verifies(&medium.head, Kind::Head, 0, 0) {
            found.damages.add(Code::Corrupt, names::HEAD.into(), 0, None);
        }
        // No checkpoint is written while the files are read.
        let checkpoints = self.hold_checkpoints();
        let newest = match checkpoints::read(&medium.dir) {
            Ok(Found::Newest { checkpoint, .. }) => Some(checkpoint.number),
            _ => None,
        };
        let written = checkpoints.as_ref().map(|checkpoints| checkpoints.number());
        if newest.is_none() || written.is_some() && written != newest {
            let current = checkpoints.as_ref().map_or(0, |checkpoints| checkpoints.current());
            found.damages.add(Code::Corrupt, names::CHECKPOINTS[current].into(), 0, None);
        }
    }
}
