//! The verbs of many keys. Lists of keys and entries cross packed, in memory that the caller brings.

use crate::call::{Call, Failure, Outcome, Value};
use crate::verbs::Bound;
use opendiskmap::{Code, Error, Progress};
use std::ops::ControlFlow;

const LENGTH: usize = 4;
/// In the place of a value's length.
const MISS: u32 = u32::MAX;

/// Keys of one size, or each after its length.
struct Keys<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl<'a> Keys<'a> {
    fn new(bytes: &'a [u8], size: usize) -> Result<Keys<'a>, Failure> {
        let keys = Keys { bytes, size };
        // Seen whole before anything is done, so that the keys can then be walked without a doubt.
        let mut rest = Keys { bytes, size };
        while !rest.bytes.is_empty() {
            rest.next().ok_or_else(malformed)?;
        }
        Ok(keys)
    }

    /// Bytes of a key in the list.
    fn width(&self, key: &[u8]) -> usize {
        if self.size > 0 { self.size } else { LENGTH + key.len() }
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let length = match self.size {
            0 => take_length(&mut self.bytes)?,
            size => size,
        };
        let (key, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(key)
    }
}

/// Entries as an iteration's page holds them: two lengths, key, value.
struct Entries<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let key = take_length(&mut self.bytes)?;
        let value = take_length(&mut self.bytes)?;
        let (key, rest) = self.bytes.split_at_checked(key)?;
        let (value, rest) = rest.split_at_checked(value)?;
        self.bytes = rest;
        Some((key, value))
    }
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*length) as usize)
}

fn malformed() -> Failure {
    Error::new(Code::InvalidArgument, "The packed list is cut short.").into()
}

/// Fills the third argument with a length and the bytes of each value, as far as they fit.
pub fn get_many(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let size = call.len(1)?;
    let handle = &bound.handle;
    let (bytes, out) = call.bytes_and_target(0, 2)?;
    let keys = Keys::new(bytes, size)?;
    let map = handle.map()?;
    let (mut used, mut needed) = (0, 0);
    let seen = map.read_many(Keys { ..keys }, |value| {
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
    let consumed = Keys { ..keys }.take(seen).map(|key| keys.width(key)).sum();
    handle.set_progress(consumed);
    let full = seen == 0 && needed > 0;
    Ok(Value::Number(if full { -(needed as f64) } else { used as f64 }))
}

/// Fills the third argument with a byte per key, and counts those that are there.
pub fn has_many(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let size = call.len(1)?;
    let (bytes, out) = call.bytes_and_target(0, 2)?;
    let keys = Keys::new(bytes, size)?;
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
    let bytes = call.bytes(0)?;
    let mut rest = Entries { bytes };
    while !rest.bytes.is_empty() {
        rest.next().ok_or_else(malformed)?;
    }
    let progress = bound.handle.map()?.put_many(Entries { bytes });
    end(bound, progress, |stored| stored)
}

pub fn delete_many(call: &mut Call<'_>, bound: &Bound) -> Outcome {
    let keys = Keys::new(call.bytes(0)?, call.len(1)?)?;
    let mut removed = 0;
    let progress = bound.handle.map()?.remove_many(keys, |was_there| removed += usize::from(was_there));
    end(bound, progress, |_| removed)
}

fn end(bound: &Bound, progress: Progress, count: impl FnOnce(usize) -> usize) -> Outcome {
    bound.handle.set_progress(progress.done);
    progress.ended?;
    Ok(Value::Number(count(progress.done) as f64))
}
