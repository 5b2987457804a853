//! Intervals: months, days and microseconds, each with its own sign.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, DurationMicrosecondType, IntervalMonthDayNano, TimeUnit};
use arrow::error::ArrowError;
use sql::decode::interval::of_micros;

const NANOS_PER_MICRO: i64 = 1_000;

/// The difference of two times has whole days and the rest, as PostgreSQL's.
pub(super) fn of_durations(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let micros = cast(array, &DataType::Duration(TimeUnit::Microsecond))?;
    let micros = micros.as_primitive::<DurationMicrosecondType>();
    let interval = |micros: i64| of_micros(micros).ok_or_else(beyond);
    let all: IntervalMonthDayNanoArray =
        micros.iter().map(|micros| micros.map(interval).transpose()).collect::<Result<_, _>>()?;
    Ok(Arc::new(all))
}

fn beyond() -> ArrowError {
    ArrowError::ArithmeticOverflow("interval out of range".to_owned())
}

pub(super) fn binary(value: IntervalMonthDayNano, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.nanoseconds / NANOS_PER_MICRO).to_be_bytes());
    out.extend_from_slice(&value.days.to_be_bytes());
    out.extend_from_slice(&value.months.to_be_bytes());
}
