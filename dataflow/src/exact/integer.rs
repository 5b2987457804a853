//! The exact sum of integers and decimals.

use arrow::datatypes::i256;

use super::{OutOfRange, round};

/// A sum of integers, or of decimals of one scale, without overflow; a term can be taken back.
///
/// It is kept modulo 2^256. Terms are below 2^127 in magnitude, so it would take 2^128 of them to go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntSum(i256);

impl IntSum {
    /// Adds `value` as often as `diff` says, takes it away where that is negative.
    pub fn add(&mut self, value: i128, diff: i64) {
        let term = match value.checked_mul(i128::from(diff)) {
            Some(term) => i256::from_i128(term),
            None => i256::from_i128(value).wrapping_mul(i256::from_i128(i128::from(diff))),
        };
        self.0 = self.0.wrapping_add(term);
    }

    /// Adds the terms of another sum.
    pub fn merge(&mut self, other: &IntSum) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// The sum of integers.
    pub fn sum(&self) -> Result<i64, OutOfRange> {
        let fits = self.0.to_i128().and_then(|sum| i64::try_from(sum).ok());
        fits.ok_or_else(|| OutOfRange { what: "sum", data_type: "BIGINT".into() })
    }

    /// The sum of decimals, as a decimal of their scale and this precision.
    pub fn decimal_sum(&self, precision: u8, scale: i8) -> Result<i128, OutOfRange> {
        decimal("sum", self.0, precision, scale)
    }

    /// The sum divided by `count`, which is positive, as the nearest float, ties to even.
    pub fn avg(&self, count: i64) -> f64 {
        round::nearest(self.0.is_negative(), &self.magnitude(), 0, positive(count) as u64)
    }

    /// The sum without its sign, lowest 64 bits first.
    pub(super) fn magnitude(&self) -> [u64; 4] {
        let (low, high) = self.0.wrapping_abs().to_parts();
        [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64]
    }

    /// The sum of decimals of scale `from_scale` divided by `count`, which is positive, as a decimal of this precision and
    /// scale, which is not smaller; half a unit is rounded away from zero.
    pub fn decimal_avg(&self, count: i64, from_scale: i8, precision: u8, scale: i8) -> Result<i128, OutOfRange> {
        let finer = u32::try_from(scale - from_scale).expect("an average keeps the scale of its terms");
        let count = i256::from_i128(i128::from(positive(count)));
        let scaled = i256::from_i128(10).checked_pow(finer).and_then(|power| self.0.checked_mul(power));
        let scaled = scaled.ok_or_else(|| out_of_range("avg", precision, scale))?;
        let (quotient, remainder) = (scaled.wrapping_div(count), scaled.wrapping_rem(count));
        let half_or_more = remainder.wrapping_abs() >= count.wrapping_sub(remainder.wrapping_abs());
        let away = if half_or_more { scaled.signum() } else { i256::ZERO };
        decimal("avg", quotient.wrapping_add(away), precision, scale)
    }

    /// Appends the sum: a length and so many bytes, two's complement, lowest first, none superfluous.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bytes = self.0.to_le_bytes();
        let sign = if self.0.is_negative() { 0xff } else { 0 };
        let mut len = bytes.iter().rposition(|&byte| byte != sign).map_or(0, |last| last + 1);
        if sign == 0xff && len == 0 || len > 0 && bytes[len - 1] >> 7 != sign >> 7 {
            len += 1;
        }
        out.push(len as u8);
        out.extend_from_slice(&bytes[..len]);
    }

    /// Takes a sum off the front of `bytes`; `None` where there is none as [`IntSum::write`] writes it.
    pub fn read(bytes: &mut &[u8]) -> Option<IntSum> {
        let (&len, rest) = bytes.split_first()?;
        let (digits, rest) = rest.split_at_checked(usize::from(len))?;
        let sign = if digits.last().is_some_and(|&last| last >> 7 == 1) { 0xff } else { 0 };
        let superfluous = match digits {
            [0] => true,
            [.., before, last] => *last == sign && before >> 7 == sign >> 7,
            _ => false,
        };
        if superfluous {
            return None;
        }
        let mut all = [sign; 32];
        all.get_mut(..digits.len())?.copy_from_slice(digits);
        *bytes = rest;
        Some(IntSum(i256::from_le_bytes(all)))
    }
}

fn positive(count: i64) -> i64 {
    assert!(count > 0, "an average is over something");
    count
}

/// `value` where it has at most `precision` digits.
fn decimal(what: &'static str, value: i256, precision: u8, scale: i8) -> Result<i128, OutOfRange> {
    let bound = 10i128.pow(u32::from(precision));
    let fits = value.to_i128().filter(|value| -bound < *value && *value < bound);
    fits.ok_or_else(|| out_of_range(what, precision, scale))
}

fn out_of_range(what: &'static str, precision: u8, scale: i8) -> OutOfRange {
    OutOfRange { what, data_type: format!("DECIMAL({precision}, {scale})") }
}
