//! A scalar expression, evaluated on a batch of rows.

use std::fmt;

use arrow::array::{ArrayRef, RecordBatch};

/// Why an expression has no value for a row, in words for the person who wrote it ("division by zero").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvalError(pub String);

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An expression over the columns of its operator's input.
///
/// Immutable and deterministic: the same row gives the same value or the same error, alone or in any batch.
pub trait Scalar: fmt::Debug + Send + Sync {
    /// One value a row. A row whose evaluation fails is NULL in the array and listed, by position, in ascending order.
    fn eval(&self, rows: &RecordBatch) -> (ArrayRef, Vec<(usize, EvalError)>);

    /// The same for the same expression in every process; a plan with another fingerprint is another plan.
    fn fingerprint(&self) -> u128;

    /// The input column that this expression only passes on, if that is all it does.
    fn column(&self) -> Option<usize> {
        None
    }

    /// The expression as SQL, for EXPLAIN and for error rows.
    fn sql(&self) -> String;
}
