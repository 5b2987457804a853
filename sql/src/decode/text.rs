//! A cell of COPY as the JSON value that its event carries.

use arrow::datatypes::DataType;

use super::cell::quoted;
use super::{binary, number};
use crate::functions::array;
use crate::json;
use crate::types::JSON;

/// Appends the JSON value of a text cell for a column of this type. What is not of the type is passed on as a JSON string:
/// the event is then refused with its reason, like that of any other sender. Every string is a document, so of those the
/// caller must make sure with [`not_of`].
pub fn write_json(cell: &str, data_type: &DataType, out: &mut Vec<u8>) {
    let trimmed = cell.trim();
    match data_type {
        DataType::Boolean => match boolean(trimmed) {
            Some(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            None => write_string(cell, out),
        },
        DataType::Int32 | DataType::Int64 | DataType::Decimal128(_, _) | DataType::Float64 => {
            if !write_number(trimmed, out) {
                write_string(special_float(trimmed).unwrap_or(cell), out);
            }
        }
        DataType::Date32 | DataType::Timestamp(_, _) => write_string(trimmed, out),
        DataType::LargeBinary => match json::canonical(cell) {
            Ok(document) => out.extend_from_slice(document.as_bytes()),
            Err(_) => write_string(cell, out),
        },
        DataType::Binary => match binary::from_postgresql(cell) {
            // Written as digits: in JSON a text without a backslash would be base64.
            Some(bytes) => write_string(&binary::printed(&bytes), out),
            None => write_string(cell, out),
        },
        DataType::List(item) => match array::read(cell) {
            Ok(items) => {
                out.push(b'[');
                for (at, written) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    match written {
                        Some(written) => write_json(written, item.data_type(), out),
                        None => out.extend_from_slice(b"null"),
                    }
                }
                out.push(b']');
            }
            Err(_) => write_string(cell, out),
        },
        _ => write_string(cell, out),
    }
}

/// Why a text cell is not of this type, where the event would not show it.
pub fn not_of(cell: &str, data_type: &DataType) -> Option<String> {
    if *data_type != JSON {
        return None;
    }
    json::canonical(cell).err().map(|why| format!("expected JSON, got {}: {why}", quoted(cell)))
}

/// Appends a JSON string.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing to memory cannot fail");
}

/// PostgreSQL's words for true and false.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn special_float(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some("NaN"),
        "inf" | "+inf" | "infinity" | "+infinity" => Some("Infinity"),
        "-inf" | "-infinity" => Some("-Infinity"),
        _ => None,
    }
}

/// Appends a number in JSON's grammar, which has no plus sign, no leading zeros and no bare point.
fn write_number(text: &str, out: &mut Vec<u8>) -> bool {
    if let Err(number::NotANumber::Syntax) = number::scaled(text, 0, false) {
        return false;
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let split = rest.find(['e', 'E']).unwrap_or(rest.len());
    let (mantissa, exponent) = rest.split_at(split);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('0');
    out.extend_from_slice(sign.as_bytes());
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
    out.extend_from_slice(exponent.as_bytes());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cell: &str, data_type: DataType) -> String {
        let mut out = Vec::new();
        write_json(cell, &data_type, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_cell_is_a_json_value_of_its_columns_type() {
        assert_eq!(json("+007.50", DataType::Decimal128(10, 2)), "7.50");
        assert_eq!(json(".5", DataType::Float64), "0.5");
        assert_eq!(json("5.", DataType::Float64), "5");
        assert_eq!(json("-1E5", DataType::Float64), "-1E5");
        assert_eq!(json("nan", DataType::Float64), "\"NaN\"");
        assert_eq!(json(" 12 ", DataType::Int64), "12");
        assert_eq!(json("Yes", DataType::Boolean), "true");
        assert_eq!(json(" a\"b ", DataType::Utf8), "\" a\\\"b \"");
        assert_eq!(json("\\x00fF", DataType::Binary), "\"\\\\x00ff\"");
        assert_eq!(json("Zm9v", DataType::Binary), "\"\\\\x5a6d3976\"");
        assert_eq!(json("{1, +02,NULL}", DataType::new_list(DataType::Int64, true)), "[1,2,null]");
        assert_eq!(json("{a,\"b,c\"}", DataType::new_list(DataType::Utf8, true)), "[\"a\",\"b,c\"]");
        assert_eq!(json(" 2026-01-01 ", DataType::Date32), "\"2026-01-01\"");
    }

    #[test]
    fn what_is_not_of_the_type_stays_as_it_is() {
        assert_eq!(json("abc", DataType::Int64), "\"abc\"");
        assert_eq!(json("{1", DataType::new_list(DataType::Int64, true)), "\"{1\"");
        assert_eq!(json("maybe", DataType::Boolean), "\"maybe\"");
        assert_eq!(json("\\x0", DataType::Binary), "\"\\\\x0\"");
        assert_eq!(json("1,5", DataType::Float64), "\"1,5\"");
    }
}
