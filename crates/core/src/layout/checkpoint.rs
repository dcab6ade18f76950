//! Checkpoints: what is known to be durable. Two files, written in turn; the newest that verifies wins.

use super::hash::Keys;
use super::segment::SegmentId;
use super::{FORMAT_VERSION, MAX_CODEC_NAME, MAX_CODEC_PARAM, MAX_SHARDS, get_u32, get_u64};
use crate::sys::FileId;
use xxhash_rust::xxh3::Xxh3;

pub(crate) const CHECKPOINT_MAGIC: &[u8; 8] = b"ODM ckpt";
pub(crate) const MAGIC: usize = 0;
pub(crate) const VERSION: usize = MAGIC + 8;
/// Of the whole checkpoint.
pub(crate) const LENGTH: usize = VERSION + 4;
/// XXH3 of all the rest, with the seed 0: the map's own keys stand inside.
pub(crate) const SUM: usize = LENGTH + 4;
pub(crate) const BODY: usize = SUM + 8;
/// The key of all other sums; what stands before it has a fixed length.
pub(crate) const SUM_KEY: usize = BODY + 80;

/// No checkpoint is longer: 64 shards of 16 million segments would be, but no disk holds those.
pub(crate) const MAX_LEN: usize = 1 << 30;

/// A codec as the map remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codec {
    /// At most 255 bytes.
    pub name: String,
    /// At most 64 KiB.
    pub param: Vec<u8>,
}

impl Codec {
    /// A codec without a parameter.
    #[must_use]
    pub fn named(name: &str) -> Codec {
        Codec { name: name.into(), param: Vec::new() }
    }
}

/// What a map is made for, so that it need not grow on the way there. Counted when the map is made, and remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Entries; rounded up to a power of two. At most 2^31.
    pub entries: u64,
    /// Bytes of all keys and values together, once encoded.
    pub bytes: u64,
}

impl Capacity {
    pub(crate) fn rounded_entries(self) -> u64 {
        self.entries.max(1).checked_next_power_of_two().unwrap_or(1 << 63)
    }
}

/// A segment of the chain and how much of it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub id: SegmentId,
    pub end: u64,
}

/// One shard at the moment its tail was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShardState {
    pub entries: u64,
    pub seq: u64,
    /// The oldest segment first; the last one holds the tail. Empty: the shard was never written.
    pub chain: Vec<Link>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub number: u64,
    /// Features that a reader must know.
    pub features: u64,
    pub generation: u32,
    pub clean: bool,
    pub align: u8,
    /// All zero: the index is not to be trusted, whatever runs.
    pub boot: [u8; 16],
    /// Of the file that this checkpoint stands in.
    pub file: FileId,
    pub mount: u64,
    pub keys: Keys,
    pub capacity: Capacity,
    pub key_codec: Codec,
    pub value_codec: Codec,
    pub shards: Vec<ShardState>,
}

/// Why bytes are not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// Nothing was ever written there.
    Blank,
    /// Something was, and it does not verify.
    Torn,
    /// Another version's, whose number this is.
    Version(u32),
    /// It verifies and needs features that this code does not have.
    Features(u64),
}

impl Checkpoint {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(CHECKPOINT_MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 12]);
        for word in [self.number, self.features] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&[u8::from(self.clean), self.align, self.shards.len() as u8, 0]);
        out.extend_from_slice(&self.boot);
        for word in [self.file.device, self.file.inode, self.mount] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.keys.hash);
        for word in [self.keys.sum, self.capacity.entries, self.capacity.bytes] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for codec in [&self.key_codec, &self.value_codec] {
            for part in [codec.name.as_bytes(), &codec.param] {
                out.extend_from_slice(&(part.len() as u32).to_le_bytes());
                out.extend_from_slice(part);
            }
        }
        for shard in &self.shards {
            for word in [shard.entries, shard.seq, shard.chain.len() as u64] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            for link in &shard.chain {
                out.extend_from_slice(&link.id.0.to_le_bytes());
                out.extend_from_slice(&link.end.to_le_bytes());
            }
        }
        let length = out.len() as u32;
        out[LENGTH..SUM].copy_from_slice(&length.to_le_bytes());
        let sum = sum(&out);
        out[SUM..BODY].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// How long the checkpoint is whose first bytes these are; `None`: they are none's.
    pub fn length(first: &[u8]) -> Option<usize> {
        if first.len() < BODY || &first[MAGIC..VERSION] != CHECKPOINT_MAGIC {
            return None;
        }
        Some(get_u32(first, LENGTH) as usize).filter(|length| (BODY..=MAX_LEN).contains(length))
    }

    pub fn decode(bytes: &[u8]) -> Result<Checkpoint, Invalid> {
        if bytes.iter().take(BODY).all(|&byte| byte == 0) {
            return Err(Invalid::Blank);
        }
        let Some(length) = Checkpoint::length(bytes).filter(|&length| length <= bytes.len()) else {
            return Err(Invalid::Torn);
        };
        if get_u64(bytes, SUM) != sum(&bytes[..length]) {
            return Err(Invalid::Torn);
        }
        // A later version keeps magic, version, length and sum where they are, so that its number is not read off damage.
        let version = get_u32(bytes, VERSION);
        if version != FORMAT_VERSION {
            return Err(Invalid::Version(version));
        }
        let checkpoint = Reader { bytes: &bytes[BODY..length] }.checkpoint().ok_or(Invalid::Torn)?;
        match checkpoint.features {
            0 => Ok(checkpoint),
            features => Err(Invalid::Features(features)),
        }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&bytes[..SUM]);
    hasher.update(&bytes[BODY..]);
    hasher.digest()
}

