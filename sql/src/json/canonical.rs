//! From any JSON text to the one of its value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::JSON_NUMBER_DIGITS_MAX;

/// Why a text is no document, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Malformed {
        // The parser's words without its line, which is that of a piece.
        Malformed(error.to_string().split(" at line ").next().unwrap_or_default().to_owned())
    }
}

/// The document that a text is, with blanks around it or without. At most 128 containers may lie within each other. Costs the
/// text's length for each container around a value.
pub fn canonical(text: &str) -> Result<String, Malformed> {
    let whole: &RawValue = serde_json::from_str(text)?;
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    write(whole.get(), &mut out)?;
    Ok(out)
}

fn write(raw: &str, out: &mut String) -> Result<(), Malformed> {
    match raw.as_bytes().first() {
        Some(b'{') => {
            let Members(mut members) = serde_json::from_str(raw)?;
            members.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                // Of the same name the last counts: sorting kept their order.
                if members.get(at + 1).is_some_and(|(next, _)| next == name) {
                    continue;
                }
                separate(out);
                write_text(name, out);
                out.push_str(": ");
                write(value.get(), out)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw)?;
            out.push('[');
            for item in items {
                separate(out);
                write(item.get(), out)?;
            }
            out.push(']');
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(raw)?;
            if text.contains('\0') {
                return Err(Malformed("\\u0000 cannot be converted to text".to_owned()));
            }
            write_text(&text, out);
        }
        Some(b't' | b'f' | b'n') => out.push_str(raw),
        _ => write_number(raw, out)?,
    }
    Ok(())
}

/// A comma and a blank, but for the first of a container.
fn separate(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push_str(", ");
    }
}

/// Appends a string with its quotes.
pub fn write_text(text: &str, out: &mut String) {
    // What needs no escape, which is most, is copied.
    if !text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    out.push_str(&serde_json::to_string(text).expect("text is a string of JSON"));
}

/// Appends a number as PostgreSQL's numeric prints it: all its digits, and no exponent.
fn write_number(raw: &str, out: &mut String) -> Result<(), Malformed> {
    let (negative, digits) = raw.strip_prefix('-').map_or((false, raw), |digits| (true, digits));
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let out_of_range = || Malformed(format!("the number {raw} is out of range"));
    let exponent: i64 = exponent.parse().map_err(|_| out_of_range())?;
    let is_zero = !mantissa.bytes().any(|byte| byte.is_ascii_digit() && byte != b'0');
    // Digits before the point, and behind it.
    let before = if is_zero { 1 } else { (whole.len() as i64).saturating_add(exponent).max(1) };
    let behind = (fraction.len() as i64).saturating_sub(exponent).max(0);
    if before.saturating_add(behind) > JSON_NUMBER_DIGITS_MAX as i64 {
        return Err(out_of_range());
    }
    if negative && !is_zero {
        out.push('-');
    }
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    // The place of the point among all digits; beyond them there are zeros.
    let point = whole.len() as i64 + exponent;
    let digit = |at: i64| usize::try_from(at).ok().and_then(|at| all.get(at)).map_or('0', |digit| char::from(*digit));
    let first = (0..point).find(|at| digit(*at) != '0').unwrap_or(point);
    match first < point && !is_zero {
        true => (first..point).for_each(|at| out.push(digit(at))),
        false => out.push('0'),
    }
    if behind > 0 {
        out.push('.');
        (point..point + behind).for_each(|at| out.push(digit(at)));
    }
    Ok(())
}

/// The members of an object as they are written.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Members<'de>, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &RawValue>()? {
                    if member.0.contains('\0') {
                        return Err(serde::de::Error::custom("\\u0000 cannot be converted to text"));
                    }
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        input.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        canonical(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_value_has_one_text() {
        assert_eq!(of(" {\"bb\":1, \"a\":[1,2 ,{}], \"c\" : \"x\" } "), r#"{"a": [1, 2, {}], "c": "x", "bb": 1}"#);
        assert_eq!(of(r#"{"a":1,"b":2,"a":3}"#), r#"{"a": 3, "b": 2}"#);
        assert_eq!(of(r#""\u00f1\/\t\u0001\"""#), r#""ñ/\t\u0001\"""#);
        assert_eq!(of("[]"), "[]");
        assert_eq!(of("null"), "null");
    }

    #[test]
    fn numbers_have_all_their_digits_and_no_exponent() {
        for (written, canonical) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("1.10", "1.10"),
            ("1e3", "1000"),
            ("1.50e1", "15.0"),
            ("-12E-1", "-1.2"),
            ("1.5e-3", "0.0015"),
            ("0.05e1", "0.5"),
            ("0.05e2", "5"),
            ("0e5", "0"),
            ("0.00e1", "0.0"),
            ("12345678901234567890123456789", "12345678901234567890123456789"),
        ] {
            assert_eq!(of(written), canonical, "{written}");
        }
        for beyond in ["1e100000", "1e-100000", "1e99999999999999999999"] {
            assert!(canonical(beyond).unwrap_err().to_string().contains("out of range"), "{beyond}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for wrong in
            ["", "{", "{a:1}", "[1,]", "01", "+1", "'x'", "1 2", "\"\\u0000\"", "{\"\\u0000\":1}", "\"\\ud800\"", "nul"]
        {
            assert!(canonical(wrong).is_err(), "{wrong}");
        }
        assert!(canonical(&"[".repeat(10_000)).is_err());
    }
}
