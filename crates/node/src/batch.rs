//! The verbs of many keys. Keys and values stand side by side, in memory that the caller brings.

use crate::call::{Call, Failure, Outcome, Value};
use crate::verbs::Bound;
use opendiskmap::{Code, Error, Progress};
use std::ops::ControlFlow;

const LENGTH: usize = 4;
/// In the place of a value's length.
const MISS: u32 = u32::MAX;

#[derive(Clone, Copy)]
enum Sizes<'a> {
    All(usize),
    Each(&'a [[u8; LENGTH]]),
}

/// Keys or values side by side.
#[derive(Clone, Copy)]
struct Column<'a> {
    bytes: &'a [u8],
    sizes: Sizes<'a>,
}

impl<'a> Column<'a> {
    /// Checked whole before anything is done, so that it can then be walked without a doubt.
    fn new(bytes: &'a [u8], one: Option<usize>, each: &'a [u8]) -> Result<Column<'a>, Failure> {
        let (sizes, whole) = match one {
            Some(size) => (Sizes::All(size), size > 0 && bytes.len().is_multiple_of(size)),
            None => {
                let (each, rest) = each.as_chunks::<LENGTH>();
                let total: u64 = each.iter().map(|&size| u64::from(u32::from_le_bytes(size))).sum();
                (Sizes::Each(each), rest.is_empty() && total == bytes.len() as u64)
            }
        };
        let torn = "The sizes of a batch do not fit its bytes.";
        if whole { Ok(Column { bytes, sizes }) } else { Err(Error::new(Code::InvalidArgument, torn).into()) }
    }

    /// The bytes of the first so many.
    fn width(self, count: usize) -> usize {
        self.take(count).map(<[u8]>::len).sum()
    }
}

impl<'a> Iterator for Column<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let size = match &mut self.sizes {
            Sizes::All(size) => *size,
            Sizes::Each(each) => {
                let (size, rest) = each.split_first()?;
                *each = rest;
                u32::from_le_bytes(*size) as usize
            }
        };
        let (item, rest) = self.bytes.split_at_checked(size)?;
        self.bytes = rest;
        Some(item)
    }
}

/// The keys of a call, and its target.
fn keys_and_target<'a>(call: &'a mut Call<'_>) -> Result<(Column<'a>, &'a mut [u8]), Failure> {
    let one = call.size(1)?;
    if one.is_some() {
        let ([bytes], out) = call.bytes_and_target([0], 2)?;
        return Ok((Column::new(bytes, one, &[])?, out));
    }
    let ([bytes, sizes], out) = call.bytes_and_target([0, 1], 2)?;
    Ok((Column::new(bytes, None, sizes)?, out))
}

fn column<'a>(call: &'a Call<'_>, at: usize) -> Result<Column<'a>, Failure> {
    let one = call.size(at + 1)?;
    Column::new(call.bytes(at)?, one, if one.is_none() { call.bytes(at + 1)? } else { &[] })
}

/// Fills the target with a length and the bytes of each value, as far as they fit.
pub fn get_many(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let handle = &bound.handle;
    let (keys, out) = keys_and_target(call)?;
    let map = handle.map()?;
    let (mut used, mut needed) = (0, 0);
    let seen = map.read_many(keys, |value| {
        let length = value.map_or(0, <[u8]>::len);
        let Some(place) = out.get_mut(used..used + LENGTH + length) else {
            needed = LENGTH + length;
            return ControlFlow::Break(());
        };
        let (head, body) = place.split_at_mut(LENGTH);
        head.copy_from_slice(&value.map_or(MISS, |value| value.len() as u32).to_le_bytes());
        body.copy_from_slice(value.unwrap_or_default());
        used += LENGTH + length;
        ControlFlow::Continue(())
    })?;
    handle.set_progress(keys.width(seen));
    let full = seen == 0 && needed > 0;
    Ok(Value::Number(if full { -(needed as f64) } else { used as f64 }))
}

/// Puts values that all have one size into their places in the target, and counts them. A miss leaves its place as it was.
pub fn get_many_fixed(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let wrong = || Error::new(Code::InvalidArgument, "The size of a batch's values is missing.");
    let size = call.size(3)?.filter(|&size| size > 0).ok_or_else(wrong)?;
    let (keys, out) = keys_and_target(call)?;
    let mut places = out.chunks_exact_mut(size);
    let (mut count, mut misfit) = (0, false);
    bound.handle.map()?.read_many(keys, |value| {
        let Some(place) = places.next() else { return ControlFlow::Break(()) };
        let Some(value) = value else { return ControlFlow::Continue(()) };
        if value.len() != size {
            misfit = true;
            return ControlFlow::Break(());
        }
        place.copy_from_slice(value);
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(Value::Number(if misfit { -1.0 } else { f64::from(count) }))
}

/// The values of the first keys as strings, as many as make one array; with the bytes of these keys as progress.
pub fn get_many_texts(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let handle = &bound.handle;
    let keys = column(call, 0)?;
    let mut texts = handle.texts.borrow_mut();
    texts.clear();
    let seen = handle.map()?.read_many(keys, |value| {
        if texts.is_full() {
            return ControlFlow::Break(());
        }
        texts.push(value);
        ControlFlow::Continue(())
    })?;
    handle.set_progress(keys.width(seen));
    texts.give(call, 2)
}

/// Fills the target with a byte per key, and counts those that are there.
pub fn has_many(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let (keys, out) = keys_and_target(call)?;
    let (mut at, mut count) = (0, 0);
    bound.handle.map()?.contains_many(keys, |found| {
        if let Some(place) = out.get_mut(at) {
            *place = u8::from(found);
        }
        at += 1;
        count += usize::from(found);
    })?;
    Ok(Value::Number(count as f64))
}

pub fn set_many(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let (keys, values) = (column(call, 0)?, column(call, 2)?);
    let progress = bound.handle.map()?.put_many(keys.zip(values));
    end(bound, progress, |stored| stored)
}

pub fn delete_many(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let keys = column(call, 0)?;
    let mut removed = 0;
    let progress = bound.handle.map()?.remove_many(keys, |was_there| removed += usize::from(was_there));
    end(bound, progress, |_| removed)
}

fn end(bound: &Bound, progress: Progress, count: impl FnOnce(usize) -> usize) -> Outcome {
    bound.handle.set_progress(progress.done);
    progress.ended?;
    Ok(Value::Number(count(progress.done) as f64))
}
