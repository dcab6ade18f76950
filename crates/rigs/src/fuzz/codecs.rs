//! What a codec makes of bytes that it did not write: a value or an error, and a value that it would write again.

use opendiskmap::{Arch, Bytes, Code, Native, Schema, SchemaText, Str, ValueCodec, typescript};
use rkyv::{Archive, Deserialize, Serialize};

/// One of each thing that an archive can hold and that has a place of its own in its layout.
#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
pub struct Sample {
    pub number: u32,
    pub name: String,
    pub scores: Vec<f64>,
    pub maybe: Option<Box<(u8, i64)>>,
    pub parts: Vec<(bool, String)>,
    pub choice: Choice,
}

impl Schema for Sample {
    fn describe(text: &mut SchemaText) {
        text.word("sample");
    }
}

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
pub enum Choice {
    None,
    One(u64),
    Named { text: String, rest: Vec<u16> },
}

/// Characters, which not every number is.
#[derive(Archive, Serialize)]
pub struct Spelled(pub Vec<Vec<Option<char>>>);

impl Schema for Spelled {
    fn describe(text: &mut SchemaText) {
        text.word("spelled");
    }
}

fn decodes<V: ValueCodec>(bytes: &[u8]) -> bool {
    match V::decode(bytes) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), Code::Corrupt, "{error}");
            false
        }
    }
}

fn number<T: opendiskmap::Number>(bytes: &[u8])
where
    Native<T>: ValueCodec<Item = T>,
    for<'a> opendiskmap::ValueRef<'a, Native<T>>: std::borrow::Borrow<T>,
{
    use std::borrow::Borrow;
    if let Ok(value) = Native::<T>::decode(bytes) {
        let again = Native::<T>::encode(value.borrow()).expect("a number is encoded");
        assert_eq!(again.as_ref(), bytes, "{}", <Native<T> as ValueCodec>::NAME);
    }
    decodes::<Native<T>>(bytes);
}

/// One input, for every codec.
pub fn run(data: &[u8]) {
    number::<u8>(data);
    number::<u16>(data);
    number::<u32>(data);
    number::<u64>(data);
    number::<i8>(data);
    number::<i16>(data);
    number::<i32>(data);
    number::<i64>(data);
    number::<f32>(data);
    number::<f64>(data);
    number::<bool>(data);
    assert_eq!(decodes::<Str>(data), std::str::from_utf8(data).is_ok());
    assert!(decodes::<Bytes>(data));
    // In the place of the mapping, which is aligned as the codec asks.
    let mut aligned = rkyv::util::AlignedVec::<16>::with_capacity(data.len());
    aligned.extend_from_slice(data);
    if let Ok(sample) = Arch::<Sample>::decode(&aligned) {
        touch(sample);
    }
    if let Ok(text) = Arch::<String>::decode(&aligned) {
        assert!(std::str::from_utf8(text.as_bytes()).is_ok());
    }
    decodes::<Arch<u64>>(&aligned);
    decodes::<Arch<Spelled>>(&aligned);
    if let Err(error) = typescript(&String::from_utf8_lossy(data)) {
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    }
}

/// Reads every byte of what was accepted.
fn touch(sample: &ArchivedSample) {
    let mut read = sample.number.to_native() as usize + sample.name.len();
    assert!(std::str::from_utf8(sample.name.as_bytes()).is_ok());
    read += sample.scores.iter().filter(|score| score.to_native().is_nan()).count();
    read += sample.parts.iter().filter(|part| part.0).map(|part| part.1.chars().count()).sum::<usize>();
    read += sample.maybe.as_ref().map_or(0, |boxed| usize::from(boxed.0));
    match &sample.choice {
        ArchivedChoice::None => {}
        ArchivedChoice::One(number) => read ^= number.to_native() as usize,
        ArchivedChoice::Named { text, rest } => {
            read ^= text.len() + rest.iter().map(|part| part.to_native() as usize).sum::<usize>()
        }
    }
    std::hint::black_box(read);
}
