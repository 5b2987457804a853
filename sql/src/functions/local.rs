//! `local_hour`, `local_day` and `local_month`: when it is where the meter hangs.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::zone::Zone;
use crate::error::SqlError;
use crate::types;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Hour,
    Day,
    Month,
}

/// `local_hour(timestamptz, zone)`: the moment at which the local hour began, so that the hour that comes twice in autumn is two.
/// `local_day`: the local date. `local_month`: the first day of the local month.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Local {
    part: Part,
    signature: Signature,
}

impl Local {
    /// All three.
    pub fn all() -> [Local; 3] {
        [Part::Hour, Part::Day, Part::Month]
            .map(|part| Local { part, signature: Signature::user_defined(Volatility::Immutable) })
    }

    /// Microseconds since 1970 at which the hour began, or days since 1970.
    fn local(&self, micros: i64, zone: Zone) -> Result<i64, SqlError> {
        let out_of_range = || SqlError::new("22008", "timestamp out of range");
        let moment = DateTime::from_timestamp_micros(micros).ok_or_else(out_of_range)?;
        let offset = i64::from(zone.offset_at(&moment.naive_utc()));
        let local = micros.checked_add(offset * 1_000_000).ok_or_else(out_of_range)?;
        let day = local.div_euclid(DAY_MICROS);
        match self.part {
            Part::Hour => micros.checked_sub(local.rem_euclid(HOUR_MICROS)).ok_or_else(out_of_range),
            Part::Day => Ok(day),
            Part::Month => {
                let day = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).ok_or_else(out_of_range)?;
                Ok(day.with_day(1).expect("every month has a first day").to_epoch_days().into())
            }
        }
    }
}

impl ScalarUDFImpl for Local {
    fn name(&self) -> &str {
        match self.part {
            Part::Hour => "local_hour",
            Part::Day => "local_day",
            Part::Month => "local_month",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into()));
        match types {
            [DataType::Timestamp(_, Some(_)) | DataType::Null, zone] if zone.is_string() || zone.is_null() => {
                Ok(vec![zoned, DataType::Utf8])
            }
            _ => {
                let named: Vec<String> = types.iter().map(types::sql_name).collect();
                let words = format!("function {}({}) does not exist", self.name(), named.join(", "));
                let hint = "It takes a timestamp with time zone and the name of a zone, such as 'Europe/Madrid'.";
                Err(SqlError::new("42883", words).hint(hint).into())
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.part {
            Part::Hour => self.coerce_types(types)?.swap_remove(0),
            Part::Day | Part::Month => DataType::Date32,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = match &args.args[1] {
            ColumnarValue::Scalar(zone) => zone.try_as_str().flatten().map(Zone::of).transpose()?,
            ColumnarValue::Array(_) => None,
        };
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (stamps, zones) = (arrays[0].as_primitive::<TimestampMicrosecondType>(), arrays[1].as_string::<i32>());
        let locals = stamps.iter().zip(zones).map(|(stamp, zone)| match (stamp, zone) {
            (Some(stamp), Some(zone)) => {
                let zone = constant.map_or_else(|| Zone::of(zone), Ok)?;
                self.local(stamp, zone).map(Some)
            }
            _ => Ok(None),
        });
        let locals = locals.collect::<Result<Vec<Option<i64>>, SqlError>>()?;
        let array: ArrayRef = match self.part {
            Part::Hour => Arc::new(TimestampMicrosecondArray::from(locals).with_timezone(types::UTC)),
            Part::Day | Part::Month => {
                Arc::new(locals.into_iter().map(|day| day.map(|day| day as i32)).collect::<Date32Array>())
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}
