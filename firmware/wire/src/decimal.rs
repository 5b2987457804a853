//! Exact decimals: an integer of so many places.

use core::fmt;

/// A number of `PLACES` decimal places, held as an integer of its last place: `Decimal::<3>(1_500)` is 1.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal<const PLACES: u32>(pub i64);

/// Why a text is no decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is no number as JSON writes numbers.
    NoNumber,
    /// It does not fit.
    Range,
}

/// More digits than any meter has; what is beyond could only decide how a tie is rounded, and is refused.
const DIGITS_MAX: u32 = 36;

impl<const PLACES: u32> Decimal<PLACES> {
    const ONE: i64 = 10_i64.pow(PLACES);

    /// Reads a JSON number from its text. Digits beyond the last place are rounded, halves away from zero.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, self::exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        if whole.is_empty() || fraction.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(Unfit::NoNumber);
        }
        let mut digits: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = (byte as char).to_digit(10).ok_or(Unfit::NoNumber)?;
            if digits >= 10_i128.pow(DIGITS_MAX) {
                return Err(Unfit::Range);
            }
            digits = digits * 10 + i128::from(digit);
        }
        let shift = exponent.saturating_sub(fraction.len() as i64).saturating_add(i64::from(PLACES));
        let scaled = shifted(digits, shift).ok_or(Unfit::Range)?;
        i64::try_from(if negative { -scaled } else { scaled }).map(Self).map_err(|_| Unfit::Range)
    }
}

/// The exponent of a number; one beyond all bounds is as good as the bound, whose power of ten fits nowhere.
fn exponent(text: &str) -> Result<i64, Unfit> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Unfit::NoNumber);
    }
    let size = digits.iter().fold(0_i64, |size, digit| size.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Ok(if negative { -size } else { size })
}

/// `digits` times ten to the `shift`, rounded half away from zero.
fn shifted(digits: i128, shift: i64) -> Option<i128> {
    if digits == 0 {
        return Some(0);
    }
    let power = u32::try_from(shift.unsigned_abs()).ok().and_then(|shift| 10_i128.checked_pow(shift));
    match (shift >= 0, power) {
        (true, power) => digits.checked_mul(power?),
        (false, Some(power)) => Some(digits / power + i128::from(digits % power >= power - power / 2)),
        // Less than any half of a last place.
        (false, None) => Some(0),
    }
}

/// The shortest text that is this number in JSON.
impl<const PLACES: u32> fmt::Display for Decimal<PLACES> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::ONE, (self.0 % Self::ONE).unsigned_abs());
        let sign = if self.0 < 0 && whole == 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(out, "{sign}{whole}");
        }
        let (mut shown, mut width) = (fraction, PLACES as usize);
        while shown % 10 == 0 {
            (shown, width) = (shown / 10, width - 1);
        }
        write!(out, "{sign}{whole}.{shown:0width$}")
    }
}
