//! Numbers and booleans.

use super::codec::{Decoded, KeyCodec, ValueCodec, corrupt};
use crate::Result;
use std::fmt::Debug;
use std::marker::PhantomData;

/// The codec of a number type or `bool`: little-endian bytes, stored as `native.u8` to `native.u64`, `native.i8` to
/// `native.i64`, `native.f32`, `native.f64` or `native.bool`. A `get` gives the value itself.
///
/// As keys, -0.0 is 0.0 and all NaNs are one. A value keeps its bits.
#[derive(Debug)]
pub struct Native<T>(PhantomData<T>);

/// The types that [`Native`] stores. Not to be implemented.
pub trait Number: sealed::Sealed + Copy + Debug + 'static {
    #[doc(hidden)]
    const NAME: &'static str;

    #[doc(hidden)]
    type Bytes: AsRef<[u8]>;

    #[doc(hidden)]
    fn to_bytes(self) -> Self::Bytes;

    #[doc(hidden)]
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// The one of several equal values that stands for all as a key.
    #[doc(hidden)]
    fn canonical(self) -> Self {
        self
    }
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! number {
    ($($type:ident $name:literal {$($canonical:item)?})*) => {$(
        impl sealed::Sealed for $type {}

        impl Number for $type {
            const NAME: &'static str = $name;
            type Bytes = [u8; size_of::<$type>()];

            #[inline]
            fn to_bytes(self) -> Self::Bytes {
                self.to_le_bytes()
            }

            #[inline]
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map($type::from_le_bytes)
            }

            $($canonical)?
        }
    )*};
}

number! {
    u8 "native.u8" {}
    u16 "native.u16" {}
    u32 "native.u32" {}
    u64 "native.u64" {}
    i8 "native.i8" {}
    i16 "native.i16" {}
    i32 "native.i32" {}
    i64 "native.i64" {}
    f32 "native.f32" {
        // Adding nought turns -0.0 into 0.0. The bits of NaN are stated, for a constant of the library may have others.
        fn canonical(self) -> f32 {
            if self.is_nan() { f32::from_bits(0x7fc0_0000) } else { self + 0.0 }
        }
    }
    f64 "native.f64" {
        fn canonical(self) -> f64 {
            if self.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { self + 0.0 }
        }
    }
}

impl sealed::Sealed for bool {}

impl Number for bool {
    const NAME: &'static str = "native.bool";
    type Bytes = [u8; 1];

    fn to_bytes(self) -> [u8; 1] {
        [self.into()]
    }

    fn from_bytes(bytes: &[u8]) -> Option<bool> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl<T: Number> ValueCodec for Native<T> {
    const NAME: &'static str = T::NAME;
    type Item = T;
    type Target = T;
    type Reading = Decoded;
    type Encoded<'a> = T::Bytes;

    #[inline]
    fn encode(value: &T) -> Result<T::Bytes> {
        Ok(value.to_bytes())
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<T> {
        T::from_bytes(bytes).ok_or_else(|| corrupt(T::NAME))
    }
}

impl<T: Number> KeyCodec for Native<T> {
    #[inline]
    fn encode_key(key: &T) -> Result<T::Bytes> {
        Ok(key.canonical().to_bytes())
    }
}
