//! The exact sum of squares, from which, with the exact sum, the variance is rounded once.

use super::float::{EXPONENT, FloatSum};
use super::integer::IntSum;
use super::{limbs, round};

/// Squares of integers are below 2^254, so many terms that their number takes 63 bits below 2^317.
const INT_LIMBS: usize = 6;
/// Every square of a float is a multiple of 2^-2148 below 2^2048, which takes 4,196 bits; the others hold the carries.
const FLOAT_LIMBS: usize = 67;
/// Powers of ten that fit a limb.
const POWER_MAX: u32 = 19;

/// What the variance is of: a sample is divided by one less than its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spread {
    Sample,
    Population,
}

impl Spread {
    /// Of how many values there must be to have one.
    pub fn least(self) -> i64 {
        match self {
            Spread::Sample => 2,
            Spread::Population => 1,
        }
    }
}

/// A sum of squares of integers, or of decimals of one scale; a term can be taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntSquares([u64; INT_LIMBS]);

/// A sum of squares of floats; a term can be taken back. Terms that are not finite are counted by the [`FloatSum`] beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatSquares([u64; FLOAT_LIMBS]);

impl Default for FloatSquares {
    fn default() -> FloatSquares {
        FloatSquares([0; FLOAT_LIMBS])
    }
}

impl IntSquares {
    /// Adds the square of `value` as often as `diff` says, takes it away where that is negative.
    pub fn add(&mut self, value: i128, diff: i64) {
        let value = value.unsigned_abs();
        let value = [value as u64, (value >> 64) as u64];
        let term = limbs::product(&limbs::product(&value, &value), &[diff.unsigned_abs()]);
        if diff < 0 { limbs::subtract(&mut self.0, &term) } else { limbs::add(&mut self.0, &term) }
    }

    /// Adds the terms of another sum.
    pub fn merge(&mut self, other: &IntSquares) {
        limbs::add(&mut self.0, &other.0);
    }

    /// The variance of `count` values with this sum, [`Spread::least`] at least, decimals of this scale: the nearest float.
    pub fn variance(&self, sum: &IntSum, count: i64, scale: i8, of: Spread) -> f64 {
        let mut divisors = divisors(count, of);
        let mut digits = 2 * u32::try_from(scale).expect("scales are not negative");
        while digits > 0 {
            let power = digits.min(POWER_MAX);
            divisors.push(10_u64.pow(power));
            digits -= power;
        }
        variance(count, &sum.magnitude(), &self.0, 0, &divisors)
    }

    /// Appends the sum.
    pub fn write(&self, out: &mut Vec<u8>) {
        limbs::write(&self.0, false, out);
    }

    /// Takes a sum off the front of `bytes`; `None` where there is none as [`IntSquares::write`] writes it.
    pub fn read(bytes: &mut &[u8]) -> Option<IntSquares> {
        let mut squares = IntSquares::default();
        (!limbs::read(bytes, &mut squares.0)?).then_some(squares)
    }
}

impl FloatSquares {
    /// Adds the square of `value` as often as `diff` says, takes it away where that is negative.
    pub fn add(&mut self, value: f64, diff: i64) {
        let Some((significand, place)) = super::float::parts(value) else { return };
        let square = u128::from(significand) * u128::from(significand);
        let term = limbs::product(&[square as u64, (square >> 64) as u64], &[diff.unsigned_abs()]);
        let (limb, shift) = (2 * place / 64, 2 * place % 64);
        let mut shifted = [0; 4];
        for (at, &digits) in term.iter().enumerate() {
            let digits = u128::from(digits) << shift;
            shifted[at] |= digits as u64;
            shifted[at + 1] |= (digits >> 64) as u64;
        }
        let at = &mut self.0[limb..];
        if diff < 0 { limbs::subtract(at, &shifted) } else { limbs::add(at, &shifted) }
    }

    /// Adds the terms of another sum.
    pub fn merge(&mut self, other: &FloatSquares) {
        limbs::add(&mut self.0, &other.0);
    }

    /// The variance of `count` values with this sum, [`Spread::least`] at least: the nearest float, NaN where one of them is
    /// not finite.
    pub fn variance(&self, sum: &FloatSum, count: i64, of: Spread) -> f64 {
        if !sum.is_finite() {
            return crate::row::canonical_f64(f64::NAN);
        }
        variance(count, &sum.magnitude(), &self.0, 2 * EXPONENT, &divisors(count, of))
    }

    /// Appends the sum.
    pub fn write(&self, out: &mut Vec<u8>) {
        limbs::write(&self.0, false, out);
    }

    /// Takes a sum off the front of `bytes`; `None` where there is none as [`FloatSquares::write`] writes it.
    pub fn read(bytes: &mut &[u8]) -> Option<FloatSquares> {
        let mut squares = FloatSquares::default();
        (!limbs::read(bytes, &mut squares.0)?).then_some(squares)
    }
}

fn divisors(count: i64, of: Spread) -> Vec<u64> {
    assert!(count >= of.least(), "a variance is of {} values or more", of.least());
    match of {
        Spread::Sample => vec![count as u64, count as u64 - 1],
        Spread::Population => vec![count as u64, count as u64],
    }
}

/// (count * squares - sum^2) * 2^exponent, divided by all the divisors and rounded once.
fn variance(count: i64, sum: &[u64], squares: &[u64], exponent: i32, divisors: &[u64]) -> f64 {
    // Sums are wide and mostly zero: only what is not is multiplied.
    let first = sum.iter().position(|&limb| limb != 0).unwrap_or(sum.len());
    let end = sum.iter().rposition(|&limb| limb != 0).map_or(first, |last| last + 1);
    let of_squares = limbs::product(squares, &[count as u64]);
    let of_sum = limbs::product(&sum[first..end], &sum[first..end]);
    // Zeros below let every division but the last keep far more digits than a float has.
    let below = divisors.len() + 2;
    let mut number = vec![0; below + of_squares.len().max(2 * first + of_sum.len())];
    number[below..][..of_squares.len()].copy_from_slice(&of_squares);
    limbs::subtract(&mut number[below + 2 * first..], &of_sum);
    let (last, others) = divisors.split_last().expect("a variance is divided");
    let mut inexact = false;
    for &divisor in others {
        inexact |= limbs::divide(&mut number, divisor);
    }
    // What remains is less than a unit; any digit further below stands for it.
    number.insert(0, u64::from(inexact));
    round::nearest(false, &number, exponent - 64 * (below as i32 + 1), *last)
}
