//! `pg_catalog`: PostgreSQL's catalogue over ours, so that its clients find their way. Worked out when it is read.

mod attribute;
mod class;
mod constraint;
mod declared;
mod description;
mod function;
pub mod oid;
mod row;
mod server;
pub mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;

use super::Facts;
use row::Rows;

pub use class::{shown, view_definition};
pub use constraint::{Index, definition, index_definition, indexes, key_columns};

/// The schema's name.
pub const SCHEMA: &str = "pg_catalog";

/// The columns of every relation of people, of plain views too.
pub type Columns = BTreeMap<String, SchemaRef>;

/// The names of the relations.
pub fn names() -> impl Iterator<Item = &'static str> {
    declared::RELATIONS.iter().map(|(_, name, _)| *name)
}

/// The relation with its rows; `None` where PostgreSQL has more than we do.
pub fn relation(name: &str, facts: &Facts, columns: &Columns) -> Result<Option<Arc<dyn TableProvider>>> {
    let Some(mut rows) = Rows::of(name) else { return Ok(None) };
    match name {
        "pg_class" => class::fill(&mut rows, facts, columns),
        "pg_attribute" => attribute::fill(&mut rows, facts, columns),
        "pg_attrdef" => attribute::fill_defaults(&mut rows, facts),
        "pg_index" => constraint::fill_indexes(&mut rows, facts),
        "pg_constraint" => constraint::fill_constraints(&mut rows, facts),
        "pg_indexes" => constraint::fill_index_names(&mut rows, facts),
        "pg_description" => description::fill(&mut rows, facts),
        "pg_type" => types::fill(&mut rows),
        "pg_proc" => function::fill(&mut rows),
        "pg_tables" | "pg_views" | "pg_matviews" => class::fill_by_kind(name, &mut rows, facts),
        _ => server::fill(name, &mut rows, facts),
    }
    let batch = rows.finish();
    Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
}

/// Whether a relation never has rows here.
pub fn is_always_empty(name: &str) -> bool {
    const FILLED: [&str; 12] = [
        "pg_class",
        "pg_attribute",
        "pg_attrdef",
        "pg_index",
        "pg_constraint",
        "pg_indexes",
        "pg_description",
        "pg_type",
        "pg_proc",
        "pg_tables",
        "pg_views",
        "pg_matviews",
    ];
    names().any(|known| known == name) && !FILLED.contains(&name) && !server::FILLED.contains(&name)
}

/// Columns of a relation of this schema.
pub fn schema_of(name: &str) -> Option<SchemaRef> {
    Rows::of(name).map(|rows| rows.schema())
}
