//! Whether a schema's text is true.

use super::parse::parse;
use crate::{Code, Error, Result};
use rkyv::Archived;
use std::alloc::Layout;
use std::any::type_name;

/// Compares what a type's text says with what the compiler made of its archived form. A text that is not of the grammar says
/// nothing that could be compared.
pub(in crate::front) fn check<T: rkyv::Archive>(text: &str) -> Result<()> {
    let invalid = |message: String| Err(Error::new(Code::InvalidArgument, message));
    if rkyv::to_bytes::<rkyv::rancor::Panic>(&1u16).map_or(0, |bytes| bytes[0]) != 1 {
        return invalid(
            "rkyv is built with its feature big_endian, and a map is little-endian. Leave the feature out.".into(),
        );
    }
    let Ok(stated) = parse(text).map(|shape| shape.layout()) else { return Ok(()) };
    let is = Layout::new::<Archived<T>>();
    match stated {
        Ok(stated) if stated != is => invalid(format!(
            "The schema of {} says {} bytes at a multiple of {}, but it is archived as {} bytes at a multiple of {}. Correct its Schema, \
             or build rkyv with its default format: without its features unaligned, pointer_width_16 and pointer_width_64.",
            type_name::<T>(),
            stated.size(),
            stated.align(),
            is.size(),
            is.align()
        )),
        _ => Ok(()),
    }
}