/// Takes fields off the front; `None` where the bytes end too soon.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    fn codec(&mut self) -> Option<Codec> {
        let name_len = u32::from_le_bytes(self.array()?) as usize;
        let name = String::from_utf8(self.take(name_len)?.to_vec()).ok()?;
        let param_len = u32::from_le_bytes(self.array()?) as usize;
        let param = self.take(param_len)?.to_vec();
        (name.len() <= MAX_CODEC_NAME && param.len() <= MAX_CODEC_PARAM).then_some(Codec { name, param })
    }

    fn shard(&mut self) -> Option<ShardState> {
        let (entries, seq, links) = (self.u64()?, self.u64()?, self.u64()? as usize);
        if links > self.bytes.len() / 16 {
            return None;
        }
        let chain = (0..links)
            .map(|_| Some(Link { id: SegmentId(self.u64()?), end: self.u64()? }))
            .collect::<Option<Vec<_>>>()?;
        // A segment that stands there twice would be read twice, and its end be in doubt.
        if !chain.is_sorted_by(|one, next| one.id < next.id) {
            return None;
        }
        Some(ShardState { entries, seq, chain })
    }

    fn checkpoint(mut self) -> Option<Checkpoint> {
        let (number, features) = (self.u64()?, self.u64()?);
        let generation = u32::from_le_bytes(self.array()?);
        let [clean, align, shards, _] = self.array()?;
        let boot = self.array()?;
        let file = FileId { device: self.u64()?, inode: self.u64()? };
        let mount = self.u64()?;
        let keys = Keys { hash: self.array()?, sum: self.u64()? };
        let capacity = Capacity { entries: self.u64()?, bytes: self.u64()? };
        let (key_codec, value_codec) = (self.codec()?, self.codec()?);
        if !shards.is_power_of_two() || u32::from(shards) > MAX_SHARDS || !matches!(align, 8 | 16) || clean > 1 {
            return None;
        }
        // No map has counted so far, and whoever counts on from here does not come to the end.
        if number > u64::MAX / 2 || generation > u32::MAX / 2 {
            return None;
        }
        let shards = (0..shards).map(|_| self.shard()).collect::<Option<Vec<_>>>()?;
        Some(Checkpoint {
            number,
            features,
            generation,
            clean: clean == 1,
            align,
            boot,
            file,
            mount,
            keys,
            capacity,
            key_codec,
            value_codec,
            shards,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Nothing in it is zero but what must be, so that each field shows in the bytes.
    pub(crate) fn sample() -> Checkpoint {
        Checkpoint {
            number: 9,
            features: 0,
            generation: 2,
            clean: true,
            align: 8,
            boot: *b"boot id 16 bytes",
            file: FileId { device: 1, inode: 2 },
            mount: 3,
            keys: Keys { hash: *b"0123456789abcdef", sum: 7 },
            capacity: Capacity { entries: 1000, bytes: 64_000 },
            key_codec: Codec { name: "str".into(), param: vec![] },
            value_codec: Codec { name: "json".into(), param: vec![1, 2] },
            shards: vec![
                ShardState { entries: 5, seq: 6, chain: vec![Link { id: SegmentId::new(1, 1), end: 65536 }] },
                ShardState::default(),
            ],
        }
    }

    #[test]
    fn a_checkpoint_survives_its_bytes() {
        let checkpoint = sample();
        let mut bytes = checkpoint.encode();
        assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint.clone()));
        bytes.resize(8192, 0);
        assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint), "a preallocated file is longer");
    }

    #[test]
    fn no_flipped_bit_and_no_cut_passes_as_a_checkpoint() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Checkpoint::decode(&flipped), Err(Invalid::Torn), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..len]).is_err(), "cut to {len}");
        }
        assert_eq!(Checkpoint::decode(&[0; 4096]), Err(Invalid::Blank));
    }

    #[test]
    fn a_chain_in_which_a_segment_stands_twice_is_none() {
        for ids in [[1, 1], [2, 1]] {
            let mut twice = sample();
            twice.shards[0].chain = ids.map(|id| Link { id: SegmentId::new(1, id), end: 65536 }).to_vec();
            assert_eq!(Checkpoint::decode(&twice.encode()), Err(Invalid::Torn));
        }
    }

    #[test]
    fn newer_versions_and_unknown_features_are_told_apart_from_damage() {
        let mut newer = sample().encode();
        newer[VERSION] = 2;
        assert_eq!(Checkpoint::decode(&newer), Err(Invalid::Torn), "a flipped bit is no newer version");
        let sum = sum(&newer);
        newer[SUM..BODY].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Checkpoint::decode(&newer), Err(Invalid::Version(2)));
        let mut featured = sample();
        featured.features = 4;
        assert_eq!(Checkpoint::decode(&featured.encode()), Err(Invalid::Features(4)));
    }
}
