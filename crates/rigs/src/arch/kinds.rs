//! The types by name.

use super::Archived;
use super::draws::Draws;
use super::sample::Sample;
use super::types::{
    Colors, Deep, Fixed, Holes, Lists, Maybes, Names, Pairs, Places, Scalars, Shape, Texts, Tuples, User,
};
use opendiskmap::{Arch, Code, InPlace, Result, Schema, ValueCodec};
use rkyv::api::high::HighDeserializer;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, rancor};

#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    schema: fn() -> Result<String>,
    draw: fn(&mut Draws) -> Result<Archived>,
    read: fn(&[u8]) -> Result<Archived>,
}

/// What the files have that are kept.
pub const GOLDEN_SEED: u64 = 5;
pub const GOLDEN_COUNT: usize = 12;

pub const KINDS: &[Kind] = &[
    kind::<User>("user"),
    kind::<Scalars>("scalars"),
    kind::<Holes>("holes"),
    kind::<Texts>("texts"),
    kind::<Lists>("lists"),
    kind::<Fixed>("fixed"),
    kind::<Maybes>("maybes"),
    kind::<Tuples>("tuples"),
    kind::<Shape>("shape"),
    kind::<Colors>("colors"),
    kind::<Places>("places"),
    kind::<Pairs>("pairs"),
    kind::<Names>("names"),
    kind::<Deep>("deep"),
    kind::<f64>("double"),
    kind::<String>("text"),
    kind::<Vec<u8>>("bytes"),
    kind::<Vec<u64>>("longs"),
    kind::<[i32; 3]>("three"),
    kind::<(u8, String, u64)>("tuple"),
];

#[must_use]
pub fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

const fn kind<T>(name: &'static str) -> Kind
where
    T: Sample + Schema + Archive<Archived: Deserialize<T, HighDeserializer<rancor::Error>>>,
    Arch<T>: ValueCodec<Item = T, Target = rkyv::Archived<T>, Reading = InPlace>,
{
    Kind { name, schema: T::schema, draw: |draws| archive(&T::draw(draws)), read: read::<T> }
}

fn archive<T: Sample>(value: &T) -> Result<Archived>
where
    Arch<T>: ValueCodec<Item = T>,
{
    Ok(Archived { json: value.json(), bytes: Arch::<T>::encode(value)?.as_ref().to_vec() })
}

fn read<T>(bytes: &[u8]) -> Result<Archived>
where
    T: Sample + Archive<Archived: Deserialize<T, HighDeserializer<rancor::Error>>>,
    Arch<T>: ValueCodec<Item = T, Target = rkyv::Archived<T>, Reading = InPlace>,
{
    // In the place of the mapping, which is aligned as the codec asks.
    let mut aligned = AlignedVec::<16>::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    let archived = Arch::<T>::decode(&aligned)?;
    let value = rkyv::deserialize::<T, rancor::Error>(archived)
        .map_err(|error| opendiskmap::Error::new(Code::Corrupt, error.to_string()))?;
    archive(&value)
}

impl Kind {
    pub fn schema(&self) -> Result<String> {
        (self.schema)()
    }

    /// The value of this number.
    pub fn draw(&self, seed: u64, nth: usize) -> Result<Archived> {
        (self.draw)(&mut Draws::new(seed, self.name, nth))
    }

    /// The value that the bytes are, and the bytes that it is written as.
    ///
    /// # Errors
    /// `ERR_CORRUPT` for bytes that are not one.
    pub fn read(&self, bytes: &[u8]) -> Result<Archived> {
        (self.read)(bytes)
    }

    /// The lines of so many values, as they stand in a file.
    pub fn lines(&self, seed: u64, count: usize) -> Result<String> {
        let schema = self.schema()?;
        let line = |nth| {
            let Archived { json, bytes } = self.draw(seed, nth)?;
            let line = serde_json::json!({
                "type": self.name, "schema": schema, "json": json, "hex": super::to_hex(&bytes)
            });
            Ok(format!("{line}\n"))
        };
        (0..count).map(line).collect()
    }
}
