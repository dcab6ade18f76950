//! Archived structs, read in place.

use super::codec::{InPlace, ValueCodec, corrupt};
use crate::{Code, Error, Result};
use rkyv::api::access_with_context;
use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::validation::Validator;
use rkyv::validation::archive::ArchiveValidator;
use rkyv::validation::shared::SharedValidator;
use rkyv::{Archive, Archived, Serialize, rancor};
use std::marker::PhantomData;
use std::num::NonZeroUsize;

/// Pointers within pointers that an archived value may have. Validating goes that deep on the stack.
const MAX_DEPTH: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The codec of types that derive rkyv's (0.8) `Archive` and `Serialize`; stored as `arch`. A `get` gives `&Archived<T>`
/// in the mapping: its fields are read where they lie, and nothing is decoded.
///
/// Every `get` validates the bytes first, so that damaged or hostile ones are `ERR_CORRUPT` and nothing worse. `insert`
/// does too: what rkyv cannot serialize, or what is nested more than 256 pointers deep, is `ERR_INVALID_VALUE`.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// use opendiskmap::{Arch, DiskHashMap, Native};
///
/// #[derive(rkyv::Archive, rkyv::Serialize)]
/// struct UserProfile {
///     id: u32,
///     name: String,
///     email: String,
///     scores: Vec<f64>,
/// }
///
/// let mut users = DiskHashMap::<Native<u64>, Arch<UserProfile>>::new_in(dir)?;
/// users.insert(
///     &1,
///     &UserProfile {
///         id: 1,
///         name: "Alice".into(),
///         email: "alice@example.com".into(),
///         scores: vec![95.5, 87.2, 92.8],
///     },
/// )?;
///
/// let alice = users.get(&1)?.unwrap();
/// assert_eq!(alice.id, 1);
/// assert_eq!(alice.name, "Alice");
/// assert_eq!(alice.email.as_str(), "alice@example.com");
/// assert_eq!(alice.scores[2], 92.8);
/// # Ok(())
/// # }
/// ```
///
/// The map does not know the type's fields: whoever opens it states the type that was stored, as with a file. Types whose
/// archived form is aligned to more than 16 bytes do not compile:
///
/// ```compile_fail,E0080
/// # use opendiskmap::{Arch, DiskHashMap, Native};
/// #[derive(rkyv::Archive, rkyv::Serialize)]
/// #[rkyv(attr(repr(align(32))))]
/// struct Wide(u8);
///
/// DiskHashMap::<Native<u64>, Arch<Wide>>::new_in("wide").unwrap();
/// ```
#[derive(Debug)]
pub struct Arch<T>(PhantomData<T>);

impl<T> ValueCodec for Arch<T>
where
    T: Archive<Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + 'static>
        + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
        + 'static,
{
    const NAME: &'static str = "arch";
    const ALIGN: usize = align_of::<Archived<T>>();
    type Item = T;
    type Target = Archived<T>;
    type Reading = InPlace;
    type Encoded<'a> = AlignedVec;

    fn encode(value: &T) -> Result<AlignedVec> {
        let invalid = |error: rancor::Error| {
            let error = error.to_string();
            Error::new(
                Code::InvalidValue,
                format!("The value cannot be archived: {}.", error.trim_end_matches(['.', '\n'])),
            )
        };
        let bytes = rkyv::to_bytes(value).map_err(invalid)?;
        access::<T>(&bytes).map_err(invalid)?;
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<&Archived<T>> {
        access::<T>(bytes).map_err(|_| corrupt(Self::NAME))
    }
}

fn access<T: Archive>(bytes: &[u8]) -> Result<&Archived<T>, rancor::Error>
where
    T::Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>,
{
    let archive = ArchiveValidator::with_max_depth(bytes, Some(MAX_DEPTH));
    access_with_context(bytes, &mut Validator::new(archive, SharedValidator::new()))
}
