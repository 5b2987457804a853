//! `caudal.bridges`: sources and sinks, and how their connections are.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::bridge::States;
use crate::catalog::Catalog;
use crate::decode::{Cell, RowsBuilder};
use crate::types::UTC;

pub fn schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("relation", DataType::Utf8, false),
        Field::new("url", DataType::Utf8, false),
        Field::new("topic", DataType::Utf8, false),
        Field::new("client_id", DataType::Utf8, false),
        Field::new("connected_since", time(), true),
        Field::new("messages", DataType::Int64, false),
        Field::new("last_message", time(), true),
        Field::new("epoch", DataType::Int64, true),
        Field::new("last_error", DataType::Utf8, true),
        Field::new("last_error_at", time(), true),
    ]))
}

/// One row a bridge, in name order.
pub fn rows(catalog: &Catalog, states: &States) -> RecordBatch {
    let mut rows = RowsBuilder::new(schema());
    let time = |ms: Option<i64>| ms.map_or(Cell::Null, |ms| Cell::Timestamp(ms.saturating_mul(1_000)));
    for (name, bridge) in catalog.bridges() {
        let state = states.of(bridge.number);
        let (error, error_ms) = state.error.unzip();
        rows.push(&[
            Cell::Text(name.as_str().into()),
            Cell::Text(bridge.kind().into()),
            Cell::Text(bridge.relation().into()),
            Cell::Text(bridge.broker.address.to_string().into()),
            Cell::Text(bridge.topics().to_string().into()),
            Cell::Text(bridge.broker.client_id.as_str().into()),
            time(state.connected_since_ms),
            Cell::Int(state.messages as i64),
            time(state.last_message_ms),
            state.epoch.map_or(Cell::Null, |epoch| Cell::Int(epoch as i64)),
            error.map_or(Cell::Null, |error| Cell::Text(error.into())),
            time(error_ms),
        ]);
    }
    rows.finish()
}
