//! Values as PostgreSQL prints them.

use std::fmt::LowerExp;
use std::io::Write as _;

use sql::functions::session_zone::shown_offset;
use sql::functions::zone::{Zone, naive};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// `t` or `f`.
pub(super) fn boolean(value: bool, out: &mut Vec<u8>) {
    out.push(if value { b't' } else { b'f' });
}

/// An integer of any width.
pub(super) fn integer(value: impl Into<i64>, out: &mut Vec<u8>) {
    put(out, format_args!("{}", value.into()));
}

/// The shortest digits that read back as the same double.
pub(super) fn float8(value: f64, out: &mut Vec<u8>) {
    let (size, kind) = (value.abs(), Kind::of(value));
    let ties = (size > 2_f64.powi(53)).then(|| ties(size.next_down(), size, size.next_up())).flatten();
    float(size, kind, 15, ties, out);
}

/// The shortest digits that read back as the same single.
pub(super) fn float4(value: f32, out: &mut Vec<u8>) {
    let (size, kind) = (value.abs(), Kind::of(f64::from(value)));
    let exact = [size.next_down(), size, size.next_up()].map(f64::from);
    let ties = (size > 2_f32.powi(24)).then(|| ties(exact[0], exact[1], exact[2])).flatten();
    float(size, kind, 6, ties, out);
}

/// What digits do not say.
struct Kind {
    nan: bool,
    infinite: bool,
    negative: bool,
}

impl Kind {
    fn of(value: f64) -> Kind {
        Kind { nan: value.is_nan(), infinite: value.is_infinite(), negative: value.is_sign_negative() }
    }
}

/// The integers half way to the neighbours of a float that is so large that they are integers.
fn ties(below: f64, size: f64, above: f64) -> Option<[u128; 2]> {
    let half_way = |neighbour: f64| (size as u128 + neighbour as u128) / 2;
    (above < 2_f64.powi(127)).then(|| [half_way(below), half_way(above)])
}

/// `places`: from this power of ten on there is an exponent; below 10^-4 too. Digits that stand for one of `ties` would be
/// read back by rounding to even; PostgreSQL prints further digits then.
fn float(size: impl LowerExp, kind: Kind, places: i32, ties: Option<[u128; 2]>, out: &mut Vec<u8>) {
    if kind.nan {
        return out.extend_from_slice(b"NaN");
    }
    if kind.negative {
        out.push(b'-');
    }
    if kind.infinite {
        return out.extend_from_slice(b"Infinity");
    }
    let (mut digits, mut power) = scientific(format_args!("{size:e}"));
    if digits.len() > places as usize {
        // Two candidates of as many digits can be equally near: then the even one, as PostgreSQL has it.
        (digits, power) = scientific(format_args!("{size:.*e}", digits.len() - 1));
    }
    while ties.is_some_and(|ties| ties.contains(&whole(&digits, power))) {
        (digits, power) = scientific(format_args!("{size:.*e}", digits.len()));
    }
    if !(-4..places).contains(&power) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let sign = if power < 0 { '-' } else { '+' };
        return put(out, format_args!("e{sign}{:02}", power.abs()));
    }
    if power < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-power - 1) as usize, b'0');
        return out.extend_from_slice(&digits);
    }
    let before = power as usize + 1;
    out.extend_from_slice(&digits[..digits.len().min(before)]);
    if digits.len() > before {
        out.push(b'.');
        out.extend_from_slice(&digits[before..]);
    } else {
        out.resize(out.len() + before - digits.len(), b'0');
    }
}

/// The digits of a float as it is formatted with an exponent, and the power of ten of the first.
fn scientific(formatted: std::fmt::Arguments<'_>) -> (Vec<u8>, i32) {
    let text = formatted.to_string();
    let (mantissa, power) = text.split_once('e').expect("LowerExp writes an exponent");
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    (digits, power.parse().expect("LowerExp writes a decimal exponent"))
}

/// The integer of these digits; `power` is that of the first.
fn whole(digits: &[u8], power: i32) -> u128 {
    let value = digits.iter().fold(0, |value, digit| value * 10 + u128::from(digit - b'0'));
    let zeros = (power + 1).saturating_sub_unsigned(digits.len() as u32);
    value * 10_u128.pow(zeros.try_into().expect("a float above 2^53 has no more digits than its integer"))
}

