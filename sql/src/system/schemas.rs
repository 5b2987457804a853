//! `caudal.schemas`: the schemas that people made, and which pack is in them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::Catalog;
use crate::decode::{Cell, RowsBuilder};

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("pack", DataType::Utf8, true),
        Field::new("version", DataType::Utf8, true),
        Field::new("relations", DataType::Int64, false),
    ]))
}

/// One row a schema, in name order.
pub fn rows(catalog: &Catalog) -> RecordBatch {
    let mut rows = RowsBuilder::new(schema());
    for (name, schema) in catalog.schemas() {
        let within = |relation: &str| relation.split_once('.').is_some_and(|(schema, _)| schema == name);
        let relations = catalog.entries().filter(|entry| within(entry.name())).count();
        let pack = schema.pack.as_ref();
        rows.push(&[
            name.as_str().into(),
            pack.map(|pack| pack.name.as_str()).into(),
            pack.map(|pack| pack.version.as_str()).into(),
            Cell::Int(relations as i64),
        ]);
    }
    rows.finish()
}
