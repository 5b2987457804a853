//! Floats as PostgreSQL prints them.

use std::fmt::LowerExp;
use std::io::Write as _;

/// The shortest digits that read back as the same double.
pub fn float8(value: f64, out: &mut Vec<u8>) {
    let (size, kind) = (value.abs(), Kind::of(value));
    let ties = (size > 2_f64.powi(53)).then(|| ties(size.next_down(), size, size.next_up())).flatten();
    float(size, kind, 15, ties, out);
}

/// The shortest digits that read back as the same single.
pub fn float4(value: f32, out: &mut Vec<u8>) {
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
}
