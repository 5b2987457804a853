//! Exact decimals: an unscaled integer and a scale here, PostgreSQL's text and binary numeric on the wire.

/// Decimal digits in one digit of binary numeric, which counts to base 10,000.
const GROUP: usize = 4;
/// Signs of binary numeric. NaN and the infinities have signs of their own, which we do not have.
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// A decimal on its way out: sign, the digits of the unscaled integer, and how many of them stand behind the point.
pub(super) struct Digits<'a> {
    pub(super) negative: bool,
    /// ASCII digits without leading zeros; empty for zero.
    pub(super) digits: &'a [u8],
    /// Less than 0 for zeros that stand before the point and are not among the digits.
    pub(super) scale: i8,
}

impl<'a> Digits<'a> {
    /// Takes `-?[0-9]+` apart.
    pub(super) fn of(unscaled: &'a str, scale: i8) -> Digits<'a> {
        let (negative, digits) = match unscaled.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, unscaled),
        };
        Digits { negative, digits: digits.trim_start_matches('0').as_bytes(), scale }
    }

    /// As PostgreSQL prints it: every digit behind the point that the scale has.
    pub(super) fn write_text(&self, out: &mut Vec<u8>) {
        if self.negative && !self.digits.is_empty() {
            out.push(b'-');
        }
        let behind = self.scale.max(0) as usize;
        let before = self.digits.len().saturating_sub(behind);
        match before {
            0 => out.push(b'0'),
            _ => out.extend_from_slice(&self.digits[..before]),
        }
        if self.scale < 0 && !self.digits.is_empty() {
            out.resize(out.len() + self.scale.unsigned_abs() as usize, b'0');
        }
        if behind > 0 {
            out.push(b'.');
            out.resize(out.len() + behind.saturating_sub(self.digits.len()), b'0');
            out.extend_from_slice(&self.digits[before..]);
        }
    }

    /// As PostgreSQL's `numeric_send`: groups of four digits aligned at the point, zeros at both ends left out.
    pub(super) fn write_binary(&self, out: &mut Vec<u8>) {
        let scale = i32::from(self.scale);
        // The power of ten of the last digit, rounded down to a group's; the digits are padded with zeros to reach it.
        let last_power = -scale;
        let last_group = last_power.div_euclid(GROUP as i32);
        let padding = (last_power - last_group * GROUP as i32) as usize;
        let length = self.digits.len() + padding;
        let groups = length.div_ceil(GROUP);
        let digit = |index: usize| self.digits.get(index).map_or(0, |digit| u16::from(digit - b'0'));
        // Group 0 may be short: it begins before the first digit.
        let short = groups * GROUP - length;
        let group = |number: usize| {
            (0..GROUP).fold(0, |value, place| {
                let index = (number * GROUP + place).checked_sub(short);
                value * 10 + index.map_or(0, digit)
            })
        };
        let values: Vec<u16> = (0..groups).map(group).collect();
        let used = values.iter().rposition(|&value| value != 0).map_or(0, |last| last + 1);
        let weight = if used == 0 { 0 } else { last_group + groups as i32 - 1 };
        let sign = if self.negative && used > 0 { NEGATIVE } else { POSITIVE };
        out.extend_from_slice(&(used as u16).to_be_bytes());
        out.extend_from_slice(&(weight as i16).to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&(self.scale.max(0) as u16).to_be_bytes());
        for value in &values[..used] {
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Why text or bytes are not a decimal that we can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNumeric {
    Syntax,
    /// More than fits, or NaN or an infinity.
    Range,
}

/// Powers of ten that are looked at before a number is out of range anyway.
const EXPONENT_MAX: i64 = 1000;

/// A decimal read from the wire, as its digits times a power of ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numeric {
    negative: bool,
    digits: Vec<u8>,
    /// The power of ten of the last digit.
    exponent: i64,
}

impl Numeric {
    /// Reads `12.50`, `-.5`, `1e-3`; blanks around it do not matter.
    pub(super) fn parse(text: &str) -> Result<Numeric, NotNumeric> {
        let text = text.trim_ascii();
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if ["nan", "inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
            return Err(NotNumeric::Range);
        }
        let (mantissa, power) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], power(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = before.bytes().chain(behind.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(NotNumeric::Syntax);
        }
        Ok(Numeric { negative, digits, exponent: power - behind.len() as i64 })
    }

    /// Reads PostgreSQL's binary numeric.
    pub(super) fn from_binary(bytes: &[u8]) -> Result<Numeric, NotNumeric> {
        let words: Vec<u16> =
            bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
        let [count, weight, sign, _scale, groups @ ..] = words.as_slice() else { return Err(NotNumeric::Syntax) };
        if !bytes.len().is_multiple_of(2)
            || groups.len() != usize::from(*count)
            || groups.iter().any(|&group| group > 9999)
        {
            return Err(NotNumeric::Syntax);
        }
        if !matches!(*sign, POSITIVE | NEGATIVE) {
            return Err(NotNumeric::Range);
        }
        let digits = groups.iter().flat_map(|group| format!("{group:04}").into_bytes()).collect();
        let last_group = i64::from(*weight as i16) + 1 - groups.len() as i64;
        Ok(Numeric { negative: *sign == NEGATIVE, digits, exponent: last_group * GROUP as i64 })
    }

    /// The unscaled integer at a scale, rounded half away from zero; `Range` where it has more than `precision` digits.
    pub(super) fn unscaled(&self, precision: u8, scale: i8) -> Result<i128, NotNumeric> {
        let first = self.digits.iter().position(|&digit| digit != b'0').unwrap_or(self.digits.len());
        let digits = &self.digits[first..];
        let shift = self.exponent + i64::from(scale);
        let kept = (digits.len() as i64 + shift.min(0)).max(-1);
        if !digits.is_empty() && kept + shift.max(0) > i64::from(precision) {
            return Err(NotNumeric::Range);
        }
        let kept_digits = &digits[..kept.max(0) as usize];
        let mut value = kept_digits.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        let rounded_up = shift < 0 && kept >= 0 && digits.get(kept as usize).is_some_and(|&digit| digit >= b'5');
        value += i128::from(rounded_up);
        if value != 0 && shift > 0 {
            value *= 10_i128.pow(shift as u32);
        }
        if value >= 10_i128.pow(u32::from(precision)) {
            return Err(NotNumeric::Range);
        }
        Ok(if self.negative { -value } else { value })
    }

    /// Digits behind the point that are needed to write it.
    pub(super) fn scale(&self) -> i64 {
        (-self.exponent).max(0)
    }

    /// The number as text that every parser of decimals reads.
    pub(super) fn to_text(&self) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}e{}", str::from_utf8(&self.digits).expect("digits are ASCII"), self.exponent)
    }
}

