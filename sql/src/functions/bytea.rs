//! Casts between text and bytea as PostgreSQL has them: text is read as `\x` and hexadecimal digits or with `\ooo` for a
//! byte, bytes are written as `\x` and hexadecimal digits. DataFusion's would take the characters for the bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::decode::binary;
use crate::error::SqlError;

/// Whether a cast between these types is ours.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    (from.is_string() && to.is_binary()) || (from.is_binary() && to.is_string())
}

/// `CAST(x AS bytea)` of text, `CAST(x AS text)` of bytea, and their like for TRY_CAST.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ByteaCast {
    to: DataType,
    /// TRY_CAST: NULL instead of an error.
    lenient: bool,
    name: String,
    signature: Signature,
}

impl ByteaCast {
    pub fn new(to: DataType, lenient: bool) -> ByteaCast {
        let name = format!("{}cast_{}", if lenient { "try_" } else { "" }, to.to_string().to_lowercase());
        ByteaCast { to, lenient, name, signature: Signature::any(1, Volatility::Immutable) }
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
        let array = match array.data_type().is_binary() {
            true => written(array)?,
            false => self.read(array)?,
        };
        Ok(cast(&array, &self.to)?)
    }

    fn read(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let texts = cast(array, &DataType::Utf8)?;
        let one = |text: &str| match binary::from_postgresql(text) {
            Some(bytes) => Ok(Some(bytes)),
            None if self.lenient => Ok(None),
            None => Err(SqlError::syntax("bytea", text)),
        };
        let cells = texts.as_string::<i32>().iter().map(|text| text.map_or(Ok(None), one));
        Ok(Arc::new(cells.collect::<Result<BinaryArray, SqlError>>()?))
    }
}

fn written(array: &ArrayRef) -> Result<ArrayRef> {
    let values = cast(array, &DataType::Binary)?;
    Ok(Arc::new(values.as_binary::<i32>().iter().map(|bytes| bytes.map(binary::printed)).collect::<StringArray>()))
}

impl ScalarUDFImpl for ByteaCast {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
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
