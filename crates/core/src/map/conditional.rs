//! Changes that depend on the value that is there, decided inside the engine: read, decide, store if nothing else was
//! stored meanwhile. Whoever loses a race goes round again; somebody else has come through then, so all of them do.

use super::Map;
use crate::{Code, Error, Result};

/// A number as the codecs `native.*` store it: little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberType {
    /// 8 bits, without sign.
    U8,
    /// 16 bits, without sign.
    U16,
    /// 32 bits, without sign.
    U32,
    /// 64 bits, without sign.
    U64,
    /// 8 bits.
    I8,
    /// 16 bits.
    I16,
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// What is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// To an integer.
    Int(i128),
    /// To a float.
    Float(f64),
}

impl NumberType {
    /// Every type, in the order of their numbers at the boundary.
    pub const ALL: [NumberType; 10] = {
        use NumberType::{F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
        [U8, U16, U32, U64, I8, I16, I32, I64, F32, F64]
    };

    /// Bytes of a number.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            NumberType::U8 | NumberType::I8 => 1,
            NumberType::U16 | NumberType::I16 => 2,
            NumberType::U32 | NumberType::I32 | NumberType::F32 => 4,
            NumberType::U64 | NumberType::I64 | NumberType::F64 => 8,
        }
    }

    /// Whether its numbers are floats.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, NumberType::F32 | NumberType::F64)
    }

    const fn is_signed(self) -> bool {
        matches!(self, NumberType::I8 | NumberType::I16 | NumberType::I32 | NumberType::I64)
    }

    fn integer(self, bytes: &[u8]) -> i128 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let unused = 64 - 8 * bytes.len();
        let raised = u64::from_le_bytes(wide) << unused;
        if self.is_signed() { i128::from((raised as i64) >> unused) } else { i128::from(raised >> unused) }
    }

    fn float(self, bytes: &[u8]) -> f64 {
        match self {
            NumberType::F32 => f64::from(f32::from_le_bytes(bytes.try_into().unwrap_or_default())),
            _ => f64::from_le_bytes(bytes.try_into().unwrap_or_default()),
        }
    }

    /// The number's bytes, the first `size` of the eight; `None` where it does not fit the type.
    fn encode_integer(self, number: i128) -> Option<[u8; 8]> {
        let bits = 8 * self.size() as u32;
        let (low, high) = if self.is_signed() {
            (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
        } else {
            (0, (1i128 << bits) - 1)
        };
        (low..=high).contains(&number).then(|| (number as u64).to_le_bytes())
    }

    /// There is one NaN, as with the codecs: else the same number would have several bytes.
    fn encode_float(self, number: f64) -> [u8; 8] {
        let mut bytes = [0; 8];
        let number = if number.is_nan() { f64::NAN } else { number };
        match self {
            NumberType::F32 => bytes[..4].copy_from_slice(&(number as f32).to_le_bytes()),
            _ => bytes = number.to_le_bytes(),
        }
        bytes
    }

    /// The sum's bytes. A sum that leaves the type is an error, and so is a float's that leaves the finite ones.
    fn add(self, old: Option<&[u8]>, by: Amount) -> Result<[u8; 8]> {
        let wrong = |what: &str| Error::new(Code::InvalidArgument, format!("{what} Nothing was changed."));
        if old.is_some_and(|bytes| bytes.len() != self.size()) {
            return Err(Error::corrupt("a stored number has another length than its codec writes"));
        }
        match (self.is_float(), by) {
            (false, Amount::Int(by)) => {
                let sum = old.map_or(0, |bytes| self.integer(bytes)).checked_add(by);
                sum.and_then(|sum| self.encode_integer(sum)).ok_or_else(out_of_range)
            }
            (true, Amount::Float(by)) => {
                let old = old.map_or(0.0, |bytes| self.float(bytes));
                let bytes = self.encode_float(old + by);
                let left = old.is_finite() && by.is_finite() && !self.float(&bytes[..self.size()]).is_finite();
                if left { Err(out_of_range()) } else { Ok(bytes) }
            }
            (false, Amount::Float(_)) => Err(wrong("An integer is added to an integer, not a float.")),
            (true, Amount::Int(_)) => Err(wrong("A float is added to a float, not an integer.")),
        }
    }
}

#[cold]
fn out_of_range() -> Error {
    Error::new(
        Code::InvalidValue,
        "The sum is outside the range of the value's type. Nothing was changed; add less, or use a wider type.",
    )
}

