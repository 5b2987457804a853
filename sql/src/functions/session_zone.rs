//! What the time zone of a session changes in its queries: moments as text and from it, and days and months added to them.
//!
//! The zone is an argument of each, so that a call means the same wherever it is evaluated.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimestampMicrosecondType,
};
use chrono::{Datelike, Days, Months, NaiveDateTime, Timelike};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::zone::{Known, Zone, naive, out_of_range};
use crate::decode::time;
use crate::error::SqlError;
use crate::types;

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// A moment as text.
    Show,
    /// A moment from text, which is of the zone where it has no offset.
    Read,
    /// A moment and an interval: months and days are the zone's, hours are not.
    Add,
}

/// `session_zone_..(value, zone)`, or `(moment, interval, zone)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct InSessionZone {
    work: Work,
    signature: Signature,
}

impl InSessionZone {
    pub fn new(work: Work) -> InSessionZone {
        let types = match work {
            Work::Show => vec![types::timestamptz(), DataType::Utf8],
            Work::Read => vec![DataType::Utf8, DataType::Utf8],
            Work::Add => vec![types::timestamptz(), DataType::Interval(IntervalUnit::MonthDayNano), DataType::Utf8],
        };
        InSessionZone { work, signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for InSessionZone {
    fn name(&self) -> &str {
        match self.work {
            Work::Show => "session_zone_text",
            Work::Read => "session_zone_moment",
            Work::Add => "session_zone_add",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(if self.work == Work::Show { DataType::Utf8 } else { types::timestamptz() })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let zones = arrays.last().expect("the zone is the last argument").as_string::<i32>();
        let mut known = Known::default();
        let rows = (0..zones.len()).map(|row| {
            let missing = arrays.iter().any(|array| array.is_null(row));
            if missing { Ok(None) } else { known.zone(zones.value(row)).map(|zone| Some((row, zone))) }
        });
        let rows: Vec<Option<(usize, Zone)>> = rows.collect::<Result<_, SqlError>>()?;
        let micros = |array: &ArrayRef, row: usize| array.as_primitive::<TimestampMicrosecondType>().value(row);
        let moments: Result<Vec<Option<i64>>, SqlError> = match self.work {
            Work::Show => {
                let of = |(row, zone): (usize, Zone)| shown(micros(&arrays[0], row), zone);
                let texts: Vec<Option<String>> =
                    rows.into_iter().map(|row| row.map(of).transpose()).collect::<Result<_, SqlError>>()?;
                return Ok(ColumnarValue::Array(Arc::new(StringArray::from(texts))));
            }
            Work::Read => {
                let of = |(row, zone): (usize, Zone)| read(arrays[0].as_string::<i32>().value(row), zone);
                rows.into_iter().map(|row| row.map(of).transpose()).collect()
            }
            Work::Add => {
                let intervals = arrays[1].as_primitive::<IntervalMonthDayNanoType>();
                let of = |(row, zone): (usize, Zone)| plus(micros(&arrays[0], row), intervals.value(row), zone);
                rows.into_iter().map(|row| row.map(of).transpose()).collect()
            }
        };
        let moments = TimestampMicrosecondArray::from(moments?).with_timezone(types::UTC);
        Ok(ColumnarValue::Array(Arc::new(moments)))
    }
}

/// `2026-01-02 03:04:05.678+01`, as PostgreSQL prints a moment.
pub fn shown(micros: i64, zone: Zone) -> Result<String, SqlError> {
    let offset = shown_offset(zone.offset_at(&naive(micros)?));
    written(zone.to_local(micros)?, &offset)
}

/// `2026-01-02T03:04:05.678+01:00`, as PostgreSQL prints a moment in a document.
pub fn in_document(micros: i64, zone: Zone) -> Result<String, SqlError> {
    let mut offset = shown_offset(zone.offset_at(&naive(micros)?));
    if !offset.contains(':') {
        offset += ":00";
    }
    Ok(written(zone.to_local(micros)?, &offset)?.replacen(' ', "T", 1))
}

/// `2026-01-02 03:04:05.678`, as PostgreSQL prints a local time, with the offset behind it.
pub fn written(local: i64, offset: &str) -> Result<String, SqlError> {
    let local = naive(local)?;
    let (year, era) = if local.year() > 0 { (local.year(), "") } else { (1 - local.year(), " BC") };
    let mut fraction = String::new();
    if local.nanosecond() > 0 {
        fraction = format!(".{:06}", local.nanosecond() / 1_000);
        fraction.truncate(fraction.trim_end_matches('0').len());
    }
    let clock = local.format("%H:%M:%S");
    Ok(format!("{year:04}-{:02}-{:02} {clock}{fraction}{offset}{era}", local.month(), local.day()))
}

/// `+02`, `-03:30`: what is not there is not shown.
pub fn shown_offset(seconds: i32) -> String {
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
    match (minutes, seconds) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// A moment from text; without an offset it is of the zone.
pub fn read(text: &str, zone: Zone) -> Result<i64, SqlError> {
    let refused =
        || SqlError::new("22007", format!("invalid input syntax for type timestamp with time zone: \"{text}\""));
    let written = text.trim();
    let moment = time::timestamp(written).ok_or_else(refused)?;
    if time::has_offset(written) { Ok(moment) } else { zone.to_moment(moment) }
}

/// A moment as an event says it.
pub fn utc(micros: i64) -> String {
    let mut out = Vec::new();
    time::write_timestamp(micros, &mut out);
    String::from_utf8(out).expect("digits")
}

/// A moment and an interval: months and days are the zone's.
pub fn plus(micros: i64, interval: IntervalMonthDayNano, zone: Zone) -> Result<i64, SqlError> {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    let mut moment = micros;
    if months != 0 || days != 0 {
        let local = naive(zone.to_local(micros)?)?;
        let moved = moved(local, months, days).ok_or_else(out_of_range)?;
        moment = zone.to_moment(moved.and_utc().timestamp_micros())?;
    }
    moment.checked_add(nanoseconds / 1_000).ok_or_else(out_of_range)
}

fn moved(local: NaiveDateTime, months: i32, days: i32) -> Option<NaiveDateTime> {
    let count = Months::new(months.unsigned_abs());
    let month = if months < 0 { local.checked_sub_months(count) } else { local.checked_add_months(count) }?;
    let count = Days::new(u64::from(days.unsigned_abs()));
    if days < 0 { month.checked_sub_days(count) } else { month.checked_add_days(count) }
}
