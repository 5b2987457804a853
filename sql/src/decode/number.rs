//! Integers and decimals from the text of a number, exactly: never by way of a float.

use dataflow::row::canonical_f64;

/// Digits that a 128-bit decimal holds.
const DIGITS_MAX: usize = 38;

/// Why a text is not a number of the scale asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotANumber {
    /// Not a number at all.
    Syntax,
    /// More digits than fit.
    Range,
    /// Digits behind the scale would be lost, and `exact` was asked for.
    Fraction,
}

/// A decimal number, taken apart: `digits * 10^exponent`.
struct Parts {
    negative: bool,
    /// ASCII digits without leading zeros.
    digits: Vec<u8>,
    exponent: i64,
}

/// Reads `[+-]digits[.digits][e[+-]digits]`.
fn parts(text: &str) -> Option<Parts> {
    let (negative, rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let all = whole.bytes().chain(fraction.bytes());
    if !all.clone().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = all.skip_while(|&byte| byte == b'0').collect();
    Some(Parts { negative, digits, exponent: exponent.checked_sub(fraction.len() as i64)? })
}

/// An exponent; one too large for any number is cut to one that is out of range all the same.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Some(if text.starts_with('-') { -size } else { size })
}

/// The number in units of `10^-scale`. What is behind the scale is rounded half away from zero, as PostgreSQL does;
/// with `exact` it must be zeros.
pub fn scaled(text: &str, scale: i8, exact: bool) -> Result<i128, NotANumber> {
    let Parts { negative, mut digits, exponent } = parts(text).ok_or(NotANumber::Syntax)?;
    if digits.is_empty() {
        return Ok(0);
    }
    let shift = exponent.saturating_add(i64::from(scale));
    let mut round_up = false;
    if shift >= 0 {
        if digits.len() as i64 + shift > DIGITS_MAX as i64 + 1 {
            return Err(NotANumber::Range);
        }
        digits.resize(digits.len() + shift as usize, b'0');
    } else {
        let dropped = usize::try_from(-shift).unwrap_or(usize::MAX);
        let kept = digits.len().saturating_sub(dropped);
        if exact && digits[kept..].iter().any(|&digit| digit != b'0') {
            return Err(NotANumber::Fraction);
        }
        round_up = dropped <= digits.len() && digits[kept] >= b'5';
        digits.truncate(kept);
    }
    let mut value: i128 = 0;
    for digit in digits {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0')));
        value = next.ok_or(NotANumber::Range)?;
    }
    value += i128::from(round_up);
    Ok(if negative { -value } else { value })
}

/// A decimal of this precision and scale.
pub fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, NotANumber> {
    let value = scaled(text, scale, false)?;
    if value.unsigned_abs() >= 10_u128.pow(u32::from(precision)) {
        return Err(NotANumber::Range);
    }
    Ok(value)
}

/// A whole number; `1.0` and `1e3` are whole, `1.5` is not.
pub fn integer(text: &str) -> Result<i64, NotANumber> {
    match text.parse::<i64>() {
        Ok(value) => Ok(value),
        Err(_) => i64::try_from(scaled(text, 0, true)?).map_err(|_| NotANumber::Range),
    }
}

/// A finite float.
pub fn float(text: &str) -> Result<f64, NotANumber> {
    parts(text).ok_or(NotANumber::Syntax)?;
    let value: f64 = text.parse().map_err(|_| NotANumber::Syntax)?;
    if value.is_finite() { Ok(canonical_f64(value)) } else { Err(NotANumber::Range) }
}

/// Appends the decimal `unscaled * 10^-scale` as text.
pub fn write_decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    let digits = unscaled.unsigned_abs().to_string();
    if unscaled < 0 {
        out.push(b'-');
    }
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        if unscaled != 0 {
            out.resize(out.len() + scale.unsigned_abs() as usize, b'0');
        }
        return;
    }
    let scale = scale as usize;
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    out.push(b'.');
    out.extend_from_slice(fraction.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn a_number_keeps_every_digit_of_its_text() {
        assert_eq!(decimal("0.1", 38, 20), Ok(10_000_000_000_000_000_000));
        assert_eq!(
            decimal("12345678901234567890123456789012345678", 38, 0),
            Ok(12345678901234567890123456789012345678)
        );
        assert_eq!(integer("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(integer("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(integer("9223372036854775808"), Err(NotANumber::Range));
        assert_eq!(integer("1e3"), Ok(1000));
        assert_eq!(integer("1.0"), Ok(1));
        assert_eq!(integer("1.5"), Err(NotANumber::Fraction));
        assert_eq!(integer(""), Err(NotANumber::Syntax));
        assert_eq!(integer("1e"), Err(NotANumber::Syntax));
        assert_eq!(integer("0e999999999999999999999"), Ok(0));
        assert_eq!(integer("1e999999999999999999999"), Err(NotANumber::Range));
        assert_eq!(scaled("1e-999999999999999999999", 3, false), Ok(0));
    }

    #[test]
    fn digits_behind_the_scale_are_rounded_half_away_from_zero() {
        assert_eq!(decimal("1.005", 10, 2), Ok(101));
        assert_eq!(decimal("-1.005", 10, 2), Ok(-101));
        assert_eq!(decimal("1.0049999", 10, 2), Ok(100));
        assert_eq!(decimal("0.004", 10, 2), Ok(0));
        assert_eq!(decimal("0.005", 10, 2), Ok(1));
        assert_eq!(decimal("0.0005", 10, 2), Ok(0));
        assert_eq!(decimal("99999999.995", 10, 2), Err(NotANumber::Range));
    }

    #[test]
    fn a_written_decimal_reads_back() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..10_000 {
            let value: i128 = random.random::<i128>() >> random.random_range(2..127);
            let scale = random.random_range(0..=30);
            let mut text = Vec::new();
            write_decimal(value, scale, &mut text);
            let text = String::from_utf8(text).unwrap();
            if value.unsigned_abs() < 10_u128.pow(38) {
                assert_eq!(scaled(&text, scale, true), Ok(value), "{text}");
            }
        }
    }
}
