//! Text and bytes, which are their own encoding.

use super::codec::{InPlace, KeyCodec, ValueCodec, corrupt};
use crate::Result;

/// The codec of strings, as UTF-8; stored as `str`. A `get` gives `&str` in the mapping.
#[derive(Debug)]
pub enum Str {}

impl ValueCodec for Str {
    const NAME: &'static str = "str";
    type Item = str;
    type Target = str;
    type Reading = InPlace;
    type Encoded<'a> = &'a [u8];

    #[inline]
    fn encode(value: &str) -> Result<&[u8]> {
        Ok(value.as_bytes())
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<&str> {
        std::str::from_utf8(bytes).map_err(|_| corrupt(Self::NAME))
    }
}

impl KeyCodec for Str {}

/// The codec of bytes as they are; stored as `bytes`. A `get` gives `&[u8]` in the mapping.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// use opendiskmap::{Bytes, DiskHashMap};
///
/// let mut map = DiskHashMap::<Bytes, Bytes>::new_in(dir)?;
/// map.insert(b"key 1", &[1, 2, 3, 4, 5])?;
/// map.insert(b"key 2", b"some text")?;
///
/// let numbers: &[u8] = map.get(b"key 1")?.unwrap();
/// assert_eq!(format!("{numbers:?}"), "[1, 2, 3, 4, 5]");
/// let text = map.get(b"key 2")?.unwrap();
/// assert_eq!(String::from_utf8_lossy(text), "some text");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum Bytes {}

impl ValueCodec for Bytes {
    const NAME: &'static str = "bytes";
    type Item = [u8];
    type Target = [u8];
    type Reading = InPlace;
    type Encoded<'a> = &'a [u8];

    #[inline]
    fn encode(value: &[u8]) -> Result<&[u8]> {
        Ok(value)
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<&[u8]> {
        Ok(bytes)
    }
}

impl KeyCodec for Bytes {}
