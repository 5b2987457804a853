//! Which of two arrays comes first. DataFusion has an order of its own, in which an element that is NULL is the least.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, Int32Array, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

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
        match types {
            [left @ DataType::List(_), right] if left == right => Ok(DataType::Int32),
            _ => plan_err!("btarraycmp compares two arrays of one type"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = &arrays[..] else { return plan_err!("btarraycmp compares two arrays") };
        let nulls_last = SortOptions { descending: false, nulls_first: false };
        let compare = make_comparator(left, right, nulls_last)?;
        let order = |row: usize| match (left.is_valid(row) && right.is_valid(row)).then(|| compare(row, row))? {
            Ordering::Less => Some(-1),
            Ordering::Equal => Some(0),
            Ordering::Greater => Some(1),
        };
        Ok(ColumnarValue::Array(Arc::new((0..left.len()).map(order).collect::<Int32Array>())))
    }
}
