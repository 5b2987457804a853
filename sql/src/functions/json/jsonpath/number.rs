//! The numbers of documents, as they are written, compared and computed with as PostgreSQL's numerics.

use std::cmp::Ordering;
use std::fmt;

use arrow::datatypes::i256;

/// Decimal digits that a quotient has at least.
const QUOTIENT_DIGITS: i32 = 16;

/// Digits, and how many of them are behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    digits: i128,
    scale: u32,
}

impl Number {
    /// None where it has more digits than are computed with.
    pub fn read(written: &str) -> Option<Number> {
        let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
        Number::of(format!("{whole}{fraction}").parse().ok()?, fraction.len() as u32)
    }

    /// None for the one that has no negative.
    fn of(digits: i128, scale: u32) -> Option<Number> {
        (digits != i128::MIN).then_some(Number { digits, scale })
    }

    fn at_scale(self, scale: u32) -> Option<i128> {
        self.digits.checked_mul(10_i128.checked_pow(scale - self.scale)?)
    }

    pub fn plus(self, other: Number) -> Option<Number> {
        let scale = self.scale.max(other.scale);
        Number::of(self.at_scale(scale)?.checked_add(other.at_scale(scale)?)?, scale)
    }

    pub fn negative(self) -> Number {
        Number { digits: -self.digits, ..self }
    }

    pub fn times(self, other: Number) -> Option<Number> {
        Number::of(self.digits.checked_mul(other.digits)?, self.scale + other.scale)
    }

    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// What is left of a division by a number that is not zero, with the sign of this one.
    pub fn modulo(self, other: Number) -> Option<Number> {
        let scale = self.scale.max(other.scale);
        Some(Number { digits: self.at_scale(scale)?.checked_rem(other.at_scale(scale)?)?, scale })
    }

    /// Divided by a number that is not zero, to as many digits as PostgreSQL gives.
    pub fn over(self, other: Number) -> Option<Number> {
        let scale = quotient_scale(self, other);
        let shift = scale as i32 + other.scale as i32 - self.scale as i32;
        let ten = |power: i32| i256::from_i128(10).checked_pow(u32::try_from(power).ok()?);
        let (dividend, divisor) = (i256::from_i128(self.digits), i256::from_i128(other.digits));
        let (dividend, divisor) = match shift {
            0.. => (dividend.checked_mul(ten(shift)?)?, divisor),
            _ => (dividend, divisor.checked_mul(ten(-shift)?)?),
        };
        let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
        let twice = rest.checked_mul(i256::from_i128(2))?;
        let away = twice.checked_abs()? >= divisor.checked_abs()?;
        let negative = (self.digits < 0) != (other.digits < 0);
        let step = if !away {
            0
        } else if negative {
            -1
        } else {
            1
        };
        Number::of(quotient.checked_add(i256::from_i128(step))?.to_i128()?, scale)
    }

    /// The whole number at or below it, or at or above it.
    pub fn whole(self, up: bool) -> Number {
        let (down, rest) = match 10_i128.checked_pow(self.scale) {
            Some(unit) => (self.digits.div_euclid(unit), self.digits.rem_euclid(unit) > 0),
            // There are fewer digits than are behind the point.
            None => (if self.digits < 0 { -1 } else { 0 }, self.digits != 0),
        };
        Number { digits: if up && rest { down + 1 } else { down }, scale: 0 }
    }

    /// What is before the point.
    pub fn truncated(self) -> i128 {
        10_i128.checked_pow(self.scale).map_or(0, |unit| self.digits / unit)
    }
}

/// PostgreSQL's choice of digits behind the point, by the first groups of four digits.
fn quotient_scale(dividend: Number, divisor: Number) -> u32 {
    let (first, of_first) = leading(dividend);
    let (second, of_second) = leading(divisor);
    let weight = first - second - i32::from(of_first <= of_second);
    let scale = QUOTIENT_DIGITS - weight * 4;
    scale.max(dividend.scale as i32).max(divisor.scale as i32).max(0) as u32
}

/// Where the first group of four digits that is not zero stands, counted from the point, and what it is.
fn leading(number: Number) -> (i32, u32) {
    let digits = number.digits.unsigned_abs().to_string();
    if number.digits == 0 {
        return (0, 0);
    }
    // The place of the first digit: 0 is that of ones.
    let place = digits.len() as i32 - 1 - number.scale as i32;
    let weight = place.div_euclid(4);
    let width = (place.rem_euclid(4) + 1) as usize;
    let group: String = digits.chars().chain("0000".chars()).take(width).collect();
    (weight, group.parse().expect("they are digits"))
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let scale = self.scale as usize;
        let digits = format!("{:0width$}", self.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        match fraction {
            "" => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

/// The order of two numbers as they are written, however long.
pub fn compare(left: &str, right: &str) -> Ordering {
    fn parts(number: &str) -> (bool, &str, &str) {
        let size = number.trim_start_matches('-');
        let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
        (number.starts_with('-'), whole, fraction.trim_end_matches('0'))
    }
    let ((minus, whole, fraction), (other_minus, other_whole, other_fraction)) = (parts(left), parts(right));
    let zero = |whole: &str, fraction: &str| whole == "0" && fraction.is_empty();
    let minus = minus && !zero(whole, fraction);
    let other_minus = other_minus && !zero(other_whole, other_fraction);
    if minus != other_minus {
        return other_minus.cmp(&minus);
    }
    let size = (whole.len(), whole, fraction).cmp(&(other_whole.len(), other_whole, other_fraction));
    if minus { size.reverse() } else { size }
}
