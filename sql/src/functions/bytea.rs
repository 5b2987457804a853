//! Casts between text and bytea as PostgreSQL has them: text is read as `\x` and hexadecimal digits or with `\ooo` for a
//! byte, bytes are written as `\x` and hexadecimal digits. DataFusion's would take the characters for the bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::compute;
use arrow::datatypes::DataType;
use datafusion::common::Result;

use crate::decode::binary;
use crate::error::SqlError;

/// Whether a cast between these types is ours.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    (from.is_string() && to.is_binary()) || (from.is_binary() && to.is_string())
}

/// Bytes as text or text as bytes; `lenient`: NULL where text is neither form, instead of an error.
pub fn cast(array: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    let array = match array.data_type().is_binary() {
        true => written(array)?,
        false => read(array, lenient)?,
    };
    Ok(compute::cast(&array, to)?)
}

fn read(array: &ArrayRef, lenient: bool) -> Result<ArrayRef> {
    let texts = compute::cast(array, &DataType::Utf8)?;
    let one = |text: &str| match binary::from_postgresql(text) {
        Some(bytes) => Ok(Some(bytes)),
        None if lenient => Ok(None),
        None => Err(SqlError::syntax("bytea", text)),
    };
    let cells = texts.as_string::<i32>().iter().map(|text| text.map_or(Ok(None), one));
    Ok(Arc::new(cells.collect::<Result<BinaryArray, SqlError>>()?))
}

fn written(array: &ArrayRef) -> Result<ArrayRef> {
    let values = compute::cast(array, &DataType::Binary)?;
    Ok(Arc::new(values.as_binary::<i32>().iter().map(|bytes| bytes.map(binary::printed)).collect::<StringArray>()))
}
