//! A map's directory in one file, without its zeros: what the fuzzers begin with, kept in the repository, so that an input
//! means the same on every machine.

use crate::flip::files::Files;

const RUN: usize = 16;

#[must_use]
pub fn pack(files: &Files) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, number: usize| out.extend_from_slice(&(number as u32).to_le_bytes());
    for (name, bytes) in files.names.iter().zip(&files.bytes) {
        number(&mut out, name.len());
        out.extend_from_slice(name.as_bytes());
        number(&mut out, bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let zeros = bytes[at..].iter().take_while(|byte| **byte == 0).count();
            let from = at + zeros;
            let mut to = from;
            while to < bytes.len() && bytes[to..(to + RUN).min(bytes.len())].iter().any(|byte| *byte != 0) {
                to = (to + RUN).min(bytes.len());
            }
            number(&mut out, zeros);
            number(&mut out, to - from);
            out.extend_from_slice(&bytes[from..to]);
            at = to;
        }
    }
    out
}

/// `None`: these bytes are not from `pack`.
#[must_use]
pub fn unpack(mut bytes: &[u8]) -> Option<Files> {
    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = bytes.split_at_checked(count)?;
        *bytes = rest;
        Some(taken)
    }
    fn number(bytes: &mut &[u8]) -> Option<usize> {
        Some(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?) as usize)
    }
    let mut files = Files::default();
    while !bytes.is_empty() {
        let length = number(&mut bytes)?;
        files.names.push(String::from_utf8(take(&mut bytes, length)?.to_vec()).ok()?);
        let length = number(&mut bytes)?;
        let mut content = Vec::with_capacity(length);
        while content.len() < length {
            content.resize(content.len() + number(&mut bytes)?, 0);
            let count = number(&mut bytes)?;
            content.extend_from_slice(take(&mut bytes, count)?);
        }
        files.bytes.push(content);
    }
    Some(files)
}
