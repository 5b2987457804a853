//! A row from a JSON object, column by column.
//!
//! Fields that are no columns are ignored, columns that are no fields are their default, or NULL; of fields with the same name the last one
//! counts. Numbers are read from their text.

use std::borrow::Cow;
use std::fmt;

use arrow::datatypes::DataType;
use dataflow::row::canonical_f64;
use hashbrown::HashMap;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::number::{self, NotANumber};
use super::{Cell, Column, Reason, binary, time};
use crate::json;

/// Reads objects with these columns.
#[derive(Clone, Debug)]
pub struct RowDecoder {
    columns: Vec<Column>,
    by_name: HashMap<String, usize>,
}

impl RowDecoder {
    pub fn new(columns: Vec<Column>) -> RowDecoder {
        let by_name = columns.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect();
        RowDecoder { columns, by_name }
    }

    /// The columns, in the order of the cells.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// One cell a column.
    pub fn row<'a>(&self, payload: &'a [u8]) -> Result<Vec<Cell<'a>>, Reason> {
        let text = std::str::from_utf8(payload).map_err(|_| Reason("not JSON: the payload is not UTF-8".to_owned()))?;
        let mut input = serde_json::Deserializer::from_str(text);
        let fields = Fields(self).deserialize(&mut input).map_err(|error| not_json(&error))?;
        input.end().map_err(|error| not_json(&error))?;
        let cells = self.columns.iter().zip(fields).map(|(column, raw)| cell(column, raw.map(RawValue::get)));
        cells.collect()
    }

    /// One cell a column from a record key: an object, or for a single column its value alone. A bare word is the
    /// value of a text column.
    pub fn key<'a>(&self, key: &'a [u8]) -> Result<Vec<Cell<'a>>, Reason> {
        let text = std::str::from_utf8(key).map_err(|_| Reason("the record key is not UTF-8".to_owned()))?.trim();
        let [column] = &self.columns[..] else { return self.row(key).map_err(in_key) };
        if text.starts_with('{') {
            return self.row(key).map_err(in_key);
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if column.data_type != DataType::Utf8 || text.starts_with('"') || text == "null" => {
                cell(column, Some(raw.get())).map(|cell| vec![cell]).map_err(in_key)
            }
            Err(error) if column.data_type != DataType::Utf8 => Err(in_key(not_json(&error))),
            _ => Ok(vec![Cell::Text(Cow::Borrowed(text))]),
        }
    }
}

fn in_key(reason: Reason) -> Reason {
    Reason(format!("record key: {reason}"))
}

fn not_json(error: &serde_json::Error) -> Reason {
    if error.is_data() {
        return Reason("expected a JSON object".to_owned());
    }
    // The parser's words without its line, which is always the first.
    let words = error.to_string();
    let what = words.split(" at line ").next().unwrap_or_default();
    Reason(format!("not JSON: {what} at character {}", error.column()))
}

