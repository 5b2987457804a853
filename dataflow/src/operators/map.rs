//! Map: one output column an expression. No state; a change costs its expressions, a plain column nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;

use super::rows::batch;
use crate::changes::Changes;
use crate::engine::report::Reporter;
use crate::scalar::{EvalError, Scalar};

/// The expressions of a Map.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) operator: u32,
    pub(crate) columns: Vec<Arc<dyn Scalar>>,
    pub(crate) schema: SchemaRef,
}

/// What a Map makes of a batch: the rows that have a value, and why the others have none.
pub(crate) struct Mapped {
    pub(crate) rows: RecordBatch,
    /// The first failure of each failing row, ascending by its position in the input.
    pub(crate) failures: Vec<(usize, EvalError)>,
    /// Which input rows have a value; `None` for all.
    pub(crate) kept: Option<BooleanArray>,
}

impl Map {
    /// Evaluates every expression on every row.
    pub(crate) fn eval(&self, rows: &RecordBatch) -> Mapped {
        let mut failures: BTreeMap<usize, EvalError> = BTreeMap::new();
        let mut column = |scalar: &Arc<dyn Scalar>| -> ArrayRef {
            if let Some(column) = scalar.column() {
                return rows.column(column).clone();
            }
            let (values, failed) = scalar.eval(rows);
            for (row, error) in failed {
                failures.entry(row).or_insert(error);
            }
            values
        };
        let columns: Vec<ArrayRef> = self.columns.iter().map(&mut column).collect();
        if failures.is_empty() {
            let rows = batch(&self.schema, columns, rows.num_rows());
            return Mapped { rows, failures: Vec::new(), kept: None };
        }
        let kept = mask_without(rows.num_rows(), failures.keys().copied());
        let columns = columns.iter().map(|column| filter(column, &kept).expect("a mask of the same length"));
        let rows = batch(&self.schema, columns.collect(), rows.num_rows() - failures.len());
        Mapped { rows, failures: failures.into_iter().collect(), kept: Some(kept) }
    }

    /// Maps changes; failing rows are reported and left out.
    pub(crate) fn apply(&self, changes: Changes, report: Option<&Reporter>) -> Changes {
        let mapped = self.eval(&changes.rows);
        let Some(kept) = mapped.kept else {
            return Changes::new(mapped.rows, changes.diffs);
        };
        if let Some(report) = report {
            report.rows(self.operator, &changes, &mapped.failures);
        }
        let diffs = kept.values().set_indices().map(|row| changes.diffs[row]).collect();
        Changes::new(mapped.rows, diffs)
    }
}

/// A mask of `len` rows that is false at the given ones.
fn mask_without(len: usize, rows: impl Iterator<Item = usize>) -> BooleanArray {
    let mut mask = vec![true; len];
    for row in rows {
        mask[row] = false;
    }
    BooleanArray::from(mask)
}
