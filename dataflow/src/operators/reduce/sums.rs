//! The sums of groups, as the accumulators keep them.

use crate::row::CorruptRow;

/// A sum of integers or of decimals of one scale.
#[derive(Clone, Default)]
pub(super) struct IntSum(i128);

/// A sum of floats.
#[derive(Clone, Default)]
pub(super) struct FloatSum(f64);

impl IntSum {
    pub(super) fn add(&mut self, value: i128, times: i64) {
        self.0 += value * i128::from(times);
    }

    pub(super) fn to_i64(&self) -> Option<i64> {
        self.0.try_into().ok()
    }

    pub(super) fn to_decimal(&self, digits: u32) -> Option<i128> {
        (self.0.unsigned_abs() < 10_u128.pow(digits)).then_some(self.0)
    }

    pub(super) fn mean(&self, count: i64) -> f64 {
        self.0 as f64 / count as f64
    }

    pub(super) fn mean_decimal(&self, count: i64, scale_up: u32) -> Option<i128> {
        let (sum, count) = (self.0.checked_mul(10_i128.pow(scale_up))?, i128::from(count));
        let away = if sum < 0 { -count / 2 } else { count / 2 };
        Some((sum + away) / count)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    pub(super) fn read(bytes: &mut &[u8]) -> Result<IntSum, CorruptRow> {
        let (sum, rest) = bytes.split_first_chunk().ok_or_else(|| CorruptRow("a sum is cut short".into()))?;
        *bytes = rest;
        Ok(IntSum(i128::from_le_bytes(*sum)))
    }
}

impl FloatSum {
    pub(super) fn add(&mut self, value: f64, times: i64) {
        self.0 += value * times as f64;
    }

    pub(super) fn value(&self) -> f64 {
        self.0
    }

    pub(super) fn mean(&self, count: i64) -> f64 {
        self.0 / count as f64
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    pub(super) fn read(bytes: &mut &[u8]) -> Result<FloatSum, CorruptRow> {
        let (sum, rest) = bytes.split_first_chunk().ok_or_else(|| CorruptRow("a sum is cut short".into()))?;
        *bytes = rest;
        Ok(FloatSum(f64::from_le_bytes(*sum)))
    }
}
