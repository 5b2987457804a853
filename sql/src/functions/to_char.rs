//! `to_char`: numbers, moments and intervals as text, by PostgreSQL's patterns.

mod number;
mod span;
mod time;

use std::cell::RefCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType,
};
use chrono::DateTime;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::interval::{INTERVAL, of_durations};
use super::zone::{Known, Zone, naive};
use crate::error::SqlError;
use crate::types;
use time::Moment;

/// `to_char(value, pattern)`. A timestamp with time zone is shown in UTC, or in the zone of a third argument, which queries of a
/// session with a zone have.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ToChar {
    signature: Signature,
}

impl ToChar {
    pub fn new() -> ToChar {
        ToChar { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        "to_char"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let of = match types {
            [of @ (DataType::Interval(_) | DataType::Duration(_)), pattern]
                if pattern.is_string() || pattern.is_null() =>
            {
                Some(if matches!(of, DataType::Interval(_)) { INTERVAL } else { of.clone() })
            }
            [of, pattern, zone @ ..] if takes(of, pattern, zone) => match types::canonical(of) {
                Some(DataType::Int32 | DataType::Int64) => Some(DataType::Int64),
                Some(DataType::Float64) => Some(DataType::Float64),
                Some(decimal @ DataType::Decimal128(_, 0..)) => Some(decimal),
                Some(DataType::Date32) => Some(DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into()))),
                Some(moment @ DataType::Timestamp(..)) => Some(moment),
                _ => None,
            },
            _ => None,
        };
        let missing = || {
            let named: Vec<String> = types.iter().map(types::sql_name).collect();
            let words = format!("function to_char({}) does not exist", named.join(", "));
            SqlError::new("42883", words).hint("It takes a number, a date, a timestamp or an interval, and a pattern.")
        };
        let zone = types.get(2).map(|_| DataType::Utf8);
        Ok([of.ok_or_else(missing)?, DataType::Utf8].into_iter().chain(zone).collect())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (values, patterns) = (&arrays[0], arrays[1].as_string::<i32>());
        let texts = match values.data_type() {
            DataType::Timestamp(..) => {
                let zones = arrays.get(2).map(|zones| zones.as_string::<i32>());
                let known = RefCell::new(Known::default());
                each(values, patterns, time_pattern, |values, row, pattern| {
                    let zone = |name| known.borrow_mut().zone(name).map(|zone| (name, zone));
                    let zone = zones.map(|zones| zone(zones.value(row))).transpose()?;
                    let written = |pattern: &time::Pattern| moment(values, row, zone).map(|at| pattern.written(&at));
                    pattern.as_ref().map(written).transpose()
                })
            }
            DataType::Interval(_) | DataType::Duration(_) => {
                let intervals = of_durations(values)?;
                each(&intervals, patterns, time_pattern, |values, row, pattern| {
                    let interval = values.as_primitive::<IntervalMonthDayNanoType>().value(row);
                    pattern.as_ref().map(|pattern| pattern.written_of_interval(interval)).transpose()
                })
            }
            _ => each(values, patterns, number::Pattern::read, |values, row, pattern| {
                number(values, row, pattern).map(Some)
            }),
        };
        Ok(ColumnarValue::Array(Arc::new(texts?)))
    }
}

/// Whether there is a pattern, and at most a zone behind it where the value is a moment.
fn takes(of: &DataType, pattern: &DataType, zone: &[DataType]) -> bool {
    let in_zone = matches!(of, DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Date64);
    (pattern.is_string() || pattern.is_null())
        && match zone {
            [] => true,
            [zone] => in_zone && (zone.is_string() || zone.is_null()),
            _ => false,
        }
}

/// A text a row; patterns are read once where they stay the same.
fn each<P>(
    values: &ArrayRef,
    patterns: &StringArray,
    read: impl Fn(&str) -> Result<P, SqlError>,
    write: impl Fn(&ArrayRef, usize, &P) -> Result<Option<String>, SqlError>,
) -> Result<StringArray, SqlError> {
    let mut last: Option<(&str, P)> = None;
    let mut texts = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if values.is_null(row) || patterns.is_null(row) {
            texts.push(None);
            continue;
        }
        let text = patterns.value(row);
        if last.as_ref().is_none_or(|(known, _)| *known != text) {
            last = Some((text, read(text)?));
        }
        let (_, pattern) = last.as_ref().expect("it was just read");
        texts.push(write(values, row, pattern)?);
    }
    Ok(StringArray::from(texts))
}

/// No pattern gives no text.
fn time_pattern(text: &str) -> Result<Option<time::Pattern>, SqlError> {
    Ok((!text.is_empty()).then(|| time::Pattern::read(text)))
}

fn moment(values: &ArrayRef, row: usize, zone: Option<(&str, Zone)>) -> Result<Moment, SqlError> {
    let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
    if let Some((name, zone)) = zone {
        let (utc, local) = (naive(micros)?, naive(zone.to_local(micros)?)?);
        return Ok(Moment { local, zone: zone.abbreviation_at(name, &utc), offset: zone.offset_at(&utc) });
    }
    let local = DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc());
    let local = local.ok_or_else(|| SqlError::new("22008", "timestamp out of range"))?;
    let zoned = matches!(values.data_type(), DataType::Timestamp(_, Some(_)));
    Ok(Moment { local, zone: if zoned { "UTC".to_owned() } else { String::new() }, offset: 0 })
}

fn number(values: &ArrayRef, row: usize, pattern: &number::Pattern) -> Result<String, SqlError> {
    Ok(match values.data_type() {
        DataType::Int64 => pattern.of_integer(values.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => match values.as_primitive::<Float64Type>().value(row) {
            value if pattern.counts(value) => {
                return Err(SqlError::new("22P02", "\"TH\" stands behind a number that has a last digit"));
            }
            value => pattern.of_double(value),
        },
        DataType::Decimal128(_, scale) => {
            pattern.of_decimal(values.as_primitive::<Decimal128Type>().value(row), *scale as u32)
        }
        other => unreachable!("{other} is not among what it takes"),
    })
}

/// What stands for itself at the front of a pattern, of which `first` is the first character: a quoted text, or one character.
fn literal(text: &str, first: char) -> (String, &str) {
    if first != '"' {
        let text = if text.starts_with("\\\"") { &text[1..] } else { text };
        let first = text.chars().next().expect("there is a character");
        return (first.to_string(), &text[first.len_utf8()..]);
    }
    let mut literal = String::new();
    let mut letters = text[1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (literal, &text[1 + at + 1..]),
            '\\' => literal.push(letters.next().map_or('\\', |(_, letter)| letter)),
            letter => literal.push(letter),
        }
    }
    (literal, "")
}

/// `st`, `nd`, `rd` or `th`, as the digits end.
fn ordinal(digits: &str, lower: bool) -> &'static str {
    let mut last = digits.bytes().rev();
    let (one, ten) = (last.next(), last.next());
    match one.filter(|_| ten != Some(b'1')) {
        Some(b'1') => ["ST", "st"][usize::from(lower)],
        Some(b'2') => ["ND", "nd"][usize::from(lower)],
        Some(b'3') => ["RD", "rd"][usize::from(lower)],
        _ => ["TH", "th"][usize::from(lower)],
    }
}
