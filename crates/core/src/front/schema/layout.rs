//! The size and alignment that rkyv's default format gives to a shape.

use super::shape::{Payload, Shape};
use std::alloc::{Layout, LayoutError};

impl Shape {
    /// Of the part that has a fixed place; what lies elsewhere, such as the elements of an array, is not counted.
    pub(super) fn layout(&self) -> Result<Layout, LayoutError> {
        match self {
            Shape::Scalar(scalar) => Ok(scalar.layout),
            // An offset and a length.
            Shape::Array(_) => Layout::from_size_align(8, 4),
            Shape::Fixed(element, count) => {
                let element = element.layout()?;
                // What overflows is longer than any layout.
                let size = element.size().saturating_mul(*count as usize);
                Layout::from_size_align(size, element.align())
            }
            Shape::Optional(value) => tagged([follow(tag(), [&**value])]),
            Shape::Tuple(elements) => Ok(follow(nothing(), elements)?.pad_to_align()),
            Shape::Struct(fields) => Ok(follow(nothing(), fields.iter().map(|(_, field)| field))?.pad_to_align()),
            Shape::Enum(variants) => tagged(variants.iter().map(|(_, payload)| variant(payload))),
        }
    }
}

const fn nothing() -> Layout {
    Layout::new::<()>()
}

/// The number of a variant, one byte.
const fn tag() -> Layout {
    Layout::new::<u8>()
}

fn variant(payload: &Payload) -> Result<Layout, LayoutError> {
    follow(tag(), payload.parts())
}

/// As `repr(C)`: one after the other, each at a multiple of its alignment.
fn follow<'a>(first: Layout, shapes: impl IntoIterator<Item = &'a Shape>) -> Result<Layout, LayoutError> {
    shapes.into_iter().try_fold(first, |before, shape| Ok(before.extend(shape.layout()?)?.0))
}

/// As `repr(u8)`: the variants share their place.
fn tagged(variants: impl IntoIterator<Item = Result<Layout, LayoutError>>) -> Result<Layout, LayoutError> {
    let all = variants.into_iter().try_fold(tag(), |all, variant| {
        let variant = variant?;
        Layout::from_size_align(all.size().max(variant.size()), all.align().max(variant.align()))
    });
    Ok(all?.pad_to_align())
}
