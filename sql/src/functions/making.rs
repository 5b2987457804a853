//! `make_date`, `make_timestamp`, `make_timestamptz`, `make_interval`: moments and intervals from their parts.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use chrono::NaiveDate;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::interval::{INTERVAL, beyond};
use super::rowwise::pure::strict;
use super::rowwise::{number, text};
use super::zone::{Zone, out_of_range};
use crate::error::SqlError;
use crate::types;

/// `make_timestamptz`, whose seventh argument is a zone, the session's where there is none.
pub const MOMENT: &str = "make_timestamptz";

/// `make_interval`, and what its arguments are called: each may be left out.
pub const SPAN: &str = "make_interval";
pub const SPANS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

pub fn functions() -> Vec<ScalarUDF> {
    vec![
        strict("make_date", DataType::Date32, |args| {
            let date = date(args, "make_date")?;
            Ok(ScalarValue::Date32(Some(date.to_epoch_days())))
        }),
        strict("make_timestamp", DataType::Timestamp(TimeUnit::Microsecond, None), |args| {
            Ok(ScalarValue::TimestampMicrosecond(Some(local(args, "make_timestamp")?), None))
        }),
        strict(MOMENT, types::timestamptz(), |args| {
            let zone = args.get(6).and_then(text);
            let zone = Zone::of(zone.as_deref().unwrap_or("UTC"))?;
            let moment = zone.to_moment(local(args, MOMENT)?)?;
            Ok(ScalarValue::TimestampMicrosecond(Some(moment), Some(types::UTC.into())))
        }),
        strict(SPAN, INTERVAL, |args| Ok(ScalarValue::IntervalMonthDayNano(Some(interval(args)?.ok_or_else(beyond)?)))),
    ]
}

fn missing(function: &str) -> SqlError {
    SqlError::new("42883", format!("function {function} with these arguments does not exist"))
}

fn whole(args: &[ScalarValue], at: usize, function: &str) -> Result<i32> {
    let whole = args.get(at).filter(|value| value.data_type().is_integer()).and_then(number);
    Ok(whole.and_then(|whole| i32::try_from(whole).ok()).ok_or_else(|| missing(function))?)
}

fn double(args: &[ScalarValue], at: usize, function: &str) -> Result<f64> {
    match args.get(at).map(|value| value.cast_to(&DataType::Float64)) {
        Some(Ok(ScalarValue::Float64(Some(value)))) => Ok(value),
        _ => Err(missing(function).into()),
    }
}

/// A year before the first one is one before Christ.
fn date(args: &[ScalarValue], function: &str) -> Result<NaiveDate> {
    let (year, month, day) = (whole(args, 0, function)?, whole(args, 1, function)?, whole(args, 2, function)?);
    let parts = u32::try_from(month).ok().zip(u32::try_from(day).ok()).filter(|_| year != 0);
    let date =
        parts.and_then(|(month, day)| NaiveDate::from_ymd_opt(if year < 0 { year + 1 } else { year }, month, day));
    let refused = || format!("date field value out of range: {year}-{month:02}-{day:02}");
    Ok(date.ok_or_else(|| SqlError::new("22008", refused()))?)
}

/// Microseconds of a local time.
fn local(args: &[ScalarValue], function: &str) -> Result<i64> {
    let date = date(args, function)?;
    let (hour, minute) = (whole(args, 3, function)?, whole(args, 4, function)?);
    let second = double(args, 5, function)?;
    let micros = (second * 1e6).round_ties_even();
    let midnight = hour == 24 && minute == 0 && micros == 0.0;
    let within = (0..24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60e6).contains(&micros);
    if !within && !midnight {
        let words = format!("time field value out of range: {hour}:{minute:02}:{second:02}");
        return Err(SqlError::new("22008", words).into());
    }
    let days = i64::from(date.to_epoch_days()).checked_mul(86_400_000_000).ok_or_else(out_of_range)?;
    Ok(days + (i64::from(hour) * 60 + i64::from(minute)) * 60_000_000 + micros as i64)
}

/// None where it is too long.
fn interval(args: &[ScalarValue]) -> Result<Option<IntervalMonthDayNano>> {
    let mut parts = [0_i32; 6];
    for (at, part) in parts.iter_mut().enumerate().take(args.len()) {
        *part = whole(args, at, SPAN)?;
    }
    let [years, months, weeks, days, hours, minutes] = parts;
    let seconds = if args.len() > 6 { double(args, 6, SPAN)? } else { 0.0 };
    let micros = (seconds * 1e6).round_ties_even();
    if !micros.is_finite() || micros.abs() >= i64::MAX as f64 / 1e3 {
        return Ok(None);
    }
    let time_ns = (i64::from(hours) * 60 + i64::from(minutes))
        .checked_mul(60_000_000_000)
        .and_then(|nanos| nanos.checked_add(micros as i64 * 1_000));
    let months = years.checked_mul(12).and_then(|all| all.checked_add(months));
    let days = weeks.checked_mul(7).and_then(|all| all.checked_add(days));
    Ok(months.zip(days).zip(time_ns).map(|((months, days), nanos)| IntervalMonthDayNano::new(months, days, nanos)))
}
