//! `pg_catalog`: PostgreSQL's catalogue over ours, so that its clients find their way. Worked out when it is read.

mod attribute;
mod class;
mod classes_of_operators;
mod constraint;
mod dependency;
mod description;
mod function;
pub mod oid;
mod row;
mod server;
mod session;
mod statistics;
pub mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;

use super::{Facts, declared};
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
    declared::PG_CATALOG.iter().map(|own| own.name)
}

/// What gives a relation its rows.
type Fill = fn(&mut Rows, &Facts, &Columns);

/// What fills a relation; `None` of one that never has rows here.
fn fill(name: &str) -> Option<Fill> {
    let fill: Fill = match name {
        "pg_class" => class::fill,
        "pg_tables" => |rows, facts, _| class::fill_by_kind("pg_tables", rows, facts),
        "pg_views" => |rows, facts, _| class::fill_by_kind("pg_views", rows, facts),
        "pg_matviews" => |rows, facts, _| class::fill_by_kind("pg_matviews", rows, facts),
        "pg_attribute" => attribute::fill,
        "pg_attrdef" => |rows, facts, _| attribute::fill_defaults(rows, facts),
        "pg_index" => |rows, facts, _| constraint::fill_indexes(rows, facts),
        "pg_constraint" => |rows, facts, _| constraint::fill_constraints(rows, facts),
        "pg_indexes" => |rows, facts, _| constraint::fill_index_names(rows, facts),
        "pg_opclass" => |rows, _, _| classes_of_operators::fill(rows),
        "pg_opfamily" => |rows, _, _| classes_of_operators::fill_families(rows),
        "pg_rewrite" => |rows, facts, _| dependency::fill_rules(rows, facts),
        "pg_depend" => |rows, facts, _| dependency::fill(rows, facts),
        "pg_stat_user_tables" | "pg_stat_all_tables" => |rows, facts, _| statistics::fill(rows, facts),
        "pg_description" => |rows, facts, _| description::fill(rows, facts),
        "pg_type" => |rows, _, _| types::fill(rows),
        "pg_proc" => |rows, _, _| function::fill(rows),
        _ => return server::fill(name),
    };
    Some(fill)
}

/// The relation with its rows; `None` where PostgreSQL has more than we do.
pub fn relation(name: &str, facts: &Facts, columns: &Columns) -> Result<Option<Arc<dyn TableProvider>>> {
    if session::fill(name).is_some() {
        let session = facts.setter.clone();
        return Ok(Some(Arc::new(session::OfSession { name: name.to_owned(), session })));
    }
    let Some(mut rows) = Rows::of(name) else { return Ok(None) };
    if let Some(fill) = fill(name) {
        fill(&mut rows, facts, columns);
    }
    let batch = rows.finish();
    Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
}

/// Whether a relation never has rows here.
pub fn is_always_empty(name: &str) -> bool {
    names().any(|known| known == name) && fill(name).is_none() && session::fill(name).is_none()
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
    let columns = declared::PG_CATALOG.iter().flat_map(|own| &own.columns);
    columns.filter(|(_, of_type)| types.contains(of_type)).map(|(name, _)| *name).collect()
}

/// Columns of a relation of this schema.
pub fn schema_of(name: &str) -> Option<SchemaRef> {
    Rows::of(name).map(|rows| rows.schema())
}
