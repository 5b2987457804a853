//! Which of two arrays comes first. DataFusion has an order of its own, in which an element that is NULL is the least.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, DynComparator, Int32Array, make_comparator};
use arrow::compute::SortOptions;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

fn comparator(left: &ArrayRef, right: &ArrayRef) -> Result<DynComparator> {
    let nulls_last = SortOptions { descending: false, nulls_first: false };
    Ok(make_comparator(left, right, nulls_last)?)
}

fn of_one_type(name: &str, types: &[DataType]) -> Result<DataType> {
    match types {
        [left @ DataType::List(_), right] if left == right => Ok(left.clone()),
        _ => plan_err!("{name} is of two arrays of one type"),
    }
}

/// `btarraycmp(array, array)`, named as PostgreSQL names what its operators call: less than, equal to or greater than 0 as the
/// left one comes before the right one, is equal to it or comes after it. Elements are compared one after the other, NULL as
/// the greatest; an array comes before those that begin with it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ArrayOrder {
    signature: Signature,
}

impl Default for ArrayOrder {
    fn default() -> ArrayOrder {
        ArrayOrder { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ArrayOrder {
    fn name(&self) -> &str {
        "btarraycmp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        of_one_type(self.name(), types).map(|_| DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (left, right) = (&arrays[0], &arrays[1]);
        let compare = comparator(left, right)?;
        let order = |row: usize| match (left.is_valid(row) && right.is_valid(row)).then(|| compare(row, row))? {
            Ordering::Less => Some(-1),
            Ordering::Equal => Some(0),
            Ordering::Greater => Some(1),
        };
        Ok(ColumnarValue::Array(Arc::new((0..left.len()).map(order).collect::<Int32Array>())))
    }
}

/// `array_larger(array, array)` and `array_smaller`: the one that comes last, or first; the other one where one is NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ArrayExtreme {
    larger: bool,
    signature: Signature,
}

impl ArrayExtreme {
    pub fn all() -> [ArrayExtreme; 2] {
        [true, false].map(ArrayExtreme::new)
    }

    pub fn new(larger: bool) -> ArrayExtreme {
        ArrayExtreme { larger, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ArrayExtreme {
    fn name(&self) -> &str {
        if self.larger { "array_larger" } else { "array_smaller" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        of_one_type(self.name(), types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (left, right) = (&arrays[0], &arrays[1]);
        let compare = comparator(left, right)?;
        let beaten = if self.larger { Ordering::Less } else { Ordering::Greater };
        let is_left = |row: usize| Some(right.is_null(row) || left.is_valid(row) && compare(row, row) != beaten);
        let is_left: BooleanArray = (0..left.len()).map(is_left).collect();
        Ok(ColumnarValue::Array(zip(&is_left, left, right)?))
    }
}
