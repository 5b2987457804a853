//! `age`, `justify_days`, `justify_hours`, `justify_interval`: how long something is, in years, months and days.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use chrono::{DateTime, Datelike, Months, NaiveDateTime};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::OwnCast;
use super::interval::{INTERVAL, beyond};
use super::rowwise::number;
use super::rowwise::pure::{strict, typed};
use crate::error::SqlError;
use crate::system::pg_catalog::NEWEST;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;
const DAYS_PER_MONTH: i32 = 30;

pub fn functions() -> Vec<ScalarUDF> {
    let justified = |name: &str, hours: bool, days: bool| {
        strict(name, INTERVAL, move |args| {
            let ScalarValue::IntervalMonthDayNano(Some(value)) = cast(&args[0], &INTERVAL)? else {
                unreachable!("it was cast to an interval")
            };
            Ok(ScalarValue::IntervalMonthDayNano(Some(justify(value, hours, days).ok_or_else(beyond)?)))
        })
    };
    vec![
        justified("justify_hours", true, false),
        justified("justify_days", false, true),
        justified("justify_interval", true, true),
        typed(
            "age",
            |types| Ok(if is_transaction(types) { DataType::Int32 } else { INTERVAL }),
            |args| {
                if is_transaction(&[args[0].data_type()]) {
                    return Ok(ScalarValue::Int32(number(&args[0]).map(transactions_since)));
                }
                if args.iter().any(ScalarValue::is_null) {
                    return Ok(ScalarValue::IntervalMonthDayNano(None));
                }
                let [later, earlier] = args else {
                    return Err(SqlError::unsupported("age of one timestamp")
                        .hint("Say from when: age(current_date, at).")
                        .into());
                };
                let (later, earlier) = (moment(later)?, moment(earlier)?);
                Ok(ScalarValue::IntervalMonthDayNano(Some(between(later, earlier).ok_or_else(beyond)?)))
            },
        ),
    ]
}

/// Whether `age` is asked of the number of a transaction.
fn is_transaction(types: &[DataType]) -> bool {
    matches!(types, [of] if of.is_integer())
}

/// How many transactions were after one; the first few numbers are older than all.
fn transactions_since(transaction: i64) -> i32 {
    if transaction < NEWEST { i32::MAX } else { 0 }
}

fn cast(value: &ScalarValue, to: &DataType) -> Result<ScalarValue> {
    match OwnCast::between(&value.data_type(), to, false) {
        Some(own) => ScalarValue::try_from_array(&own.cast(&value.to_array()?)?, 0),
        None => value.cast_to(to),
    }
}

fn moment(value: &ScalarValue) -> Result<NaiveDateTime> {
    let ScalarValue::TimestampMicrosecond(Some(micros), _) =
        cast(value, &DataType::Timestamp(TimeUnit::Microsecond, None))?
    else {
        unreachable!("it was cast to a timestamp")
    };
    let moment = DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc());
    Ok(moment.ok_or_else(|| SqlError::new("22008", "timestamp out of range"))?)
}

/// Each part of the difference; what is borrowed of days is the length of the earlier moment's month.
fn between(first: NaiveDateTime, second: NaiveDateTime) -> Option<IntervalMonthDayNano> {
    let negative = first < second;
    let (later, earlier) = if negative { (second, first) } else { (first, second) };
    let mut months = (later.year() - earlier.year()) * 12 + later.month() as i32 - earlier.month() as i32;
    let mut days = later.day() as i32 - earlier.day() as i32;
    let mut nanos = (later.time() - earlier.time()).num_nanoseconds()?;
    if nanos < 0 {
        (days, nanos) = (days - 1, nanos + NANOS_PER_DAY);
    }
    if days < 0 {
        let month = earlier.date().with_day(1)?;
        let length = (month.checked_add_months(Months::new(1))? - month).num_days() as i32;
        (months, days) = (months - 1, days + length);
    }
    let sign = if negative { -1 } else { 1 };
    Some(IntervalMonthDayNano::new(sign * months, sign * days, i64::from(sign) * nanos))
}

/// Whole days of hours and whole months of days, all with the same sign.
fn justify(value: IntervalMonthDayNano, hours: bool, by_days: bool) -> Option<IntervalMonthDayNano> {
    let IntervalMonthDayNano { mut months, mut days, nanoseconds: mut nanos } = value;
    if hours {
        days = days.checked_add(i32::try_from(nanos / NANOS_PER_DAY).ok()?)?;
        nanos %= NANOS_PER_DAY;
    }
    if by_days {
        months = months.checked_add(days / DAYS_PER_MONTH)?;
        days %= DAYS_PER_MONTH;
    }
    if by_days && months > 0 && (days < 0 || hours && days == 0 && nanos < 0) {
        (months, days) = (months - 1, days + DAYS_PER_MONTH);
    } else if by_days && months < 0 && (days > 0 || hours && days == 0 && nanos > 0) {
        (months, days) = (months + 1, days - DAYS_PER_MONTH);
    }
    if hours && days > 0 && nanos < 0 {
        (days, nanos) = (days - 1, nanos + NANOS_PER_DAY);
    } else if hours && days < 0 && nanos > 0 {
        (days, nanos) = (days + 1, nanos - NANOS_PER_DAY);
    }
    Some(IntervalMonthDayNano::new(months, days, nanos))
}
