//! `x = ANY (array)`.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, UInt32Array};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::SqlError;
use crate::types;

/// Whether a value is equal to any element: NULL where none is and one is NULL, or the value is and there are any.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct AnyOf {
    signature: Signature,
}

impl Default for AnyOf {
    fn default() -> AnyOf {
        AnyOf { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for AnyOf {
    fn name(&self) -> &str {
        "_pg_any"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What is no array yet is one in text.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, list] = types else { return plan_err!("ANY compares two values, not {}", types.len()) };
        let item = match list {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => value,
            other => {
                let words = format!("op ANY/ALL (array) requires array on right side, not {}", types::sql_name(other));
                return Err(SqlError::new("42809", words).into());
            }
        };
        let common =
            if value.is_null() && item.is_null() { Some(DataType::Utf8) } else { comparison_coercion(value, item) };
        let Some(common) = common else {
            let words = format!("operator does not exist: {} = {}", types::sql_name(value), types::sql_name(item));
            return Err(SqlError::new("42883", words).into());
        };
        Ok(vec![common.clone(), DataType::new_list(common, true)])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let lists = arrays[1].as_list::<i32>();
        let ends = lists.value_offsets();
        let (first, last) = (ends[0] as usize, ends[lists.len()] as usize);
        let rows =
            (0..lists.len()).flat_map(|row| std::iter::repeat_n(row as u32, (ends[row + 1] - ends[row]) as usize));
        let wanted = take(&arrays[0], &UInt32Array::from_iter_values(rows), None)?;
        let equal = eq(&wanted, &lists.values().slice(first, last - first))?;
        let any = |row: usize| {
            let items = ends[row] as usize - first..ends[row + 1] as usize - first;
            let found = items.clone().any(|at| equal.is_valid(at) && equal.value(at));
            let unknown = lists.is_null(row) || !found && items.clone().any(|at| equal.is_null(at));
            (!unknown).then_some(found)
        };
        Ok(ColumnarValue::Array(Arc::new((0..lists.len()).map(any).collect::<BooleanArray>())))
    }
}
