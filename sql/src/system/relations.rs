//! `caudal.relations`: every table and view, what feeds it and what made it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::{Catalog, Entry, is_hidden};
use crate::decode::{Cell, RowsBuilder};

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("topic", DataType::Utf8, true),
        Field::new("key", DataType::Utf8, true),
        Field::new("reads", DataType::Utf8, true),
        Field::new("sql", DataType::Utf8, true),
    ]))
}

/// One row a relation, in name order.
pub fn rows(catalog: &Catalog) -> RecordBatch {
    let mut rows = RowsBuilder::new(schema());
    for entry in catalog.entries() {
        let text = |text: String| if text.is_empty() { Cell::Null } else { Cell::Text(text.into()) };
        let reads: Vec<&str> = entry.reads().iter().map(String::as_str).collect();
        rows.push(&[
            Cell::Text(entry.name().into()),
            Cell::Text(entry.kind().into()),
            entry.table().map_or(Cell::Null, |table| Cell::Text((&*table.topic).into())),
            text(key(entry)),
            text(reads.join(", ")),
            text(entry.sql.clone()),
        ]);
    }
    rows.finish()
}

/// Names of the key columns; empty where rows have no key of their own.
fn key(entry: &Entry) -> String {
    let Some(relation) = entry.relation.as_ref().filter(|relation| !relation.schema.counted) else {
        return String::new();
    };
    let fields = relation.schema.columns.fields();
    let key = relation.schema.key.iter().map(|&column| &fields[column]).filter(|field| !is_hidden(field));
    key.map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}
