//! Intervals: months, days and microseconds, each with its own sign.

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, DurationMicrosecondType, IntervalMonthDayNano, TimeUnit};
use arrow::error::ArrowError;

const NANOS_PER_MICRO: i64 = 1_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The difference of two times has whole days and the rest, as PostgreSQL's.
pub(super) fn of_durations(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let micros = cast(array, &DataType::Duration(TimeUnit::Microsecond))?;
    let micros = micros.as_primitive::<DurationMicrosecondType>();
    let interval = |micros: i64| {
        let days = i32::try_from(micros / MICROS_PER_DAY).map_err(|_| beyond())?;
        Ok::<_, ArrowError>(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * NANOS_PER_MICRO))
    };
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

/// `1 year 2 mons -3 days +04:05:06.7`.
pub(super) fn text(value: IntervalMonthDayNano, out: &mut Vec<u8>) {
    let start = out.len();
    let mut before_negative = false;
    for (count, unit) in [(value.months / 12, "year"), (value.months % 12, "mon"), (value.days, "day")] {
        if count != 0 {
            let (space, sign) = (blank(out.len() > start), if before_negative && count > 0 { "+" } else { "" });
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{sign}{count} {unit}{plural}");
            before_negative = count < 0;
        }
    }
    let micros = value.nanoseconds / NANOS_PER_MICRO;
    if micros != 0 || out.len() == start {
        let space = blank(out.len() > start);
        let sign = if micros < 0 {
            "-"
        } else if before_negative {
            "+"
        } else {
            ""
        };
        let seconds = micros.unsigned_abs() / MICROS_PER_SECOND as u64;
        let _ = write!(out, "{space}{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        super::text::fraction((micros.unsigned_abs() % MICROS_PER_SECOND as u64) as i64, out);
    }
}

fn blank(needed: bool) -> &'static str {
    if needed { " " } else { "" }
}
