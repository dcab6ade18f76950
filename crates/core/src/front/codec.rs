//! Codecs: how keys and values become bytes, and what a `get` makes of the bytes.

use crate::map::{Held, Map, Shared};
use crate::{Error, Result};
use std::borrow::Cow;
use std::cell::Cell;

/// How values become bytes, and back. The wrappers [`Native`](crate::Native), [`Str`](crate::Str),
/// [`Bytes`](crate::Bytes) and [`Arch`](crate::Arch) are codecs; a type of your own becomes one by implementing this.
///
/// The name and the parameter are stored with the map and compared when it is opened (`ERR_CODEC_MISMATCH`). A codec whose
/// bytes change needs another name. What `encode` and `decode` return as an error passes through the map's call
/// unchanged. Both may use any map; no lock is held meanwhile.
///
/// ```
/// use opendiskmap::{Code, Decoded, Error, Result, ValueCodec};
///
/// /// Two numbers, one after the other.
/// struct Point;
///
/// impl ValueCodec for Point {
///     const NAME: &'static str = "point";
///     type Item = (f64, f64);
///     type Target = (f64, f64);
///     type Reading = Decoded;
///     type Encoded<'a> = Vec<u8>;
///
///     fn encode((x, y): &(f64, f64)) -> Result<Vec<u8>> {
///         Ok([x.to_le_bytes(), y.to_le_bytes()].concat())
///     }
///
///     fn decode(bytes: &[u8]) -> Result<(f64, f64)> {
///         let (&x, rest) = bytes.split_first_chunk().ok_or_else(damage)?;
///         let &y = rest.first_chunk().ok_or_else(damage)?;
///         Ok((f64::from_le_bytes(x), f64::from_le_bytes(y)))
///     }
/// }
///
/// fn damage() -> Error {
///     Error::new(Code::Corrupt, "A stored value is not a point.")
/// }
///
/// # fn main() -> Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// let mut map = opendiskmap::DiskHashMap::<opendiskmap::Str, Point>::new_in(dir)?;
/// map.insert("origin", &(0.0, 0.0))?;
/// assert_eq!(map.get("origin")?, Some((0.0, 0.0)));
/// # Ok(())
/// # }
/// ```
pub trait ValueCodec: 'static {
    /// 1 to 255 bytes. The names of this library's own codecs are taken.
    const NAME: &'static str;

    /// A codec that reads in place gets a value's bytes at a multiple of this, 1 to 16. More than 8 makes a map with room
    /// for it, which only counts when the map is made (`ERR_OPTIONS_MISMATCH` for one that was made without); more than 16
    /// does not compile. A key's may be 8 at most.
    const ALIGN: usize = 1;

    /// What goes in, by reference.
    type Item: ?Sized;

    /// What comes out, or what a reference to it leads to.
    type Target: ?Sized + 'static;

    /// How it comes out: [`InPlace`] for a reference into the mapping, [`Decoded`] for a value of its own.
    type Reading: Reading<Self::Target>;

    /// Encoded bytes: borrowed from the item where it is its own encoding.
    type Encoded<'a>: AsRef<[u8]>;

    /// What else has to be the same for the bytes to be understood; at most 64 KiB, and nothing unless stated. It is asked for
    /// when a map is opened.
    ///
    /// # Errors
    /// `ERR_INVALID_ARGUMENT`, by custom, for a codec that cannot be used. The map is not opened then.
    fn param() -> Result<Cow<'static, [u8]>> {
        Ok(Cow::Borrowed(&[]))
    }

    /// Encodes a value: at most 2^31 − 1 bytes (`ERR_TOO_LARGE`).
    ///
    /// # Errors
    /// `ERR_INVALID_VALUE`, by custom, for what the codec cannot store. Nothing is changed then.
    fn encode(value: &Self::Item) -> Result<Self::Encoded<'_>>;

    /// Reads a value, or shows that the bytes are one. They are checksummed, but whoever can write the map's files can
    /// have chosen them.
    ///
    /// # Errors
    /// `ERR_CORRUPT`, by custom, for bytes that `encode` does not write.
    fn decode(bytes: &[u8]) -> Result<ValueRef<'_, Self>>;
}

