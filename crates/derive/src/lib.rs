//! `#[derive(Schema)]` of the crate [`opendiskmap`](https://docs.rs/opendiskmap), which re-exports it.

#![forbid(unsafe_code)]

mod attributes;
mod describe;
#[cfg(test)]
mod refusal_test;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `opendiskmap::Schema` for a struct or an enum whose archived form is what `#[derive(rkyv::Archive)]` makes of it.
///
/// A struct with named fields is a struct of the schema, one with 2 to 12 unnamed fields a tuple, and one with a single
/// unnamed field is archived as that field is, so it has its schema. An enum has 1 to 256 variants, which are numbered as they
/// stand. Parameters of a generic type need a schema too.
///
/// ```
/// use opendiskmap::Schema;
///
/// #[derive(rkyv::Archive, Schema)]
/// struct Meters(f64);
///
/// #[derive(rkyv::Archive, Schema)]
/// struct Pair<T> {
///     left: T,
///     right: Vec<T>,
/// }
///
/// #[derive(rkyv::Archive, Schema)]
/// enum Size {
///     Unknown,
///     Of(Meters, Meters),
/// }
///
/// assert_eq!(Pair::<Size>::schema().unwrap(), "{left:<Unknown|Of(f64,f64)>,right:<Unknown|Of(f64,f64)>[]}");
/// ```
///
/// `#[schema(rename = "…")]` gives a field or variant the name that it has elsewhere. `r#` is no part of a name.
///
/// ```
/// use opendiskmap::Schema;
///
/// #[derive(rkyv::Archive, Schema)]
/// struct Event {
///     #[schema(rename = "createdAt")]
///     created_at: i64,
///     #[schema(rename = "e-mail")]
///     email: String,
///     r#type: Kind,
/// }
///
/// #[derive(rkyv::Archive, Schema)]
/// enum Kind {
///     #[schema(rename = "click")]
///     Click { x: u16, y: u16 },
/// }
///
/// assert_eq!(Event::schema().unwrap(), r#"{createdAt:i64,"e-mail":string,type:<click{x:u16,y:u16}>}"#);
/// ```
///
/// What the schema cannot say does not compile: fields whose type has no schema,
///
/// ```compile_fail,E0277
/// #[derive(rkyv::Archive, opendiskmap::Schema)]
/// struct Measured {
///     count: usize,
/// }
/// ```
///
/// attributes of rkyv under which a field is archived as something else,
///
/// ```compile_fail
/// #[derive(rkyv::Archive, opendiskmap::Schema)]
/// struct Shared {
///     #[rkyv(with = rkyv::with::AsBox)]
///     count: u32,
/// }
/// ```
///
/// and structs without fields, unions, and enums that number their variants themselves.
///
/// ```compile_fail
/// #[derive(rkyv::Archive, opendiskmap::Schema)]
/// enum Level {
///     Low = 10,
///     High = 20,
/// }
/// ```
#[proc_macro_derive(Schema, attributes(schema))]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    describe::implement(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
