//! Casts between text and timestamps, and between text and intervals, as PostgreSQL has them: `2026-01-02 03:04:05.678`, and `+00`
//! behind it where there is a zone; `1 day 02:03:04`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, StringArray, TimestampMicrosecondArray};
use arrow::compute::{self, CastOptions, cast_with_options};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;

use super::interval::of_durations;
use super::session_zone::written;
use crate::decode::{interval, time};
use crate::error::SqlError;

/// Whether a cast between these types is ours.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    let is = |of: &DataType| {
        matches!(of, DataType::Timestamp(..) | DataType::Interval(IntervalUnit::MonthDayNano) | DataType::Duration(_))
    };
    is(from) && to.is_string() || from.is_string() && is(to) && !matches!(to, DataType::Duration(_))
}

/// Timestamps as text, those with a zone in UTC: a session in another zone asks for its own; and text as timestamps. `lenient`:
/// NULL where there is none, instead of an error.
pub fn cast(array: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    match (array.data_type(), to) {
        (_, DataType::Interval(_)) => intervals(array, lenient),
        (_, DataType::Timestamp(_, zone)) => timestamps(array, zone.is_some(), to, lenient),
        (DataType::Timestamp(_, zone), _) => {
            let offset = if zone.is_some() { "+00" } else { "" };
            let micros = compute::cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>().iter();
            let texts = micros.map(|micros| micros.map(|micros| written(micros, offset)).transpose());
            let texts: ArrayRef = Arc::new(texts.collect::<Result<StringArray, SqlError>>()?);
            Ok(compute::cast(&texts, to)?)
        }
        _ => {
            let intervals = of_durations(array)?;
            let shown = |value| {
                let mut text = Vec::new();
                interval::write(value, &mut text);
                String::from_utf8(text).expect("letters and digits")
            };
            let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>().iter();
            let texts: ArrayRef = Arc::new(intervals.map(|value| value.map(shown)).collect::<StringArray>());
            Ok(compute::cast(&texts, to)?)
        }
    }
}

fn intervals(array: &ArrayRef, lenient: bool) -> Result<ArrayRef> {
    let texts = compute::cast(array, &DataType::Utf8)?;
    let read = |text: &str| match interval::read(text) {
        None if !lenient => Err(SqlError::new("22007", format!("invalid input syntax for type interval: \"{text}\""))),
        read => Ok(read),
    };
    let values = texts.as_string::<i32>().iter().map(|text| text.map_or(Ok(None), read));
    Ok(Arc::new(values.collect::<Result<IntervalMonthDayNanoArray, SqlError>>()?))
}

/// What is written otherwise than PostgreSQL writes it, DataFusion may know.
fn timestamps(array: &ArrayRef, zoned: bool, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    let texts = compute::cast(array, &DataType::Utf8)?;
    let name = if zoned { "timestamp with time zone" } else { "timestamp" };
    let read = |text: &str| {
        let known = if zoned { time::timestamp(text.trim()) } else { time::local_timestamp(text.trim()) };
        let other = || {
            let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
            let options = CastOptions { safe: true, ..Default::default() };
            let read = cast_with_options(&text, &DataType::Timestamp(TimeUnit::Microsecond, None), &options).ok()?;
            let read = read.as_primitive::<TimestampMicrosecondType>();
            read.is_valid(0).then(|| read.value(0))
        };
        match known.or_else(other) {
            None if !lenient => {
                Err(SqlError::new("22007", format!("invalid input syntax for type {name}: \"{text}\"")))
            }
            read => Ok(read),
        }
    };
    let values = texts.as_string::<i32>().iter().map(|text| text.map_or(Ok(None), read));
    let values: ArrayRef = Arc::new(values.collect::<Result<TimestampMicrosecondArray, SqlError>>()?);
    let zone = match to {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let values = compute::cast(&values, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let values = values.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(zone);
    Ok(compute::cast(&values, to)?)
}
