//! Types whose values are drawn and shown as JSON.

use super::draws::Draws;
use super::to_hex;
use serde_json::Value;

/// What JSON has no form for is text: 64-bit integers in decimal, bytes in hexadecimal digits, and the floats `NaN`, `Infinity`,
/// `-Infinity` and `-0`.
pub trait Sample: Sized {
    fn draw(draws: &mut Draws) -> Self;

    fn json(&self) -> Value;

    /// Of a vector of them.
    fn json_of_many(many: &[Self]) -> Value {
        many.iter().map(Sample::json).collect()
    }
}

macro_rules! integers {
    ($($type:ident as $json:ident $({$($of_many:item)*})?)*) => {$(
        impl Sample for $type {
            fn draw(draws: &mut Draws) -> Self {
                let any = draws.word() as $type;
                draws.one_of(&[$type::MIN, $type::MIN + 1, 0, 1, any, any, any, any / 2, $type::MAX / 2, $type::MAX - 1, $type::MAX])
            }

            fn json(&self) -> Value {
                $json::from(*self).into()
            }

            $($($of_many)*)?
        }
    )*};
}

integers! {
    u8 as u32 {
        fn json_of_many(many: &[u8]) -> Value {
            to_hex(many).into()
        }
    }
    u16 as u32
    u32 as u32
    i8 as i32
    i16 as i32
    i32 as i32
    u64 as Decimal
    i64 as Decimal
}

/// A number that JavaScript's would round.
struct Decimal(String);

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Decimal(number.to_string())
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Decimal(number.to_string())
    }
}

impl From<Decimal> for Value {
    fn from(decimal: Decimal) -> Self {
        decimal.0.into()
    }
}

macro_rules! floats {
    ($($type:ident $nan:literal)*) => {$(
        impl Sample for $type {
            fn draw(draws: &mut Draws) -> Self {
                // Of NaNs there is one: JavaScript does not keep their bits.
                let nan = $type::from_bits($nan);
                let any = $type::from_bits(draws.word() as _);
                let any = if any.is_nan() { 0.1 } else { any };
                let half = draws.word() as i16 as $type / 2.0;
                let small = $type::from_bits(1);
                draws.one_of(&[
                    $type::NEG_INFINITY, $type::MIN, -0.0, 0.0, small, $type::MIN_POSITIVE, 0.1, any, half, half, nan, $type::MAX,
                    $type::INFINITY,
                ])
            }

            fn json(&self) -> Value {
                match *self {
                    nan if nan.is_nan() => "NaN".into(),
                    $type::INFINITY => "Infinity".into(),
                    $type::NEG_INFINITY => "-Infinity".into(),
                    nought if nought == 0.0 && nought.is_sign_negative() => "-0".into(),
                    finite => f64::from(finite).into(),
                }
            }
        }
    )*};
}

floats! {
    f32 0x7fc0_0000
    f64 0x7ff8_0000_0000_0000
}

impl Sample for bool {
    fn draw(draws: &mut Draws) -> Self {
        draws.one_of(&[false, true])
    }

    fn json(&self) -> Value {
        (*self).into()
    }
}

impl Sample for String {
    fn draw(draws: &mut Draws) -> Self {
        let length = draws.text_length();
        draws.text(length)
    }

    fn json(&self) -> Value {
        self.as_str().into()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn draw(draws: &mut Draws) -> Self {
        draws.list(T::draw)
    }

    fn json(&self) -> Value {
        T::json_of_many(self)
    }
}

impl<T: Sample, const N: usize> Sample for [T; N] {
    fn draw(draws: &mut Draws) -> Self {
        std::array::from_fn(|_| T::draw(draws))
    }

    fn json(&self) -> Value {
        self.iter().map(Sample::json).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn draw(draws: &mut Draws) -> Self {
        draws.one_of(&[false, true]).then(|| T::draw(draws))
    }

    fn json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Sample::json)
    }
}

macro_rules! tuples {
    ($(($($element:ident $index:tt)+))*) => {$(
        impl<$($element: Sample),+> Sample for ($($element,)+) {
            fn draw(draws: &mut Draws) -> Self {
                ($($element::draw(draws),)+)
            }

            fn json(&self) -> Value {
                [$(self.$index.json()),+].into_iter().collect()
            }
        }
    )*};
}

tuples! {
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
}

/// A field's or variant's name in the schema.
pub fn called(ident: &str, renamed: &[&str]) -> String {
    renamed.first().unwrap_or(&ident.strip_prefix("r#").unwrap_or(ident)).to_string()
}

/// What a tuple variant holds: the value itself if there is one.
pub fn held(mut elements: Vec<Value>) -> Value {
    if elements.len() == 1 { elements.remove(0) } else { elements.into() }
}

/// A variant with what it holds, if anything.
pub fn tagged<const HELD: usize>(name: String, held: [Value; HELD]) -> Value {
    match held.into_iter().next() {
        None => name.into(),
        Some(held) => [(name, held)].into_iter().collect(),
    }
}

/// Structs and enums that are archived, described, drawn and shown. `as "name"` is their name in the schema.
macro_rules! samples {
    () => {};
    (
        $(#[$meta:meta])*
        struct $name:ident { $($field:ident $(as $rename:tt)?: $type:ty,)* }
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, opendiskmap::Schema)]
        pub struct $name {
            $($(#[schema(rename = $rename)])? pub $field: $type,)*
        }

        impl Sample for $name {
            fn draw(draws: &mut Draws) -> Self {
                Self { $($field: Sample::draw(draws),)* }
            }

            fn json(&self) -> Value {
                [$((called(stringify!($field), &[$($rename)?]), self.$field.json()),)*].into_iter().collect()
            }
        }

        samples! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        enum $name:ident {
            $($variant:ident $(as $rename:tt)? $(($($element:ident: $type:ty),*))? $({$($field:ident: $field_type:ty),*})?,)*
        }
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, opendiskmap::Schema)]
        pub enum $name {
            $($(#[schema(rename = $rename)])? $variant $(($($type),*))? $({$($field: $field_type),*})?,)*
        }

        impl Sample for $name {
            fn draw(draws: &mut Draws) -> Self {
                let variants: &[fn(&mut Draws) -> Self] = &[$(
                    |_draws| Self::$variant
                        $(($(<$type as Sample>::draw(_draws)),*))?
                        $({$($field: <$field_type as Sample>::draw(_draws)),*})?
                ),*];
                draws.one_of(variants)(draws)
            }

            fn json(&self) -> Value {
                match self {$(
                    Self::$variant $(($($element),*))? $({$($field),*})? => tagged(
                        called(stringify!($variant), &[$($rename)?]),
                        [
                            $(held(vec![$($element.json()),*]),)?
                            $([$((called(stringify!($field), &[]), $field.json())),*].into_iter().collect(),)?
                        ],
                    ),
                )*}
            }
        }

        samples! { $($rest)* }
    };
}

pub(super) use samples;
