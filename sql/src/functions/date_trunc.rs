//! `date_trunc(unit, timestamp [, zone])`, on microseconds and with all of PostgreSQL's units.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{Datelike, Days, FixedOffset, NaiveDate};
use datafusion::common::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::zone::{DAY_MICROS, Known, Zone, naive, out_of_range};
use crate::error::SqlError;
use crate::types;

/// What a time is cut down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many microseconds, which divide a day.
    Short(i64),
    Day,
    Week,
    Month,
    Quarter,
    /// So many years.
    Years(i32),
}

impl Unit {
    fn of(name: &str) -> Result<Unit, SqlError> {
        Ok(match name.to_lowercase().as_str() {
            "microsecond" | "microseconds" => Unit::Short(1),
            "millisecond" | "milliseconds" => Unit::Short(1_000),
            "second" => Unit::Short(1_000_000),
            "minute" => Unit::Short(60_000_000),
            "hour" => Unit::Short(3_600_000_000),
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "quarter" => Unit::Quarter,
            "year" => Unit::Years(1),
            "decade" => Unit::Years(10),
            "century" => Unit::Years(100),
            "millennium" => Unit::Years(1_000),
            _ => return Err(SqlError::new("22023", format!("unit \"{name}\" not recognized"))),
        })
    }

    /// The moment at which the local unit began. What is shorter than a day is counted within its offset, so that the hour
    /// that comes twice is two.
    fn start(self, micros: i64, zone: Zone) -> Result<i64, SqlError> {
        let local = zone.to_local(micros)?;
        if let Unit::Short(width) = self {
            return micros.checked_sub(local.rem_euclid(width)).ok_or_else(out_of_range);
        }
        if self == Unit::Day {
            return zone.to_moment(local - local.rem_euclid(DAY_MICROS));
        }
        let day = naive(local)?.date();
        let first = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1).ok_or_else(out_of_range);
        let start = match self {
            Unit::Week => day - Days::new(day.weekday().num_days_from_monday().into()),
            Unit::Month => first(day.year(), day.month())?,
            Unit::Quarter => first(day.year(), day.month0() / 3 * 3 + 1)?,
            // Centuries begin with the year 1, decades with the year 0.
            Unit::Years(years @ 100..) => first((day.year() - 1).div_euclid(years) * years + 1, 1)?,
            Unit::Years(years) => first(day.year().div_euclid(years) * years, 1)?,
            Unit::Short(_) | Unit::Day => unreachable!("done above"),
        };
        zone.to_moment(i64::from(start.to_epoch_days()) * DAY_MICROS)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DateTrunc {
    signature: Signature,
}

impl DateTrunc {
    pub fn new() -> DateTrunc {
        DateTrunc { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        "date_trunc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |of: &DataType| of.is_string() || of.is_null();
        let stamp = match types {
            [unit, stamp] if is_text(unit) => match types::canonical(stamp) {
                Some(stamp @ DataType::Timestamp(..)) => Some(stamp),
                Some(DataType::Date32 | DataType::Utf8) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
                _ => None,
            },
            [unit, stamp, zone] if is_text(unit) && is_text(zone) => {
                matches!(types::canonical(stamp), Some(DataType::Timestamp(_, Some(_)) | DataType::Date32))
                    .then(types::timestamptz)
            }
            _ => None,
        };
        let Some(stamp) = stamp else {
            let named: Vec<String> = types.iter().map(types::sql_name).collect();
            let words = format!("function date_trunc({}) does not exist", named.join(", "));
            let hint = "It takes a unit and a timestamp, and, where that has a time zone, the zone to count in.";
            return Err(SqlError::new("42883", words).hint(hint).into());
        };
        let mut coerced = vec![DataType::Utf8, stamp];
        coerced.extend((types.len() == 3).then_some(DataType::Utf8));
        Ok(coerced)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[1].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unit_of_all = match &args.args[0] {
            ColumnarValue::Scalar(unit) => unit.try_as_str().flatten().map(Unit::of).transpose()?,
            ColumnarValue::Array(_) => None,
        };
        let utc = Zone::Fixed(FixedOffset::east_opt(0).expect("no offset"));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (units, stamps) = (arrays[0].as_string::<i32>(), arrays[1].as_primitive::<TimestampMicrosecondType>());
        let zones = arrays.get(2).map(|zones| zones.as_string::<i32>());
        let mut known = Known::default();
        let mut starts = Vec::with_capacity(stamps.len());
        for (row, (stamp, unit)) in stamps.iter().zip(units).enumerate() {
            let zone = match zones {
                None => Some(utc),
                Some(zones) if arrow::array::Array::is_null(zones, row) => None,
                Some(zones) => Some(known.zone(zones.value(row))?),
            };
            starts.push(match (stamp, unit, zone) {
                (Some(stamp), Some(unit), Some(zone)) => {
                    Some(unit_of_all.map_or_else(|| Unit::of(unit), Ok)?.start(stamp, zone)?)
                }
                _ => None,
            });
        }
        let starts = TimestampMicrosecondArray::from(starts);
        let zone = stamps.timezone().map(Arc::from);
        Ok(ColumnarValue::Array(Arc::new(starts.with_timezone_opt::<Arc<str>>(zone)) as ArrayRef))
    }

    /// In UTC a later time never begins earlier.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        match inputs {
            [unit, stamp] if unit.sort_properties == SortProperties::Singleton => Ok(stamp.sort_properties),
            _ => Ok(SortProperties::Unordered),
        }
    }
}
