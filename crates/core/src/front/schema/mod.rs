//! What a type looks like under [`Arch`](crate::Arch), as a text that other programs and languages can read.

mod check;
mod layout;
mod name;
mod parse;
#[cfg(test)]
mod parse_test;
mod shape;
mod text;
mod typescript;

pub(super) use check::check;
pub use text::{SchemaText, Variant};
pub use typescript::typescript;

use crate::Result;

/// Levels of structs, enums, tuples, arrays and options within each other.
const MAX_LEVELS: usize = 64;

/// Bytes of a schema's text.
const MAX_TEXT: usize = 65_535;

/// Elements of a tuple, and of a variant that is like one.
const MAX_TUPLE: usize = 12;

/// Variants of an enum: their number is one byte.
const MAX_VARIANTS: usize = 256;

/// Types that say what their archived form is. [`Arch`](crate::Arch) stores that with the map, as a text without white
/// space, and compares it when the map is opened (`ERR_CODEC_MISMATCH`).
///
/// | text | type |
/// | --- | --- |
/// | `bool`, `u8` … `u64`, `i8` … `i64`, `f32`, `f64` | the same |
/// | `string`, `bytes` | `String`, `Vec<u8>` |
/// | `T[]`, `T[3]`, `T?` | `Vec<T>`, `[T; 3]`, `Option<T>` |
/// | `(T,U)` | a tuple of 2 to 12 |
/// | `{id:u32,name:string}` | a struct. A name that is not of letters, digits, `_` and `$` stands as in JSON, with quotes |
/// | `<None\|Circle(f64)\|Rect{w:f64,h:f64}>` | an enum of at most 256 variants, numbered as they stand |
///
/// Structs and enums of these derive it, beside rkyv's (0.8) traits. What TypeScript's `arch` is given has the same text if it
/// has the same fields under the same names in the same order, and then the bytes are the same too.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// use opendiskmap::Schema;
///
/// #[derive(rkyv::Archive, rkyv::Serialize, Schema)]
/// struct User {
///     id: u32,
///     name: String,
///     scores: Vec<f64>,
///     home: Option<Place>,
///     #[schema(rename = "createdAt")]
///     created_at: i64,
/// }
///
/// #[derive(rkyv::Archive, rkyv::Serialize, Schema)]
/// enum Place {
///     Unknown,
///     City(String),
///     Point { north: f64, east: f64 },
/// }
///
/// assert_eq!(
///     User::schema()?,
///     "{id:u32,name:string,scores:f64[],home:<Unknown|City(string)|Point{north:f64,east:f64}>?,createdAt:i64}"
/// );
/// # Ok(())
/// # }
/// ```
///
/// # By hand
///
/// rkyv archives many more types than the table has. One that holds such a type implements the trait by hand, with any text
/// that stands for this layout and no other; then only programs of Rust open the map. Change the text when the type changes.
///
/// ```
/// # fn main() -> opendiskmap::Result<()> {
/// # let temp = tempfile::tempdir().unwrap();
/// # let dir = temp.path();
/// use opendiskmap::{Arch, DiskHashMap, Schema, SchemaText, Str};
/// use std::collections::HashMap;
///
/// #[derive(rkyv::Archive, rkyv::Serialize)]
/// struct Settings {
///     of: HashMap<String, u32>,
/// }
///
/// impl Schema for Settings {
///     fn describe(text: &mut SchemaText) {
///         text.word("my-program::Settings/1");
///     }
/// }
///
/// let mut settings = DiskHashMap::<Str, Arch<Settings>>::new_in(dir)?;
/// settings.insert("alice", &Settings { of: [("volume".into(), 7)].into() })?;
/// assert_eq!(settings.get("alice")?.unwrap().of.get("volume").unwrap().to_native(), 7);
/// # Ok(())
/// # }
/// ```
///
/// Without an implementation the map's type does not compile:
///
/// ```compile_fail,E0277
/// # use opendiskmap::{Arch, DiskHashMap, Str};
/// #[derive(rkyv::Archive, rkyv::Serialize)]
/// struct User {
///     id: u32,
/// }
///
/// DiskHashMap::<Str, Arch<User>>::new_in("users").unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no schema, which the codec `Arch` stores with the map",
    label = "no `Schema`",
    note = "derive it with `#[derive(opendiskmap::Schema)]`; a type that the schema has no word for, such as `usize`, `char`, `Box` \
            and `HashMap`, or the struct around it, implements it by hand"
)]
pub trait Schema {
    /// Writes the text. Who implements it by hand writes a [`word`](SchemaText::word), or describes a type that is archived
    /// in the same way: `u64::describe(text)`.
    fn describe(text: &mut SchemaText);

    /// The text.
    ///
    /// # Errors
    /// `ERR_INVALID_ARGUMENT` for one that is empty, longer than 65,535 bytes or deeper than 64 levels, as a type that
    /// contains itself is.
    fn schema() -> Result<String> {
        text::of::<Self>()
    }
}

macro_rules! scalars {
    ($($type:ty = $word:literal)*) => {$(
        impl Schema for $type {
            fn describe(text: &mut SchemaText) {
                text.word($word);
            }
        }
    )*};
}

scalars! {
    bool = "bool"
    u8 = "u8"
    u16 = "u16"
    u32 = "u32"
    u64 = "u64"
    i8 = "i8"
    i16 = "i16"
    i32 = "i32"
    i64 = "i64"
    f32 = "f32"
    f64 = "f64"
    String = "string"
}

impl<T: Schema> Schema for Vec<T> {
    fn describe(text: &mut SchemaText) {
        text.array(T::describe);
    }
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    fn describe(text: &mut SchemaText) {
        const { assert!(N > 0, "an array without elements stores nothing and has no schema") }
        text.fixed(T::describe, N);
    }
}

impl<T: Schema> Schema for Option<T> {
    fn describe(text: &mut SchemaText) {
        text.optional(T::describe);
    }
}

macro_rules! tuples {
    ($(($($element:ident)+))*) => {$(
        impl<$($element: Schema),+> Schema for ($($element,)+) {
            fn describe(text: &mut SchemaText) {
                text.tuple(&[$($element::describe),+]);
            }
        }
    )*};
}

tuples! {
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
}
