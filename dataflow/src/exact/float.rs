//! The exact sum of floats.

use super::round;
use crate::row::varint;

/// The accumulator's width: every float is a multiple of 2^-1074 below 2^1024, which takes 2,098 bits; the other 78 hold the
/// sign and the carries of 2^77 terms.
const LIMBS: usize = 34;
const LIMB_BYTES: usize = 8;
/// The exponent of the accumulator's lowest bit.
const EXPONENT: i32 = -1074;
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

impl FloatSum {
    /// Adds `value` as often as `diff` says, takes it away where that is negative.
    pub fn add(&mut self, value: f64, diff: i64) {
        let bits = value.to_bits();
        let exponent_field = bits >> FRACTION_BITS & EXPONENT_FIELD_SPECIAL;
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        if exponent_field == EXPONENT_FIELD_SPECIAL {
            let special = if value.is_nan() { 0 } else { 1 + usize::from(value < 0.0) };
            self.specials[special] += diff;
            return;
        }
        let (significand, place) = match exponent_field {
            0 => (fraction, 0),
            field => (fraction | 1 << FRACTION_BITS, field as usize - 1),
        };
        let product = u128::from(significand) * u128::from(diff.unsigned_abs());
        let (limb, shift) = (place / 64, place % 64);
        let low = (product & u128::from(u64::MAX)) << shift;
        let high = ((product >> 64) << shift) + (low >> 64);
        let term = [low as u64, high as u64, (high >> 64) as u64];
        let at = &mut self.limbs[limb..];
        if (value < 0.0) ^ (diff < 0) { subtract_limbs(at, &term) } else { add_limbs(at, &term) }
    }

    /// Adds the terms of another sum.
    pub fn merge(&mut self, other: &FloatSum) {
        add_limbs(&mut self.limbs, &other.limbs);
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
        match self.negative() {
            false => round::nearest(false, &self.limbs, EXPONENT, divisor),
            true => {
                let mut magnitude = [0; LIMBS];
                subtract_limbs(&mut magnitude, &self.limbs);
                round::nearest(true, &magnitude, EXPONENT, divisor)
            }
        }
    }

    fn negative(&self) -> bool {
        self.limbs[LIMBS - 1] >> 63 == 1
    }

    /// Appends the sum; equal sums are equal bytes, and few where the terms are of one magnitude.
    ///
    /// ```text
    /// (bytes << 1 | specials follow) varint | if bytes: place of the first byte varint, bytes (two's complement, lowest
    ///     first, neither end superfluous) | if specials: NaNs, infinities, negative infinities (zigzag varints)
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) {
        let specials = self.specials != [0; 3];
        let sign = if self.negative() { u64::MAX } else { 0 };
        let first = self.limbs.iter().position(|&limb| limb != 0).unwrap_or(LIMBS);
        let end = self.limbs.iter().rposition(|&limb| limb != sign).map_or(0, |last| last + 1).max(first);
        let mut bytes = [0; (LIMBS + 1) * LIMB_BYTES];
        for (limb, bytes) in self.limbs[first..end].iter().zip(bytes.chunks_exact_mut(LIMB_BYTES)) {
            bytes.copy_from_slice(&limb.to_le_bytes());
        }
        // Limbs that are all sign were left out, but one of them may be needed to tell it.
        let len = (end - first) * LIMB_BYTES;
        bytes[len..len + LIMB_BYTES].fill(sign as u8);
        let skipped = bytes[..len].iter().position(|&byte| byte != 0).unwrap_or(len);
        let bytes = &bytes[skipped..len + LIMB_BYTES];
        let mut len = bytes.iter().rposition(|&byte| byte != sign as u8).map_or(0, |last| last + 1);
        if first < LIMBS && (len == 0 || bytes[len - 1] >> 7 != (sign as u8) >> 7) {
            len += 1;
        }
        varint::write_unsigned((len as u64) << 1 | u64::from(specials), out);
        if len > 0 {
            varint::write_unsigned((first * LIMB_BYTES + skipped) as u64, out);
            out.extend_from_slice(&bytes[..len]);
        }
        if specials {
            self.specials.iter().for_each(|&count| varint::write_signed(count, out));
        }
    }

    /// Takes a sum off the front of `bytes`; `None` where there is none as [`FloatSum::write`] writes it.
    pub fn read(bytes: &mut &[u8]) -> Option<FloatSum> {
        let mut sum = FloatSum::default();
        let head = varint::read_unsigned(bytes)?;
        let len = usize::try_from(head >> 1).ok()?;
        if len > 0 {
            let start = usize::try_from(varint::read_unsigned(bytes)?).ok()?;
            let (digits, rest) = bytes.split_at_checked(len)?;
            if start.checked_add(len)? > LIMBS * LIMB_BYTES {
                return None;
            }
            *bytes = rest;
            let sign = if digits[len - 1] >> 7 == 1 { 0xff } else { 0 };
            let superfluous = len > 1 && digits[len - 1] == sign && digits[len - 2] >> 7 == sign >> 7;
            if digits[0] == 0 || superfluous {
                return None;
            }
            let mut all = [0; LIMBS * LIMB_BYTES];
            all[start..start + len].copy_from_slice(digits);
            all[start + len..].fill(sign);
            for (limb, bytes) in sum.limbs.iter_mut().zip(all.chunks_exact(LIMB_BYTES)) {
                *limb = u64::from_le_bytes(bytes.try_into().expect("as wide as a limb"));
            }
        }
        if head & 1 == 1 {
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

/// Adds `term`, shorter or as long, and carries on as far as it goes.
fn add_limbs(limbs: &mut [u64], term: &[u64]) {
    let mut carry = false;
    for (limb, &more) in limbs.iter_mut().zip(term) {
        (*limb, carry) = limb.carrying_add(more, carry);
    }
    for limb in &mut limbs[term.len()..] {
        if !carry {
            return;
        }
        (*limb, carry) = limb.overflowing_add(1);
    }
}

/// Subtracts `term`, shorter or as long, and borrows as far as it goes.
fn subtract_limbs(limbs: &mut [u64], term: &[u64]) {
    let mut borrow = false;
    for (limb, &less) in limbs.iter_mut().zip(term) {
        (*limb, borrow) = limb.borrowing_sub(less, borrow);
    }
    for limb in &mut limbs[term.len()..] {
        if !borrow {
            return;
        }
        (*limb, borrow) = limb.overflowing_sub(1);
    }
}
