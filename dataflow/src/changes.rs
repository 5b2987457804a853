//! What moves between operators: rows, and for each how many were added or taken away.

use arrow::array::RecordBatch;

use crate::row::first_columns;

/// A batch of rows with a difference each. Not consolidated: a row may occur more than once, differences may cancel.
///
/// At most [`crate::limits::CHANGES_ROWS_MAX`] rows, so that an epoch of any size flows in pieces. The time is the epoch
/// that the batch is part of and is not repeated here.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The rows, each `rows.num_columns()` wide.
    pub rows: RecordBatch,
    /// One difference a row: +1 inserts it, -1 retracts it.
    pub diffs: Vec<i64>,
}

impl Changes {
    /// Rows with their differences; panics unless there is one difference a row.
    pub fn new(rows: RecordBatch, diffs: Vec<i64>) -> Changes {
        assert_eq!(rows.num_rows(), diffs.len(), "one difference a row");
        Changes { rows, diffs }
    }

    /// Every row inserted once.
    pub fn inserts(rows: RecordBatch) -> Changes {
        let diffs = vec![1; rows.num_rows()];
        Changes { rows, diffs }
    }

    /// The same changes of the first columns, as a reader knows them that was there before the others were added.
    pub(crate) fn narrowed(&self, columns: usize) -> Changes {
        let rows = match self.rows.num_columns() > columns {
            true => first_columns(&self.rows, columns),
            false => self.rows.clone(),
        };
        Changes { rows, diffs: self.diffs.clone() }
    }

    /// How many rows there are, before consolidation.
    pub fn len(&self) -> usize {
        self.diffs.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.diffs.is_empty()
    }
}