/// A codec that serves keys: equal keys have equal bytes, and different keys different ones. A key has at most 65,535
/// bytes (`ERR_TOO_LARGE`).
pub trait KeyCodec: ValueCodec<Item: ToOwned> {
    /// Encodes a key; as a value unless a codec says otherwise.
    ///
    /// # Errors
    /// `ERR_INVALID_KEY`, by custom, for what cannot be a key.
    fn encode_key(key: &Self::Item) -> Result<Self::Encoded<'_>> {
        Self::encode(key)
    }
}

/// What a `get` of [`DiskHashMap`](crate::DiskHashMap) gives: `&Target` where the codec reads in place, else the value.
pub type ValueRef<'a, V> = <<V as ValueCodec>::Reading as Reading<<V as ValueCodec>::Target>>::Ref<'a>;

/// The two ways in which a value comes out of a map; see [`ValueCodec::Reading`]. Not to be implemented.
pub trait Reading<T: ?Sized + 'static>: sealed::Sealed + 'static {
    /// What is given out for bytes that live as long as this.
    type Ref<'a>;

    #[doc(hidden)]
    type Held;

    #[doc(hidden)]
    fn hold(shared: Shared, decode: impl for<'a> FnOnce(&'a [u8]) -> Result<Self::Ref<'a>>) -> Result<Self::Held>;

    /// The key's sequence number and value.
    #[doc(hidden)]
    fn find(
        map: &Map,
        key: &[u8],
        decode: impl for<'a> FnOnce(&'a [u8]) -> Result<Self::Ref<'a>>,
    ) -> Result<Option<(u64, Self::Held)>>;

    #[doc(hidden)]
    fn show(held: &Self::Held) -> &T;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::InPlace {}
    impl Sealed for super::Decoded {}
}

/// A value is read where it lies: what comes out is a reference into the mapping.
#[derive(Debug)]
pub enum InPlace {}

/// A value is decoded: what comes out is a value of its own.
#[derive(Debug)]
pub enum Decoded {}

impl<T: ?Sized + 'static> Reading<T> for InPlace {
    type Ref<'a> = &'a T;
    type Held = Held<T>;

    fn hold(shared: Shared, decode: impl for<'a> FnOnce(&'a [u8]) -> Result<&'a T>) -> Result<Held<T>> {
        shared.hold(decode)
    }

    fn find(
        map: &Map,
        key: &[u8],
        decode: impl for<'a> FnOnce(&'a [u8]) -> Result<&'a T>,
    ) -> Result<Option<(u64, Held<T>)>> {
        let Some((seq, shared)) = map.shared(key)? else { return Ok(None) };
        Ok(Some((seq, shared.hold(decode)?)))
    }

    fn show(held: &Held<T>) -> &T {
        held.get()
    }
}

/// What a thread keeps of its scratch between two calls.
const KEPT: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<T: 'static> Reading<T> for Decoded {
    type Ref<'a> = T;
    type Held = T;

    fn hold(shared: Shared, decode: impl for<'a> FnOnce(&'a [u8]) -> Result<T>) -> Result<T> {
        decode(shared.bytes())
    }

    /// By a copy, so that threads which read one segment do not meet at its count.
    fn find(map: &Map, key: &[u8], decode: impl for<'a> FnOnce(&'a [u8]) -> Result<T>) -> Result<Option<(u64, T)>> {
        // Taken and not borrowed: a decoder may read a map again.
        let mut bytes = SCRATCH.try_with(Cell::take).unwrap_or_default();
        let found = match map.read_into(key, &mut bytes) {
            Ok(None) => Ok(None),
            Ok(Some(seq)) => decode(&bytes).map(|value| Some((seq, value))),
            Err(error) => Err(error),
        };
        if bytes.capacity() <= KEPT {
            let _ = SCRATCH.try_with(|scratch| scratch.set(bytes));
        }
        found
    }

    fn show(held: &T) -> &T {
        held
    }
}

/// The error of a codec of this library for bytes that it does not write.
#[cold]
pub(super) fn corrupt(codec: &str) -> Error {
    Error::new(crate::Code::Corrupt, format!("A stored entry does not hold what the codec {codec} writes."))
}
