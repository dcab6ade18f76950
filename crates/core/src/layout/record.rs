//! A record of the log: 24 bytes of header, key, padding, value.

use super::hash::{BODY_SUM_BITS, Keys};
use super::segment::SegmentId;
use super::{get_u32, get_u64};

/// Over the rest of the header, the segment's id and the record's offset.
pub(crate) const HEAD_SUM: usize = 0;
pub(crate) const VALUE_LEN: usize = HEAD_SUM + 4;
/// Key length in the low 16 bits, sequence number above.
pub(crate) const KEY_LEN_SEQ: usize = VALUE_LEN + 4;
/// Body checksum in the low 56 bits, type above.
pub(crate) const BODY_SUM_TYPE: usize = KEY_LEN_SEQ + 8;
pub(crate) const HEADER: usize = BODY_SUM_TYPE + 8;

const KEY_LEN_BITS: u32 = 16;
/// 48 bits: at a million changes a second in one shard they last nine years.
pub(crate) const MAX_SEQ: u64 = (1 << (64 - KEY_LEN_BITS)) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Put,
    /// A put whose value lies in an extent; what stands in the record is the extent's descriptor.
    PutExtent,
    Tombstone,
    /// Everything in the shard with a smaller sequence number is gone.
    Clear,
    /// Covers bytes that no record uses.
    Pad,
}

impl Type {
    const fn from_bits(bits: u64) -> Option<Type> {
        match bits {
            1 => Some(Type::Put),
            2 => Some(Type::PutExtent),
            3 => Some(Type::Tombstone),
            4 => Some(Type::Clear),
            5 => Some(Type::Pad),
            _ => None,
        }
    }

    const fn bits(self) -> u64 {
        match self {
            Type::Put => 1,
            Type::PutExtent => 2,
            Type::Tombstone => 3,
            Type::Clear => 4,
            Type::Pad => 5,
        }
    }

    /// Whether a slot may name such a record.
    pub const fn is_put(self) -> bool {
        matches!(self, Type::Put | Type::PutExtent)
    }
}

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: Type,
    pub seq: u64,
    pub key_len: usize,
    pub value_len: usize,
    pub body_sum: u64,
}

impl Header {
    /// A pad that covers `len` bytes, its own header included.
    pub const fn pad(len: usize) -> Header {
        Header { kind: Type::Pad, seq: 0, key_len: 0, value_len: len - HEADER, body_sum: 0 }
    }

    pub fn encode(&self, id: SegmentId, offset: usize, keys: &Keys) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(VALUE_LEN, &(self.value_len as u32).to_le_bytes());
        put(KEY_LEN_SEQ, &(self.key_len as u64 | self.seq << KEY_LEN_BITS).to_le_bytes());
        put(BODY_SUM_TYPE, &(self.body_sum | self.kind.bits() << BODY_SUM_BITS).to_le_bytes());
        let sum = head_sum(&bytes, id, offset, keys);
        bytes[HEAD_SUM..VALUE_LEN].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The header as it stands, its checksum not looked at; `None` where the type is unknown.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Option<Header> {
        let (lens, body) = (get_u64(bytes, KEY_LEN_SEQ), get_u64(bytes, BODY_SUM_TYPE));
        Some(Header {
            kind: Type::from_bits(body >> BODY_SUM_BITS)?,
            seq: lens >> KEY_LEN_BITS,
            key_len: (lens & ((1 << KEY_LEN_BITS) - 1)) as usize,
            value_len: get_u32(bytes, VALUE_LEN) as usize,
            body_sum: body & ((1 << BODY_SUM_BITS) - 1),
        })
    }

    /// The header if it belongs to this place and is whole.
    pub fn verify(bytes: &[u8], id: SegmentId, offset: usize, keys: &Keys) -> Option<Header> {
        if bytes.len() < HEADER || get_u32(bytes, HEAD_SUM) != head_sum(bytes, id, offset, keys) {
            return None;
        }
        Header::decode(bytes)
    }

    /// Where the value starts, from the record's first byte.
    #[inline]
    pub const fn value_at(&self, align: usize) -> usize {
        padded(HEADER + self.key_len, align)
    }

    /// Bytes in the log, padding included.
    #[inline]
    pub const fn len(&self, align: usize) -> usize {
        match self.kind {
            Type::Pad => HEADER + self.value_len,
            _ => padded(self.value_at(align) + self.value_len, align),
        }
    }
}

/// The next multiple of the alignment. It is a power of two, which the processor need not divide by.
#[inline]
const fn padded(len: usize, align: usize) -> usize {
    (len + align - 1) & !(align - 1)
}

fn head_sum(header: &[u8], id: SegmentId, offset: usize, keys: &Keys) -> u32 {
    let mut bytes = [0u8; 40];
    bytes[..20].copy_from_slice(&header[VALUE_LEN..HEADER]);
    bytes[24..32].copy_from_slice(&id.0.to_le_bytes());
    bytes[32..].copy_from_slice(&(offset as u64).to_le_bytes());
    keys.sum(&bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { hash: *b"0123456789abcdef", sum: 7 };

    #[test]
    fn a_header_verifies_only_where_it_was_written() {
        let header =
            Header { kind: Type::Put, seq: MAX_SEQ, key_len: 65535, value_len: 262_144, body_sum: (1 << 56) - 1 };
        let id = SegmentId::new(1, 2);
        let bytes = header.encode(id, 64, &KEYS);
        assert_eq!(Header::verify(&bytes, id, 64, &KEYS), Some(header));
        assert_eq!(Header::verify(&bytes, id, 72, &KEYS), None);
        assert_eq!(Header::verify(&bytes, SegmentId::new(1, 3), 64, &KEYS), None);
        for bit in 0..HEADER * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::verify(&flipped, id, 64, &KEYS), None, "bit {bit}");
        }
        assert_eq!(Header::verify(&[0; HEADER], id, 64, &KEYS), None);
    }

    #[test]
    fn lengths_count_padding() {
        let header = Header { kind: Type::Put, seq: 1, key_len: 1, value_len: 1, body_sum: 0 };
        assert_eq!((header.value_at(8), header.len(8)), (32, 40));
        assert_eq!((header.value_at(16), header.len(16)), (32, 48));
        assert_eq!(Header::pad(24).len(8), 24);
    }
}
