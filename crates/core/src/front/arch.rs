//! Archived structs, read in place.

use super::codec::{InPlace, ValueCodec, corrupt};
use super::schema::{self, Schema};
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
use std::borrow::Cow;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

/// Pointers within pointers that an archived value may have. Validating goes that deep on the stack.
const MAX_DEPTH: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The codec of types that derive rkyv's (0.8) `Archive` and `Serialize` and our [`Schema`](trait@Schema); stored as `arch`.
/// A `get` gives `&Archived<T>` in the mapping: its fields are read where they lie, and nothing is decoded.
///
/// Every `get` validates the bytes first, so that damaged or hostile ones are `ERR_CORRUPT` and nothing worse. `insert`
/// does too: what rkyv cannot serialize, or what is nested more than 256 pointers deep, is `ERR_INVALID_VALUE`.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// use opendiskmap::{Arch, DiskHashMap, Native, Schema};
///
/// #[derive(rkyv::Archive, rkyv::Serialize, Schema)]
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
/// The schema is stored with the map, and one that was made with another is not opened: the error shows both. So a type
/// cannot change under a map, not even by a field at its end; whoever changes one copies the map's entries into a new map,
/// which opens both under their types.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// # use opendiskmap::{Arch, Code, DiskHashMap, Native, Schema};
/// #[derive(rkyv::Archive, rkyv::Serialize, Schema)]
/// struct User {
///     name: String,
/// }
///
/// #[derive(rkyv::Archive, rkyv::Serialize, Schema)]
/// struct UserWithAge {
///     name: String,
///     age: Option<u8>,
/// }
///
/// let mut old = DiskHashMap::<Native<u64>, Arch<User>>::new_in(dir.join("old"))?;
/// old.insert(&1, &User { name: "Alice".into() })?;
/// old.close()?;
///
/// let refused = DiskHashMap::<Native<u64>, Arch<UserWithAge>>::new_in(dir.join("old")).unwrap_err();
/// assert_eq!(refused.code(), Code::CodecMismatch);
/// assert!(refused.message().contains("'{name:string}'"));
/// assert!(refused.message().contains("'{name:string,age:u8?}'"));
///
/// let old = DiskHashMap::<Native<u64>, Arch<User>>::load_from(dir.join("old"))?;
/// let mut new = DiskHashMap::<Native<u64>, Arch<UserWithAge>>::new_in(dir.join("new"))?;
/// for entry in old.iter() {
///     let (id, user) = entry?;
///     new.insert(&id, &UserWithAge { name: user.name.to_string(), age: None })?;
/// }
/// assert!(new.get(&1)?.unwrap().age.is_none());
/// # Ok(())
/// # }
/// ```
///
/// TypeScript's `arch` opens the map too, if its schema has the same text; [`typescript`](crate::typescript) writes it.
///
/// Types whose archived form is aligned to more than 16 bytes do not compile:
///
/// ```compile_fail,E0080
/// # use opendiskmap::{Arch, DiskHashMap, Native, Schema, SchemaText};
/// #[derive(rkyv::Archive, rkyv::Serialize)]
/// #[rkyv(attr(repr(align(32))))]
/// struct Wide(u8);
///
/// impl Schema for Wide {
///     fn describe(text: &mut SchemaText) {
///         text.word("wide");
///     }
/// }
///
/// DiskHashMap::<Native<u64>, Arch<Wide>>::new_in("wide").unwrap();
/// ```
#[derive(Debug)]
pub struct Arch<T>(PhantomData<T>);

impl<T> ValueCodec for Arch<T>
where
    T: Schema
        + Archive<Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + 'static>
        + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
        + 'static,
{
    const NAME: &'static str = "arch";
    const ALIGN: usize = align_of::<Archived<T>>();
    type Item = T;
    type Target = Archived<T>;
    type Reading = InPlace;
    type Encoded<'a> = AlignedVec;

    fn param() -> Result<Cow<'static, [u8]>> {
        let text = T::schema()?;
        schema::check::<T>(&text)?;
        Ok(text.into_bytes().into())
    }

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
