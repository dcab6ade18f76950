//! What a schema's text says, as a tree.

use super::name;
use std::alloc::Layout;
use std::fmt::{self, Display, Formatter};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub name: &'static str,
    pub layout: Layout,
}

const fn scalar(name: &'static str, size: usize, align: usize) -> Scalar {
    match Layout::from_size_align(size, align) {
        Ok(layout) => Scalar { name, layout },
        Err(_) => panic!("alignments are powers of two"),
    }
}

/// With what rkyv's default format makes of each. Text and bytes are a length and an offset.
pub(super) static SCALARS: [Scalar; 13] = [
    scalar("bool", 1, 1),
    scalar("u8", 1, 1),
    scalar("u16", 2, 2),
    scalar("u32", 4, 4),
    scalar("u64", 8, 8),
    scalar("i8", 1, 1),
    scalar("i16", 2, 2),
    scalar("i32", 4, 4),
    scalar("i64", 8, 8),
    scalar("f32", 4, 4),
    scalar("f64", 8, 8),
    scalar("string", 8, 4),
    scalar("bytes", 8, 4),
];

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar(&'static Scalar),
    Array(Box<Shape>),
    Fixed(Box<Shape>, u32),
    Optional(Box<Shape>),
    Tuple(Vec<Shape>),
    Struct(Vec<(String, Shape)>),
    Enum(Vec<(String, Payload)>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Unit,
    Tuple(Vec<Shape>),
    Struct(Vec<(String, Shape)>),
}

impl Payload {
    pub(super) fn parts(&self) -> Box<dyn Iterator<Item = &Shape> + '_> {
        match self {
            Payload::Unit => Box::new(std::iter::empty()),
            Payload::Tuple(elements) => Box::new(elements.iter()),
            Payload::Struct(fields) => Box::new(fields.iter().map(|(_, field)| field)),
        }
    }
}

impl Shape {
    /// Whether it is an array that has a name of its own.
    pub(super) fn is_bytes(&self) -> bool {
        matches!(self, Shape::Array(element) if matches!(&**element, Shape::Scalar(scalar) if scalar.name == "u8"))
    }

    /// Levels of other shapes around the innermost scalar.
    pub(super) fn levels(&self) -> usize {
        let inside = match self {
            Shape::Scalar(_) => return 0,
            Shape::Array(inner) | Shape::Fixed(inner, _) | Shape::Optional(inner) => inner.levels(),
            Shape::Tuple(elements) => deepest(elements.iter()),
            Shape::Struct(fields) => deepest(fields.iter().map(|(_, field)| field)),
            Shape::Enum(variants) => deepest(variants.iter().flat_map(|(_, payload)| payload.parts())),
        };
        inside + 1
    }
}

fn deepest<'a>(shapes: impl Iterator<Item = &'a Shape>) -> usize {
    shapes.map(Shape::levels).max().unwrap_or(0)
}

/// The canonical text.
impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Scalar(scalar) => f.write_str(scalar.name),
            Shape::Array(element) => write!(f, "{element}[]"),
            Shape::Fixed(element, count) => write!(f, "{element}[{count}]"),
            Shape::Optional(value) => write!(f, "{value}?"),
            Shape::Tuple(elements) => write_elements(elements, f),
            Shape::Struct(fields) => write_fields(fields, f),
            Shape::Enum(variants) => {
                for (index, (name, payload)) in variants.iter().enumerate() {
                    f.write_str(if index == 0 { "<" } else { "|" })?;
                    name::write(name, f)?;
                    match payload {
                        Payload::Unit => {}
                        Payload::Tuple(elements) => write_elements(elements, f)?,
                        Payload::Struct(fields) => write_fields(fields, f)?,
                    }
                }
                f.write_str(">")
            }
        }
    }
}

fn write_elements(elements: &[Shape], f: &mut Formatter<'_>) -> fmt::Result {
    for (index, element) in elements.iter().enumerate() {
        write!(f, "{}{element}", if index == 0 { "(" } else { "," })?;
    }
    f.write_str(")")
}

fn write_fields(fields: &[(String, Shape)], f: &mut Formatter<'_>) -> fmt::Result {
    for (index, (name, field)) in fields.iter().enumerate() {
        f.write_str(if index == 0 { "{" } else { "," })?;
        name::write(name, f)?;
        write!(f, ":{field}")?;
    }
    f.write_str("}")
}
