//! `date_part`, which EXTRACT is. DataFusion's knows not all fields, forgets the fraction of a second, and has all time between
//! two moments in nanoseconds; of years it takes 360 days.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::interval::of_durations;
use crate::error::SqlError;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Of a leap year every four.
const SECONDS_PER_YEAR: i64 = SECONDS_PER_DAY * 365 + SECONDS_PER_DAY / 4;

/// `date_part(field, timestamp | date | interval)`: the time between two moments is an interval like others.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DatePart {
    inner: Arc<ScalarUDF>,
}

impl Default for DatePart {
    fn default() -> DatePart {
        DatePart { inner: datetime::date_part() }
    }
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        "date_part"
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let own = args.scalar_arguments[0].and_then(field_of).filter(|field| OURS.contains(field));
        match own {
            Some(field) => {
                let of = if FRACTIONAL.contains(&field) { DataType::Float64 } else { DataType::Int32 };
                Ok(Arc::new(Field::new(self.name(), of, args.arg_fields[1].is_nullable())))
            }
            None => self.inner.return_field_from_args(args),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = match &args.args[0] {
            ColumnarValue::Scalar(field) => field_of(field),
            ColumnarValue::Array(_) => None,
        };
        let of = args.args[1].data_type();
        let spans = matches!(of, DataType::Duration(_) | DataType::Interval(_));
        let field = match field {
            Some(field) if spans || OURS.contains(&field) => field,
            None if spans => "this field",
            _ => return self.inner.invoke_with_args(args),
        };
        let alone = matches!(args.args[1], ColumnarValue::Scalar(_));
        let values = args.args[1].to_array(if alone { 1 } else { args.number_rows })?;
        let missing = || {
            let words = format!("unit \"{field}\" not supported for type {}", crate::types::sql_name(&of));
            SqlError::new("0A000", words)
        };
        let parts: Float64Array = match spans {
            true => {
                let intervals = of_durations(&values)?;
                let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>().iter();
                let part = |value| of_interval(field, value).ok_or_else(missing);
                intervals.map(|value| value.map(part).transpose()).collect::<Result<_, SqlError>>()?
            }
            false => {
                let micros = micros(&values)?;
                let micros = micros.as_primitive::<TimestampMicrosecondType>().iter();
                let part = |value| of_moment(field, value).ok_or_else(missing);
                micros.map(|value| value.map(part).transpose()).collect::<Result<_, SqlError>>()?
            }
        };
        let parts: ArrayRef = Arc::new(parts);
        let parts = cast(&parts, args.return_field.data_type())?;
        Ok(match alone {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&parts, 0)?),
            false => ColumnarValue::Array(parts),
        })
    }
}

/// The fields that are ours of moments too.
const OURS: [&str; 7] = ["second", "milliseconds", "epoch", "julian", "century", "decade", "millennium"];

/// Those that have fractions.
const FRACTIONAL: [&str; 4] = ["second", "milliseconds", "epoch", "julian"];

/// A field by the one name that it has here.
fn field_of(field: &ScalarValue) -> Option<&'static str> {
    let (ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name))) = field else { return None };
    let name = name.trim_matches(['\'', '"']).to_ascii_lowercase();
    Some(match name.as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => "second",
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => "milliseconds",
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" => "microseconds",
        "m" | "min" | "mins" | "minute" | "minutes" => "minute",
        "h" | "hr" | "hrs" | "hour" | "hours" => "hour",
        "d" | "day" | "days" => "day",
        "mon" | "mons" | "month" | "months" => "month",
        "qtr" | "quarter" => "quarter",
        "y" | "yr" | "yrs" | "year" | "years" => "year",
        "epoch" => "epoch",
        "j" | "jd" | "julian" => "julian",
        "dec" | "decs" | "decade" | "decades" => "decade",
        "c" | "cent" | "century" | "centuries" => "century",
        "mil" | "mils" | "millennium" | "millennia" => "millennium",
        _ => return None,
    })
}

/// Moments, days and times of day as local microseconds since 1970.
fn micros(values: &ArrayRef) -> Result<ArrayRef> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    Ok(match values.data_type() {
        DataType::Time32(_) | DataType::Time64(_) => {
            cast(&cast(&cast(values, &DataType::Time64(TimeUnit::Microsecond))?, &DataType::Int64)?, &micros)?
        }
        _ => cast(values, &micros)?,
    })
}

fn of_moment(field: &str, micros: i64) -> Option<f64> {
    let moment = DateTime::from_timestamp_micros(micros)?;
    let (year, in_minute) = (i64::from(moment.year()), micros.rem_euclid(60_000_000) as f64);
    // There is no year 0.
    let group = |years: i64| if year > 0 { (year + years - 1) / years } else { -((years - year) / years) };
    Some(match field {
        "second" => in_minute / 1e6,
        "milliseconds" => in_minute / 1e3,
        "epoch" => micros as f64 / 1e6,
        "julian" => {
            let days = micros.div_euclid(SECONDS_PER_DAY * 1_000_000);
            (days + 2_440_588) as f64 + micros.rem_euclid(SECONDS_PER_DAY * 1_000_000) as f64 / 86_400e6
        }
        "century" => group(100) as f64,
        "decade" => year.div_euclid(10) as f64,
        "millennium" => group(1_000) as f64,
        _ => return None,
    })
}

fn of_interval(field: &str, interval: IntervalMonthDayNano) -> Option<f64> {
    let (years, months) = (interval.months / 12, interval.months % 12);
    let (seconds, nanos) = (interval.nanoseconds / NANOS_PER_SECOND, interval.nanoseconds % NANOS_PER_SECOND);
    let in_minute = (interval.nanoseconds % (60 * NANOS_PER_SECOND)) as f64;
    Some(match field {
        "microseconds" => in_minute / 1e3,
        "milliseconds" => in_minute / 1e6,
        "second" => in_minute / 1e9,
        "minute" => (seconds / 60 % 60) as f64,
        "hour" => (seconds / 3600) as f64,
        "day" => f64::from(interval.days),
        "month" => f64::from(months),
        "quarter" => f64::from(months / 3 + 1),
        "year" => f64::from(years),
        "decade" => f64::from(years / 10),
        "century" => f64::from(years / 100),
        "millennium" => f64::from(years / 1_000),
        "epoch" => {
            let days = i64::from(months) * 30 + i64::from(interval.days);
            let whole = i64::from(years) * SECONDS_PER_YEAR + days * SECONDS_PER_DAY + seconds;
            whole as f64 + nanos as f64 / 1e9
        }
        _ => return None,
    })
}
