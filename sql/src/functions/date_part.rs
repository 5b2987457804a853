//! `date_part`, which EXTRACT is: of the time between two moments DataFusion's loses the fraction of a second from 2.147483648
//! seconds on, where the nanoseconds are more than 32 bits hold.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit};
use datafusion::common::Result;
use datafusion::functions::datetime;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

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
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(DataType::Duration(_)) = args.args.get(1).map(ColumnarValue::data_type) {
            let interval = DataType::Interval(IntervalUnit::MonthDayNano);
            args.args[1] = match &args.args[1] {
                ColumnarValue::Array(array) => ColumnarValue::Array(cast(array, &interval)?),
                ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.cast_to(&interval)?),
            };
            let field = &args.arg_fields[1];
            args.arg_fields[1] = Arc::new(Field::new(field.name(), interval, field.is_nullable()));
        }
        self.inner.invoke_with_args(args)
    }
}
