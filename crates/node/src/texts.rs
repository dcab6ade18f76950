//! Many strings at once: they are made one after the other and cross as one array.

use crate::call::{Call, Failure, Outcome, Value, call_with, string, undefined};
use crate::verbs::not_text;
use napi::sys::{napi_env, napi_value};
use std::ptr;

/// Strings of one array: what a function takes as arguments without a second thought.
const MOST: usize = 256;
/// Bytes of one array's strings, the last one not counted.
const ENOUGH: usize = 64 << 10;

/// Values for one array, copied: no string is made while the engine is inside.
#[derive(Default)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each ends; `None`: there is none.
    ends: Vec<Option<usize>>,
}

impl Texts {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn is_full(&self) -> bool {
        self.ends.len() == MOST || self.bytes.len() >= ENOUGH
    }

    pub fn push(&mut self, value: Option<&[u8]>) {
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.ends.push(value.map(|_| self.bytes.len()));
    }

    fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut from = 0;
        self.ends.iter().map(move |end| end.map(|end| &self.bytes[std::mem::replace(&mut from, end)..end]))
    }

    /// The array.
    pub fn give(&self, call: &Call<'_>, collect: usize) -> Outcome {
        let mut strings = Strings::new(call.env())?;
        for text in self.iter() {
            strings.push(text)?;
        }
        strings.give(call, collect)
    }
}

/// Strings on their way into an array.
pub struct Strings {
    env: napi_env,
    undefined: napi_value,
    values: [napi_value; MOST],
    count: usize,
    bytes: usize,
}

impl Strings {
    pub fn new(env: napi_env) -> Result<Strings, Failure> {
        Ok(Strings { env, undefined: undefined(env)?, values: [ptr::null_mut(); MOST], count: 0, bytes: 0 })
    }

    /// Whether there is room for so many more.
    pub fn has_room(&self, count: usize) -> bool {
        self.count + count <= MOST && self.bytes < ENOUGH
    }

    pub fn push(&mut self, text: Option<&[u8]>) -> Result<(), Failure> {
        self.values[self.count] = match text {
            None => self.undefined,
            Some(bytes) => match string(self.env, bytes)? {
                Some(Value::Raw(value)) => value,
                _ => return Err(not_text()),
            },
        };
        self.count += 1;
        self.bytes += text.map_or(0, <[u8]>::len);
        Ok(())
    }

    /// The array, by the face's function that gives its arguments back as one: a store for each element costs more than all
    /// of them as arguments.
    pub fn give(&self, call: &Call<'_>, collect: usize) -> Outcome {
        Ok(Value::Raw(call_with(self.env, call.raw(collect), self.undefined, &self.values[..self.count])?))
    }
}