/// The value of one column from its JSON text.
pub(crate) fn cell<'a>(column: &Column, raw: Option<&'a str>) -> Result<Cell<'a>, Reason> {
    let raw = match raw {
        None if let Some(default) = &column.default => return Ok(default.clone()),
        None | Some("null") if column.nullable => return Ok(Cell::Null),
        None | Some("null") => return Err(Reason::missing(&column.name)),
        Some(raw) => raw,
    };
    let wrong = |what: &str| Reason::expected(&column.name, what, raw);
    match &column.data_type {
        DataType::Boolean => match raw {
            "true" => Ok(Cell::Bool(true)),
            "false" => Ok(Cell::Bool(false)),
            _ => Err(wrong("true or false")),
        },
        DataType::Int32 | DataType::Int64 => integer(column, raw).map(Cell::Int),
        DataType::Float64 => float(column, raw).map(Cell::Float),
        DataType::Decimal128(precision, scale) => match bare_number(raw) {
            true => number::decimal(raw, *precision, *scale)
                .map(Cell::Decimal)
                .map_err(|_| Reason::out_of_range(&column.name, &format!("decimal({precision}, {scale})"), raw)),
            false => Err(wrong("a number")),
        },
        DataType::Utf8 => string(raw).map(Cell::Text).ok_or_else(|| wrong("text")),
        DataType::Binary => {
            let bytes = string(raw).and_then(|text| binary::bytes(&text));
            bytes.map(Cell::Bytes).ok_or_else(|| wrong("base64, or \\x and hexadecimal digits,"))
        }
        DataType::LargeBinary => {
            let document = json::canonical(raw);
            document.map(Cell::Json).map_err(|why| Reason(format!("column {}: {why}", column.name)))
        }
        DataType::Date32 => {
            let days = string(raw).and_then(|text| time::date(&text));
            days.map(Cell::Date).ok_or_else(|| wrong("a date as YYYY-MM-DD"))
        }
        DataType::Timestamp(_, _) => timestamp(raw)
            .map(Cell::Timestamp)
            .ok_or_else(|| wrong("a time as RFC 3339 or in whole milliseconds since 1970")),
        DataType::List(item) => {
            let data_type = item.data_type().clone();
            let of_item = Column { name: column.name.clone(), data_type, nullable: true, default: None };
            let items: Vec<&'a RawValue> = serde_json::from_str(raw).map_err(|_| wrong("an array"))?;
            items.into_iter().map(|raw| cell(&of_item, Some(raw.get()))).collect::<Result<_, _>>().map(Cell::List)
        }
        other => Err(Reason(format!("column {}: type {other} is not read from JSON", column.name))),
    }
}

fn integer(column: &Column, raw: &str) -> Result<i64, Reason> {
    if !bare_number(raw) {
        return Err(Reason::expected(&column.name, "a whole number", raw));
    }
    let type_name = if column.data_type == DataType::Int32 { "integer" } else { "bigint" };
    match number::integer(raw) {
        Ok(value) if column.data_type == DataType::Int64 || i32::try_from(value).is_ok() => Ok(value),
        Ok(_) | Err(NotANumber::Range) => Err(Reason::out_of_range(&column.name, type_name, raw)),
        Err(_) => Err(Reason::expected(&column.name, "a whole number", raw)),
    }
}

/// JSON has no word for what is not finite: PostgreSQL's, in quotes, stand for it.
fn float(column: &Column, raw: &str) -> Result<f64, Reason> {
    match raw {
        "\"NaN\"" => return Ok(canonical_f64(f64::NAN)),
        "\"Infinity\"" => return Ok(f64::INFINITY),
        "\"-Infinity\"" => return Ok(f64::NEG_INFINITY),
        _ if !bare_number(raw) => return Err(Reason::expected(&column.name, "a number", raw)),
        _ => {}
    }
    number::float(raw).map_err(|_| Reason::out_of_range(&column.name, "double precision", raw))
}

fn timestamp(raw: &str) -> Option<i64> {
    if bare_number(raw) {
        return number::integer(raw).ok()?.checked_mul(1_000);
    }
    time::timestamp(&string(raw)?)
}

/// Whether a JSON text is a number: the parser has checked all but which kind it is.
fn bare_number(raw: &str) -> bool {
    matches!(raw.as_bytes().first(), Some(b'-' | b'0'..=b'9'))
}

/// What a JSON string says; `None` if it is none.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
}

/// The text of each column's field.
struct Fields<'d>(&'d RowDecoder);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = vec![None; self.0.columns.len()];
        while let Some(column) = map.next_key_seed(FieldName(self.0))? {
            match column {
                Some(column) => fields[column] = Some(map.next_value::<&'de RawValue>()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

/// The column that a field's name means.
struct FieldName<'d>(&'d RowDecoder);

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.by_name.get(name).copied())
    }
}

/// A payload as `caudal.quarantine` keeps it: text as it is, other bytes in hexadecimal digits, both cut to the bound.
pub fn payload_text(payload: &[u8], bytes_max: usize) -> String {
    match std::str::from_utf8(payload) {
        Ok(text) if text.len() <= bytes_max => text.to_owned(),
        Ok(text) => format!("{}... ({} bytes)", &text[..text.floor_char_boundary(bytes_max)], text.len()),
        Err(_) => {
            let cut = payload.len() > bytes_max / 2;
            let printed = binary::printed(&payload[..payload.len().min(bytes_max / 2)]);
            if cut { format!("{printed}... ({} bytes)", payload.len()) } else { printed }
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