/// `\x` and two hexadecimal digits a byte.
pub(super) fn bytea(value: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    for byte in value {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// `2026-01-02`; `days` since 1970.
pub(super) fn date(days: i32, out: &mut Vec<u8>) {
    let civil = Civil::of(i64::from(days));
    civil.write(out);
    civil.write_era(out);
}

/// `2026-01-02 03:04:05.678`; microseconds since 1970.
pub(super) fn timestamp(micros: i64, out: &mut Vec<u8>) {
    let civil = date_and_time(micros, out);
    civil.write_era(out);
}

/// `2026-01-02 04:04:05.678+01`; microseconds since 1970 UTC, and the zone that they are shown in, `None` for UTC.
pub(super) fn timestamptz(micros: i64, zone: Option<Zone>, out: &mut Vec<u8>) {
    let local = zone.and_then(|zone| Some((zone.to_local(micros).ok()?, zone.offset_at(&naive(micros).ok()?))));
    let (local, offset) = local.unwrap_or((micros, 0));
    let civil = date_and_time(local, out);
    out.extend_from_slice(shown_offset(offset).as_bytes());
    civil.write_era(out);
}

fn date_and_time(micros: i64, out: &mut Vec<u8>) -> Civil {
    let (seconds, fraction) = (micros.div_euclid(MICROS_PER_SECOND), micros.rem_euclid(MICROS_PER_SECOND));
    let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let civil = Civil::of(days);
    civil.write(out);
    put(out, format_args!(" {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60));
    self::fraction(fraction, out);
    civil
}

/// `03:04:05.678`; microseconds since midnight.
pub(super) fn time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros / MICROS_PER_SECOND;
    put(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    fraction(micros % MICROS_PER_SECOND, out);
}

/// `.678`: the part of a second without the zeros at its end, nothing where there is none.
pub(super) fn fraction(micros: i64, out: &mut Vec<u8>) {
    if micros != 0 {
        put(out, format_args!(".{micros:06}"));
        let zeros = out.iter().rev().take_while(|&&byte| byte == b'0').count();
        out.truncate(out.len() - zeros);
    }
}

/// A day of the Gregorian calendar; year 0 is 1 BC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Civil {
    /// The day so many days after 1970-01-01. Counts in eras of 400 years that begin on 1 March, so that leap days come
    /// last.
    fn of(days: i64) -> Civil {
        const DAYS_PER_ERA: i64 = 146_097;
        let since = days + 719_468;
        let (era, day_of_era) = (since.div_euclid(DAYS_PER_ERA), since.rem_euclid(DAYS_PER_ERA));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil { year, month, day }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let year = if self.year > 0 { self.year } else { 1 - self.year };
        put(out, format_args!("{year:04}-{:02}-{:02}", self.month, self.day));
    }

    fn write_era(&self, out: &mut Vec<u8>) {
        if self.year <= 0 {
            out.extend_from_slice(b" BC");
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "the digits beyond a double's are what is rounded")]
mod tests {
    use super::*;

    fn shown<T>(write: fn(T, &mut Vec<u8>), value: T) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_are_the_shortest_digits_that_read_back() {
        let forms = [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1.5, "1.5"),
            (100.0, "100"),
            (123456789012345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1234567890123456.0, "1.234567890123456e+15"),
            (0.0001, "0.0001"),
            (0.00001234, "1.234e-05"),
            (80041481669746592.0, "8.004148166974659e+16"),
            (1125899906842624.25, "1.1258999068426242e+15"),
            (1e300, "1e+300"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in forms {
            assert_eq!(shown(float8, value), text);
        }
        assert_eq!(shown(float4, 1e6), "1e+06");
        assert_eq!(shown(float4, 123456.7), "123456.7");
        assert_eq!(shown(float4, 0.1), "0.1");
    }

    #[test]
    fn times_have_no_zeros_at_their_end() {
        let utc = |micros: i64, out: &mut Vec<u8>| timestamptz(micros, None, out);
        assert_eq!(shown(utc, 1_767_323_045_678_000), "2026-01-02 03:04:05.678+00");
        assert_eq!(shown(timestamp, 0), "1970-01-01 00:00:00");
        assert_eq!(shown(timestamp, -1), "1969-12-31 23:59:59.999999");
        assert_eq!(shown(timestamp, 10), "1970-01-01 00:00:00.00001");
    }

    #[test]
    fn the_calendar_reaches_before_and_beyond_four_digits() {
        assert_eq!(shown(date, 0), "1970-01-01");
        assert_eq!(shown(date, 19_782), "2024-02-29");
        assert_eq!(shown(date, -25_509), "1900-02-28");
        assert_eq!(shown(date, -719_162), "0001-01-01");
        assert_eq!(shown(date, -719_163), "0001-12-31 BC");
        assert_eq!(shown(date, 2_932_897), "10000-01-01");
        let utc = |micros: i64, out: &mut Vec<u8>| timestamptz(micros, None, out);
        assert_eq!(shown(utc, -62_135_596_800_000_001), "0001-12-31 23:59:59.999999+00 BC");
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(shown(bytea, &[0, 0x1f, 0xff][..]), "\\x001fff");
        assert_eq!(shown(bytea, &[][..]), "\\x");
    }
}
