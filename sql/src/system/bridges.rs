//! `caudal.bridges`: sources and sinks, and how their connections are.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::bridge::States;
use crate::catalog::Catalog;
use crate::decode::{Cell, RowsBuilder};
use crate::types::timestamptz;

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("relation", DataType::Utf8, false),
        Field::new("url", DataType::Utf8, false),
        Field::new("topic", DataType::Utf8, false),
        Field::new("client_id", DataType::Utf8, false),
        Field::new("connected_since", timestamptz(), true),
        Field::new("messages", DataType::Int64, false),
        Field::new("last_message", timestamptz(), true),
        Field::new("epoch", DataType::Int64, true),
        Field::new("last_error", DataType::Utf8, true),
        Field::new("last_error_at", timestamptz(), true),
    ]))
}

/// One row a bridge, in name order.
pub fn rows(catalog: &Catalog, states: &States) -> RecordBatch {
    let mut rows = RowsBuilder::new(schema());
    for (name, bridge) in catalog.bridges() {
        let state = states.of(bridge.number);
        let (error, error_ms) = state.error.unzip();
        rows.push(&[
            name.as_str().into(),
            bridge.kind().into(),
            bridge.relation().into(),
            bridge.broker.address.to_string().into(),
            bridge.topics().to_string().into(),
            bridge.broker.client_id.as_str().into(),
            state.connected_since_ms.map(Cell::at_ms).into(),
            Cell::Int(state.messages as i64),
            state.last_message_ms.map(Cell::at_ms).into(),
            state.epoch.map(|epoch| epoch as i64).into(),
            error.into(),
            error_ms.map(Cell::at_ms).into(),
        ]);
    }
    rows.finish()
}