/// The power behind an `e`.
fn power(text: &str) -> Result<i64, NotNumeric> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotNumeric::Syntax);
    }
    text.parse().ok().filter(|power: &i64| power.abs() <= EXPONENT_MAX).ok_or(NotNumeric::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unscaled: &str, scale: i8) -> String {
        let mut out = Vec::new();
        Digits::of(unscaled, scale).write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn binary(unscaled: &str, scale: i8) -> Vec<i16> {
        let mut out = Vec::new();
        Digits::of(unscaled, scale).write_binary(&mut out);
        out.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn text_has_the_digits_of_the_scale() {
        assert_eq!(text("0", 2), "0.00");
        assert_eq!(text("5", 2), "0.05");
        assert_eq!(text("-12345", 2), "-123.45");
        assert_eq!(text("12345", 0), "12345");
        assert_eq!(text("12", -3), "12000");
        assert_eq!(text("0", -3), "0");
        assert_eq!(text("-0", 1), "0.0");
    }

    #[test]
    fn binary_is_what_postgresql_sends() {
        // count, weight, sign, scale, groups of four digits
        assert_eq!(binary("0", 2), [0, 0, 0, 2]);
        assert_eq!(binary("12345", 2), [2, 0, 0, 2, 123, 4500]);
        assert_eq!(binary("-5", 4), [1, -1, 0x4000, 4, 5]);
        assert_eq!(binary("5", 6), [1, -2, 0, 6, 500]);
        assert_eq!(binary("10000", 0), [1, 1, 0, 0, 1]);
        assert_eq!(binary("100000001", 4), [3, 1, 0, 4, 1, 0, 1]);
        assert_eq!(binary("12", -3), [2, 1, 0, 0, 1, 2000]);
    }

    #[test]
    fn text_and_binary_are_read_back_exactly() {
        let largest = "9".repeat(38);
        for unscaled in ["0", "1", "-1", "9999", "10000", "-120000", "123456789012345678901234567890", largest.as_str()]
        {
            for scale in [0, 1, 4, 6, 17, 38, -3] {
                let mut bytes = Vec::new();
                Digits::of(unscaled, scale).write_binary(&mut bytes);
                let expected = unscaled.parse::<i128>().unwrap();
                let read = Numeric::from_binary(&bytes).unwrap();
                assert_eq!(read.unscaled(38, scale), Ok(expected), "{unscaled} at {scale} in binary");
                let read = Numeric::parse(&text(unscaled, scale)).unwrap();
                assert_eq!(read.unscaled(38, scale), Ok(expected), "{unscaled} at {scale} in text");
            }
        }
    }

    #[test]
    fn what_a_column_has_no_digits_for_is_rounded_half_away_from_zero() {
        let at = |text: &str| Numeric::parse(text).unwrap().unscaled(5, 2);
        assert_eq!(at("1.005"), Ok(101));
        assert_eq!(at("-1.005"), Ok(-101));
        assert_eq!(at("1.00499"), Ok(100));
        assert_eq!(at("0.005"), Ok(1));
        assert_eq!(at("0.0009"), Ok(0));
        assert_eq!(at("1e-9"), Ok(0));
        assert_eq!(at("999.99"), Ok(99999));
        assert_eq!(at("999.995"), Err(NotNumeric::Range));
        assert_eq!(at("1000"), Err(NotNumeric::Range));
        assert_eq!(at("1e3"), Err(NotNumeric::Range));
        assert_eq!(at("0e900"), Ok(0));
        assert_eq!(at(" +.5e1 "), Ok(500));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for wrong in ["", "-", ".", "1.2.3", "1e", "1e+", "0x10", "1 2", "--1", "1_000"] {
            assert_eq!(Numeric::parse(wrong), Err(NotNumeric::Syntax), "{wrong:?}");
        }
        for beyond in ["NaN", "-Infinity", "1e99999"] {
            assert_eq!(Numeric::parse(beyond), Err(NotNumeric::Range), "{beyond:?}");
        }
        assert_eq!(Numeric::from_binary(&[0, 1, 0]), Err(NotNumeric::Syntax));
        assert_eq!(Numeric::from_binary(&[0, 0, 0, 0, 0xc0, 0, 0, 0]), Err(NotNumeric::Range));
    }
}
