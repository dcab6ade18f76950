//! Values of many types under the codec `arch`, for whoever writes the same bytes in another language: values drawn from a seed,
//! as JSON and as the bytes that rkyv makes of them, and back.

pub mod draws;
pub mod kinds;
pub mod map;
pub mod sample;
pub mod types;

use serde_json::Value;
use std::fmt::Write;

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // A string takes all that is written to it.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<Vec<u8>>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// A value that is archived: what it is, and its bytes.
pub struct Archived {
    pub json: Value,
    pub bytes: Vec<u8>,
}
