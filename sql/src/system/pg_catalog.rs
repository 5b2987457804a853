//! `pg_catalog`: PostgreSQL's catalogue over ours, so that its clients find their way. Worked out when it is read.

mod attribute;
mod class;
mod classes_of_operators;
mod constraint;
mod declared;
mod dependency;
mod description;
mod function;
pub mod oid;
mod row;
mod server;
mod statistics;
pub mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;

use super::Facts;
use row::Rows;

pub use class::{shown, view_definition};
pub use constraint::{Index, definition, index_definition, indexes, key_columns};
pub use function::{name as function_name, oid as function_oid};
pub use row::NEWEST;

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
        "pg_opclass" => classes_of_operators::fill(&mut rows),
        "pg_opfamily" => classes_of_operators::fill_families(&mut rows),
        "pg_rewrite" => dependency::fill_rules(&mut rows, facts),
        "pg_depend" => dependency::fill(&mut rows, facts),
        "pg_stat_user_tables" | "pg_stat_all_tables" => statistics::fill(&mut rows, facts),
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
    const FILLED: [&str; 18] = [
        "pg_class",
        "pg_attribute",
        "pg_attrdef",
        "pg_index",
        "pg_constraint",
        "pg_indexes",
        "pg_opclass",
        "pg_opfamily",
        "pg_rewrite",
        "pg_depend",
        "pg_stat_user_tables",
        "pg_stat_all_tables",
        "pg_description",
        "pg_type",
        "pg_proc",
        "pg_tables",
        "pg_views",
        "pg_matviews",
    ];
    names().any(|known| known == name) && !FILLED.contains(&name) && !server::FILLED.contains(&name)
}

/// Whether columns of this name have functions.
pub fn is_function_column(name: &str) -> bool {
    static COLUMNS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| columns_of_type(&["regproc"]));
    COLUMNS.contains(name)
}

/// Whether columns of this name have vectors, whose elements are counted from 0.
pub fn is_vector_column(name: &str) -> bool {
    static COLUMNS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| columns_of_type(&["int2vector", "oidvector"]));
    COLUMNS.contains(name)
}

fn columns_of_type(types: &[&str]) -> BTreeSet<&'static str> {
    let columns = declared::RELATIONS.iter().flat_map(|(_, _, columns)| columns.split(", "));
    let named = columns.filter_map(|column| column.split_once(' '));
    named.filter(|(_, of_type)| types.contains(of_type)).map(|(name, _)| name).collect()
}

/// Columns of a relation of this schema.
pub fn schema_of(name: &str) -> Option<SchemaRef> {
    Rows::of(name).map(|rows| rows.schema())
}
