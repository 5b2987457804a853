//! `caudal.fills`: views that are under construction, and how far they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::decode::{Cell, RowsBuilder};
use crate::pipeline::Fills;
use crate::types::timestamptz;

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("view", DataType::Utf8, false),
        Field::new("phase", DataType::Utf8, false),
        Field::new("rows_read", DataType::Int64, false),
        Field::new("percent", DataType::Float64, false),
        Field::new("started", timestamptz(), false),
    ]))
}

/// One row a view, in name order.
pub fn rows(fills: &Fills) -> RecordBatch {
    let mut rows = RowsBuilder::new(schema());
    for (name, progress) in fills.all() {
        rows.push(&[
            name.into(),
            progress.phase().words().into(),
            Cell::Int(progress.rows.load(Ordering::Relaxed) as i64),
            Cell::Float(progress.share_permille.load(Ordering::Relaxed) as f64 / 10.0),
            Cell::at_ms(progress.started_ms),
        ]);
    }
    rows.finish()
}
