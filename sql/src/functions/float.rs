//! Casts to floats whose results are canonical: no -0.0, one NaN.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arithmetic::canonical;

/// Whether a cast between these types can give -0.0 or another NaN: to a float from anything but integers and decimals.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    to.is_floating() && from != to && !from.is_integer() && !from.is_decimal() && !from.is_null()
}

/// `CAST(x AS double precision)` and its like for `real` and TRY_CAST.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FloatCast {
    to: DataType,
    /// TRY_CAST: NULL instead of an error.
    lenient: bool,
    /// Nobody wrote a cast: it only makes what a function computes canonical.
    implied: bool,
    name: String,
    signature: Signature,
}

impl FloatCast {
    pub fn new(to: DataType, lenient: bool) -> FloatCast {
        let name = format!("{}cast_{}", if lenient { "try_" } else { "" }, to.to_string().to_lowercase());
        FloatCast { to, lenient, implied: false, name, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// One that nobody wrote: its argument is of type `to` already, and becomes canonical.
    pub fn implied(to: DataType) -> FloatCast {
        let name = format!("canonical_{}", to.to_string().to_lowercase());
        FloatCast { implied: true, name, ..FloatCast::new(to, false) }
    }

    /// Whether nobody wrote it.
    pub fn is_implied(&self) -> bool {
        self.implied
    }

    /// The type that it casts to.
    pub fn to(&self) -> &DataType {
        &self.to
    }

    /// Whether what cannot be cast is NULL.
    pub fn lenient(&self) -> bool {
        self.lenient
    }

    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let options = CastOptions { safe: self.lenient, ..Default::default() };
        Ok(canonical(cast_with_options(array, &self.to, &options)?, &self.to)?)
    }
}

impl ScalarUDFImpl for FloatCast {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        if self.implied {
            return Ok(args[0].schema_name().to_string());
        }
        let word = if self.lenient { "TRY_CAST" } else { "CAST" };
        Ok(format!("{word}({} AS {})", args[0].schema_name(), self.to))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = self.lenient || args.arg_fields[0].is_nullable();
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[0] {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.cast(array)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = self.cast(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}
