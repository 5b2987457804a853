//! Casts of ours where DataFusion's would be wrong: to floats and from them to text, between text and bytes, arrays, timestamps
//! and intervals, from and to documents.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::{array, bytea, float, json, moment};

/// `CAST(x AS type)` or `TRY_CAST(x AS type)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct OwnCast {
    to: DataType,
    /// TRY_CAST: NULL instead of an error.
    lenient: bool,
    /// Nobody wrote a cast: it only makes the float that a function computes canonical.
    implied: bool,
    name: String,
    signature: Signature,
}

impl OwnCast {
    /// The cast between two types if it is ours.
    pub fn between(from: &DataType, to: &DataType, lenient: bool) -> Option<OwnCast> {
        let name = format!("{}cast_{}", if lenient { "try_" } else { "" }, to.to_string().to_lowercase());
        let all = [float::covers, bytea::covers, array::covers, moment::covers, json::covers];
        let ours = all.iter().any(|covers| covers(from, to));
        ours.then(|| OwnCast { to: to.clone(), lenient, implied: false, name, signature: one_argument() })
    }

    /// One that nobody wrote: its argument is a float of this type already, and becomes canonical.
    pub fn implied(to: DataType) -> OwnCast {
        let name = format!("canonical_{}", to.to_string().to_lowercase());
        OwnCast { to, lenient: false, implied: true, name, signature: one_argument() }
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

    /// The values of an array.
    pub fn cast(&self, values: &ArrayRef) -> Result<ArrayRef> {
        if json::covers(values.data_type(), &self.to) {
            return json::cast(values, &self.to, self.lenient);
        }
        if array::covers(values.data_type(), &self.to) {
            return array::cast(values, &self.to, self.lenient);
        }
        if moment::covers(values.data_type(), &self.to) {
            return moment::cast(values, &self.to, self.lenient);
        }
        if values.data_type().is_floating() && self.to.is_string() {
            return float::written(values, &self.to);
        }
        match self.to.is_floating() {
            true => float::cast(values, &self.to, self.lenient),
            false => bytea::cast(values, &self.to, self.lenient),
        }
    }
}

fn one_argument() -> Signature {
    Signature::any(1, Volatility::Immutable)
}

impl ScalarUDFImpl for OwnCast {
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
