//! Record batches taken apart and put together: the few moves that every operator makes.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{concat_batches, filter_record_batch, take};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::changes::Changes;

/// A batch of `len` rows; panics when the columns are not those of the schema, which the planner promises.
pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, len: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(len));
    match RecordBatch::try_new_with_options(schema.clone(), columns, &options) {
        Ok(rows) => rows,
        Err(error) => panic!("columns do not fit their schema: {error}"),
    }
}

/// The same rows under another schema of the same types.
pub(crate) fn with_schema(rows: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    batch(schema, rows.columns().to_vec(), rows.num_rows())
}

/// All changes in one batch. `None` when there are none.
pub(crate) fn concat(mut changes: Vec<Changes>) -> Option<Changes> {
    if changes.len() <= 1 {
        return changes.pop();
    }
    let schema = changes[0].rows.schema();
    let rows = concat_batches(&schema, changes.iter().map(|changes| &changes.rows)).expect("batches of one schema");
    let diffs = changes.iter().flat_map(|changes| &changes.diffs).copied().collect();
    Some(Changes::new(rows, diffs))
}

/// The rows at these positions.
pub(crate) fn take_rows(rows: &RecordBatch, positions: &UInt32Array) -> RecordBatch {
    if positions.is_empty() {
        return rows.slice(0, 0);
    }
    if is_all(positions, rows.num_rows()) {
        return rows.clone();
    }
    let columns = rows.columns().iter().map(|column| take(column, positions, None).expect("positions within the rows"));
    batch(rows.schema_ref(), columns.collect(), positions.len())
}

/// The values at these positions.
pub(crate) fn take_values(column: &ArrayRef, positions: &UInt32Array) -> ArrayRef {
    if is_all(positions, column.len()) {
        return column.clone();
    }
    take(column, positions, None).expect("positions within the column")
}

/// Whether the positions are all of `len`, in order, so that there is nothing to move.
fn is_all(positions: &UInt32Array, len: usize) -> bool {
    positions.len() == len && positions.values().iter().zip(0..).all(|(position, place)| *position == place)
}

/// The rows, and their differences, for which `keep` is true.
pub(crate) fn retain(changes: &Changes, keep: &BooleanArray) -> Changes {
    let rows = filter_record_batch(&changes.rows, keep).expect("a mask of the same length");
    let diffs = keep.values().set_indices().map(|row| changes.diffs[row]).collect();
    Changes::new(rows, diffs)
}

/// A row in words: `column = value, ...`.
pub(crate) fn words(rows: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let mut words = String::new();
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        let separator = if words.is_empty() { "" } else { ", " };
        let value = match ArrayFormatter::try_new(column.as_ref(), &options) {
            Ok(formatter) => formatter.value(row).to_string(),
            Err(_) => format!("({})", field.data_type()),
        };
        words.push_str(&format!("{separator}{} = {value}", field.name()));
    }
    words
}

/// The changes whose rows have no NULL in these columns.
pub(crate) fn non_null(changes: Changes, columns: &[usize]) -> Changes {
    let nulls = NullBuffer::union_many(columns.iter().map(|&column| changes.rows.column(column).nulls()));
    match nulls {
        Some(nulls) if nulls.null_count() > 0 => retain(&changes, &BooleanArray::new(nulls.into_inner(), None)),
        _ => changes,
    }
}