impl Map {
    /// Stores `next` (`None`: removes the key) if the key's value has the bytes `expected` (`None`: the key is absent);
    /// whether it had.
    ///
    /// # Errors
    /// As [`put`](Map::put).
    pub fn compare_and_set(&self, key: &[u8], expected: Option<&[u8]>, next: Option<&[u8]>) -> Result<bool> {
        self.writable()?;
        loop {
            let mut same = false;
            let found = self.read_with(key, &mut |bytes| same = expected == Some(bytes))?;
            let seq = match found {
                None => None,
                Some((seq, None)) => Some(seq),
                Some((seq, Some(extent))) => {
                    if expected.is_some_and(|expected| expected.len() == extent.len()) {
                        let mut long = Vec::new();
                        extent.append_to(&mut long)?;
                        same = expected == Some(&long);
                    }
                    Some(seq)
                }
            };
            if seq.is_some() != expected.is_some() || seq.is_some() && !same {
                return Ok(false);
            }
            if self.swap(key, seq, next)? {
                return Ok(true);
            }
        }
    }

    /// Adds to a number and returns the sum's bytes, of which the type's size counts. An absent key counts as 0.
    ///
    /// # Errors
    /// `ERR_INVALID_VALUE` where the sum leaves the type's range, `ERR_CORRUPT` where the value has another length than the
    /// type; else as [`put`](Map::put).
    pub fn increment(&self, key: &[u8], number: NumberType, by: Amount) -> Result<[u8; 8]> {
        self.writable()?;
        loop {
            let mut sum = number.add(None, by);
            let found = self.read_with(key, &mut |bytes| sum = number.add(Some(bytes), by))?;
            if let Some((_, Some(_))) = found {
                // A value this long is no number.
                sum = number.add(Some(&[]), by);
            }
            let sum = sum?;
            if self.swap(key, found.map(|(seq, _)| seq), Some(&sum[..number.size()]))? {
                return Ok(sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_type_ends_at_its_own_limits() {
        for number in NumberType::ALL.into_iter().filter(|number| !number.is_float()) {
            let bits = 8 * number.size() as u32;
            let (low, high) = match number.is_signed() {
                true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
                false => (0, (1i128 << bits) - 1),
            };
            for limit in [low, high] {
                let bytes = number.add(None, Amount::Int(limit)).unwrap();
                let bytes = &bytes[..number.size()];
                assert_eq!(number.integer(bytes), limit, "{number:?}");
                let beyond = number.add(Some(bytes), Amount::Int(limit.signum().max(0) * 2 - 1));
                assert_eq!(beyond.unwrap_err().code(), Code::InvalidValue, "{number:?}");
                assert_eq!(number.integer(&number.add(Some(bytes), Amount::Int(-limit)).unwrap()[..bytes.len()]), 0);
            }
            assert!(number.add(None, Amount::Int(i128::MAX)).is_err());
            assert_eq!(number.add(Some(&[0; 9]), Amount::Int(1)).unwrap_err().code(), Code::Corrupt);
            assert_eq!(number.add(None, Amount::Float(1.0)).unwrap_err().code(), Code::InvalidArgument);
        }
    }

    #[test]
    fn a_float_stays_finite_unless_it_was_not() {
        let sum = |number: NumberType, old: f64, by: f64| {
            let old = number.encode_float(old);
            number.add(Some(&old[..number.size()]), Amount::Float(by)).map(|sum| number.float(&sum[..number.size()]))
        };
        assert_eq!(sum(NumberType::F64, 0.5, 0.25).unwrap(), 0.75);
        assert_eq!(sum(NumberType::F32, 1.0, 1e-9).unwrap(), 1.0, "rounded to single precision");
        assert_eq!(sum(NumberType::F64, f64::MAX, f64::MAX).unwrap_err().code(), Code::InvalidValue);
        assert_eq!(sum(NumberType::F32, f64::from(f32::MAX), 1e32).unwrap_err().code(), Code::InvalidValue);
        assert_eq!(sum(NumberType::F64, f64::INFINITY, 1.0).unwrap(), f64::INFINITY);
        assert!(sum(NumberType::F32, f64::NAN, 1.0).unwrap().is_nan());
        let none = NumberType::F64.encode_float(f64::INFINITY + f64::NEG_INFINITY);
        assert_eq!(none, 0x7ff8_0000_0000_0000u64.to_le_bytes(), "there is one NaN");
        assert_eq!(NumberType::F32.encode_float(-f64::NAN)[..4], 0x7fc0_0000u32.to_le_bytes());
    }
}
