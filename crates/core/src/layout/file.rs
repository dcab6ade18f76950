//! The 64 bytes that every mapped file starts with.

use super::hash::Keys;
use super::{FORMAT_VERSION, get_u32, get_u64};
use crate::sys::FileId;

/// What a file holds, by its magic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Head,
    Segment,
    SegmentTable,
    Directory,
    Index,
    Extent,
}

impl Kind {
    pub const fn magic(self) -> u64 {
        u64::from_le_bytes(match self {
            Kind::Head => *b"ODM head",
            Kind::Segment => *b"ODM segm",
            Kind::SegmentTable => *b"ODM segt",
            Kind::Directory => *b"ODM dire",
            Kind::Index => *b"ODM indx",
            Kind::Extent => *b"ODM extn",
        })
    }
}

pub(crate) const MAGIC: usize = 0;
pub(crate) const VERSION: usize = MAGIC + 8;
pub(crate) const SHARD: usize = VERSION + 4;
pub(crate) const ID: usize = SHARD + 4;
pub(crate) const LENGTH: usize = ID + 8;
pub(crate) const DEVICE: usize = LENGTH + 8;
pub(crate) const INODE: usize = DEVICE + 8;
/// Of a segment: the id of the segment before it, written when it joins the chain.
pub(crate) const PREDECESSOR: usize = INODE + 8;
/// Over all that precedes the predecessor: it never changes.
pub(crate) const SUM: usize = PREDECESSOR + 8;
/// Over all that precedes the sums. A predecessor that does not match it is not there yet.
pub(crate) const PREDECESSOR_SUM: usize = SUM + 4;
pub(crate) const HEADER: usize = PREDECESSOR_SUM + 4;

/// The predecessor of a segment that has not joined the chain.
pub(crate) const UNLINKED: u64 = u64::MAX;

/// A mapped file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: Kind,
    pub shard: u32,
    pub id: u64,
    pub length: u64,
    pub file: FileId,
    pub predecessor: u64,
}

impl Header {
    pub fn encode(&self, keys: &Keys) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(MAGIC, &self.kind.magic().to_le_bytes());
        put(VERSION, &FORMAT_VERSION.to_le_bytes());
        put(SHARD, &self.shard.to_le_bytes());
        put(ID, &self.id.to_le_bytes());
        put(LENGTH, &self.length.to_le_bytes());
        put(DEVICE, &self.file.device.to_le_bytes());
        put(INODE, &self.file.inode.to_le_bytes());
        put(PREDECESSOR, &self.predecessor.to_le_bytes());
        let sums = [keys.sum(&bytes[..PREDECESSOR]) as u32, keys.sum(&bytes[..SUM]) as u32];
        bytes[SUM..PREDECESSOR_SUM].copy_from_slice(&sums[0].to_le_bytes());
        bytes[PREDECESSOR_SUM..].copy_from_slice(&sums[1].to_le_bytes());
        bytes
    }

    /// `None` where the bytes are not a header of this kind, or do not match their sum.
    pub fn decode(bytes: &[u8; HEADER], kind: Kind, keys: &Keys) -> Option<Header> {
        if get_u64(bytes, MAGIC) != kind.magic()
            || get_u32(bytes, VERSION) != FORMAT_VERSION
            || get_u32(bytes, SUM) != keys.sum(&bytes[..PREDECESSOR]) as u32
        {
            return None;
        }
        Some(Header {
            kind,
            shard: get_u32(bytes, SHARD),
            id: get_u64(bytes, ID),
            length: get_u64(bytes, LENGTH),
            file: FileId { device: get_u64(bytes, DEVICE), inode: get_u64(bytes, INODE) },
            predecessor: match get_u32(bytes, PREDECESSOR_SUM) == keys.sum(&bytes[..SUM]) as u32 {
                true => get_u64(bytes, PREDECESSOR),
                // A kill between the two stores of a join; the join's intent does it again.
                false => UNLINKED,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { hash: *b"0123456789abcdef", sum: 7 };

    #[test]
    fn a_header_verifies_while_its_segment_joins_the_chain() {
        let file = FileId { device: 1, inode: 2 };
        let header = Header { kind: Kind::Segment, shard: 3, id: 4, length: 65536, file, predecessor: UNLINKED };
        let mut bytes = header.encode(&KEYS);
        assert_eq!(Header::decode(&bytes, Kind::Segment, &KEYS), Some(header));
        assert_eq!(Header::decode(&bytes, Kind::Index, &KEYS), None);
        bytes[PREDECESSOR..SUM].copy_from_slice(&9u64.to_le_bytes());
        assert_eq!(
            Header::decode(&bytes, Kind::Segment, &KEYS),
            Some(header),
            "between the two stores it is not linked yet"
        );
        let linked = Header { predecessor: 9, ..header };
        assert_eq!(Header::decode(&linked.encode(&KEYS), Kind::Segment, &KEYS), Some(linked));
        for bit in 0..PREDECESSOR * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped, Kind::Segment, &KEYS), None, "bit {bit}");
        }
    }
}
