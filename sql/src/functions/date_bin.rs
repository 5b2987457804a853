//! `date_bin` on microseconds: DataFusion's takes every zoned timestamp to nanoseconds, which end in 2262.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::SqlError;
use crate::types;

/// `date_bin(interval, timestamp [, origin])`: the start of the bin; bins begin at the origin, or at 1970-01-01.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DateBin {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl DateBin {
    pub fn new() -> DateBin {
        DateBin { inner: datetime::date_bin(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        "date_bin"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let stamp = match types {
            [_, stamp] | [_, stamp, _] => match stamp {
                DataType::Timestamp(_, _) => types::canonical(stamp),
                DataType::Date32 => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
                // What says no type is a moment, as in PostgreSQL.
                DataType::Utf8 => Some(types::timestamptz()),
                _ => None,
            },
            _ => None,
        };
        let Some(DataType::Timestamp(unit, zone)) = stamp else {
            let named: Vec<String> = types.iter().map(types::sql_name).collect();
            let words = format!("function date_bin({}) does not exist", named.join(", "));
            return Err(SqlError::new("42883", words).hint("It takes an interval, a timestamp, and an origin.").into());
        };
        let mut coerced = vec![DataType::Interval(IntervalUnit::MonthDayNano), DataType::Timestamp(unit, zone.clone())];
        if types.len() == 3 {
            coerced.push(DataType::Timestamp(TimeUnit::Nanosecond, zone));
        }
        Ok(coerced)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(stride))) = &args.args[0]
            && stride.months == 0
            && (stride.days < 0 || stride.nanoseconds < 0 || (stride.days == 0 && stride.nanoseconds == 0))
        {
            return Err(SqlError::new("22008", "stride must be greater than zero").into());
        }
        self.inner.invoke_with_args(args)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.inner().output_ordering(inputs)
    }
}
