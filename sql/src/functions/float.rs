//! Casts to floats whose results are canonical: no -0.0, one NaN.

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::arithmetic::canonical;

/// Whether a cast between these types can give -0.0 or another NaN: to a float from anything but integers and decimals.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    to.is_floating() && from != to && !from.is_integer() && !from.is_decimal() && !from.is_null()
}

/// Values as floats of type `to`; `lenient`: NULL where there is none, instead of an error.
pub fn cast(array: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    let options = CastOptions { safe: lenient, ..Default::default() };
    Ok(canonical(cast_with_options(array, to, &options)?, to)?)
}
