//! The exact sum of floats.

use super::{limbs, round};
use crate::row::varint;

/// The accumulator's width: every float is a multiple of 2^-1074 below 2^1024, which takes 2,098 bits; the other 78 hold the
/// sign and the carries of 2^77 terms.
const LIMBS: usize = 34;
/// The exponent of the accumulator's lowest bit.
pub(super) const EXPONENT: i32 = -1074;
const FRACTION_BITS: u32 = 52;
const EXPONENT_FIELD_SPECIAL: u64 = 0x7ff;

/// A sum of floats without rounding; a term can be taken back. Rounded once, where it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatSum {
    /// The finite terms' sum in units of 2^-1074: two's complement, lowest first.
    limbs: [u64; LIMBS],
    /// How many terms are NaN, infinity, negative infinity.
    specials: [i64; 3],
}

impl Default for FloatSum {
    fn default() -> FloatSum {
        FloatSum { limbs: [0; LIMBS], specials: [0; 3] }
    }
}

/// The significand of a finite float and its place: the float is the one times 2^(the other - 1074), but for its sign.
pub(super) fn parts(value: f64) -> Option<(u64, usize)> {
    let bits = value.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    match bits >> FRACTION_BITS & EXPONENT_FIELD_SPECIAL {
        EXPONENT_FIELD_SPECIAL => None,
        0 => Some((fraction, 0)),
        field => Some((fraction | 1 << FRACTION_BITS, field as usize - 1)),
    }
}

impl FloatSum {
    /// Adds `value` as often as `diff` says, takes it away where that is negative.
    pub fn add(&mut self, value: f64, diff: i64) {
        let Some((significand, place)) = parts(value) else {
            let special = if value.is_nan() { 0 } else { 1 + usize::from(value < 0.0) };
            self.specials[special] += diff;
            return;
        };
        let product = u128::from(significand) * u128::from(diff.unsigned_abs());
        let (limb, shift) = (place / 64, place % 64);
        let low = (product & u128::from(u64::MAX)) << shift;
        let high = ((product >> 64) << shift) + (low >> 64);
        let term = [low as u64, high as u64, (high >> 64) as u64];
        let at = &mut self.limbs[limb..];
        if (value < 0.0) ^ (diff < 0) { limbs::subtract(at, &term) } else { limbs::add(at, &term) }
    }

    /// Adds the terms of another sum.
    pub fn merge(&mut self, other: &FloatSum) {
        limbs::add(&mut self.limbs, &other.limbs);
        self.specials.iter_mut().zip(other.specials).for_each(|(count, more)| *count += more);
    }

    /// The sum, rounded once: to the nearest float, ties to even, infinite where it is too large.
    pub fn sum(&self) -> f64 {
        self.quotient(1)
    }

    /// The sum divided by `count`, which is positive, rounded once.
    pub fn avg(&self, count: i64) -> f64 {
        self.quotient(u64::try_from(count).ok().filter(|&count| count > 0).expect("an average is over something"))
    }

    fn quotient(&self, divisor: u64) -> f64 {
        let [nan, infinite, negative_infinite] = self.specials.map(|count| count != 0);
        if nan || infinite && negative_infinite {
            return crate::row::canonical_f64(f64::NAN);
        } else if infinite {
            return f64::INFINITY;
        } else if negative_infinite {
            return f64::NEG_INFINITY;
        }
        round::nearest(limbs::negative(&self.limbs), &self.magnitude(), EXPONENT, divisor)
    }

    /// Whether all terms are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.specials == [0; 3]
    }

    /// The finite terms' sum without its sign.
    pub(super) fn magnitude(&self) -> [u64; LIMBS] {
        if !limbs::negative(&self.limbs) {
            return self.limbs;
        }
        let mut magnitude = [0; LIMBS];
        limbs::subtract(&mut magnitude, &self.limbs);
        magnitude
    }

    /// Appends the sum; equal sums are equal bytes, and few where the terms are of one magnitude.
    ///
    /// ```text
    /// the finite terms' sum, flagged if specials follow | if specials: NaNs, infinities, negative infinities (zigzag varints)
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) {
        let specials = self.specials != [0; 3];
        limbs::write(&self.limbs, specials, out);
        if specials {
            self.specials.iter().for_each(|&count| varint::write_signed(count, out));
        }
    }

    /// Takes a sum off the front of `bytes`; `None` where there is none as [`FloatSum::write`] writes it.
    pub fn read(bytes: &mut &[u8]) -> Option<FloatSum> {
        let mut sum = FloatSum::default();
        if limbs::read(bytes, &mut sum.limbs)? {
            for count in &mut sum.specials {
                *count = varint::read_signed(bytes)?;
            }
            if sum.specials == [0; 3] {
                return None;
            }
        }
        Some(sum)
    }
}
