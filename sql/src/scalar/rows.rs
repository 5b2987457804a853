//! An expression's value for each row, or that row's error.

use arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;

/// Evaluates `expr` so that a row fails if and only if it fails evaluated alone.
///
/// DataFusion evaluates a batch as a whole, and what AND, OR and CASE skip depends on all of its rows. So when the batch
/// fails its halves are tried, down to single rows. A row that fails is NULL in the array and listed, ascending; `of` is the
/// type of the array.
pub fn evaluate(
    expr: &dyn PhysicalExpr,
    rows: &RecordBatch,
    of: &DataType,
) -> (ArrayRef, Vec<(usize, DataFusionError)>) {
    if rows.num_rows() == 0 {
        return (new_empty_array(of), Vec::new());
    }
    let mut pieces = Vec::new();
    let mut errors = Vec::new();
    bisect(expr, rows, 0, of, &mut pieces, &mut errors);
    if pieces.len() == 1 {
        return (pieces.remove(0), errors);
    }
    let arrays: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref()).collect();
    (concat(&arrays).expect("pieces of one type"), errors)
}

fn bisect(
    expr: &dyn PhysicalExpr,
    rows: &RecordBatch,
    first: usize,
    of: &DataType,
    pieces: &mut Vec<ArrayRef>,
    errors: &mut Vec<(usize, DataFusionError)>,
) {
    let count = rows.num_rows();
    match whole(expr, rows) {
        Ok(array) => {
            assert_eq!(array.data_type(), of, "type of {expr}");
            pieces.push(array);
        }
        Err(error) if count == 1 => {
            pieces.push(new_null_array(of, 1));
            errors.push((first, error));
        }
        Err(_) => {
            let half = count / 2;
            bisect(expr, &rows.slice(0, half), first, of, pieces, errors);
            bisect(expr, &rows.slice(half, count - half), first + half, of, pieces, errors);
        }
    }
}

fn whole(expr: &dyn PhysicalExpr, rows: &RecordBatch) -> Result<ArrayRef> {
    expr.evaluate(rows)?.into_array(rows.num_rows())
}
