//! Extents: values too long for the log, each in a file of its own.

use super::segment::SegmentId;
use super::{PAGE, get_u64};

/// The value starts here, behind the file header, so that it can be mapped as it lies.
pub(crate) const VALUE_AT: usize = PAGE;
/// Behind the file header: the hash of the key, by which a pass after an unclean end finds the extent's record.
pub(crate) const KEY_HASH: usize = super::file::HEADER;
/// Over all before it: the pass deletes by what it reads there.
pub(crate) const KEY_HASH_SUM: usize = KEY_HASH + 8;
/// What stands before the value.
pub(crate) const PREFACE: usize = KEY_HASH_SUM + 8;

/// What the record holds in the place of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub id: SegmentId,
    pub len: u64,
    pub sum: u64,
}

pub(crate) const DESCRIPTOR: usize = 24;

impl Descriptor {
    pub fn encode(&self) -> [u8; DESCRIPTOR] {
        let mut bytes = [0; DESCRIPTOR];
        bytes[..8].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.len.to_le_bytes());
        bytes[16..].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Descriptor> {
        if bytes.len() != DESCRIPTOR {
            return None;
        }
        let len = get_u64(bytes, 8);
        (len <= super::MAX_VALUE as u64).then(|| Descriptor {
            id: SegmentId(get_u64(bytes, 0)),
            len,
            sum: get_u64(bytes, 16),
        })
    }
}
