//! Casts to floats whose results are canonical, no -0.0, one NaN; and of floats to text, as PostgreSQL prints them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::{self, CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::Result;

use super::arithmetic::canonical;
use crate::decode::float::{float4, float8};

/// Whether a cast between these types can give -0.0 or another NaN, to a float from anything but integers and decimals; or is
/// one of a float to text.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    from.is_floating() && to.is_string()
        || to.is_floating() && from != to && !from.is_integer() && !from.is_decimal() && !from.is_null()
}

/// Values as floats of type `to`; `lenient`: NULL where there is none, instead of an error.
pub fn cast(array: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    let options = CastOptions { safe: lenient, ..Default::default() };
    Ok(canonical(cast_with_options(array, to, &options)?, to)?)
}

/// Floats as text.
pub fn written(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    fn texts<T>(values: impl Iterator<Item = Option<T>>, write: fn(T, &mut Vec<u8>)) -> ArrayRef {
        let shown = |value| {
            let mut text = Vec::new();
            write(value, &mut text);
            String::from_utf8(text).expect("digits")
        };
        Arc::new(values.map(|value| value.map(shown)).collect::<StringArray>())
    }
    let texts = match array.data_type() {
        DataType::Float32 => texts(array.as_primitive::<Float32Type>().iter(), float4),
        _ => {
            let doubles = compute::cast(array, &DataType::Float64)?;
            texts(doubles.as_primitive::<Float64Type>().iter(), float8)
        }
    };
    Ok(compute::cast(&texts, to)?)
}
