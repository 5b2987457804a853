//! An index: the rows of a table or view under another key.

use dataflow::{Plan, PlannedView, RelationId, RelationSchema, Root};

use crate::catalog::{Definition, Entry};
use crate::error::SqlError;
use crate::limits::INDEX_COLUMNS_MAX;
use crate::relation::RelationKind;
use crate::scan::orders_as_encoded;

/// Plans an index: its key is the columns, then what is left of the key of what it is on.
pub fn index(on: &Entry, columns: &[String], relation: RelationId, name: &str) -> Result<PlannedView, SqlError> {
    let refused = |words: String| Err(SqlError::unsupported(words));
    let kept = match (&on.relation, &on.definition) {
        (Some(kept), Definition::Table(_) | Definition::MaterializedView(_)) if on.index().is_none() => kept,
        _ => {
            let words = format!("an index on \"{}\", which is a {}", on.name(), on.kind());
            return Err(SqlError::new("42809", words).hint("Tables and materialized views can have indexes."));
        }
    };
    if kept.kind == RelationKind::Stream {
        let words = format!("an index on \"{}\", a stream,", on.name());
        return Err(SqlError::unsupported(words)
            .hint("Its rows are not kept; a join finds them by an index that it makes itself."));
    }
    if kept.schema.counted {
        return refused(format!("an index on \"{}\", whose rows have no key", on.name()));
    }
    if columns.len() > INDEX_COLUMNS_MAX {
        return Err(SqlError::new("54011", format!("an index has at most {INDEX_COLUMNS_MAX} columns")));
    }
    let fields = kept.schema.columns.fields();
    let mut key = Vec::with_capacity(columns.len() + kept.schema.key.len());
    for column in columns {
        let Some(at) = fields.iter().position(|field| field.name() == column) else {
            return Err(SqlError::new("42703", format!("column \"{column}\" does not exist")));
        };
        if !orders_as_encoded(fields[at].data_type()) {
            return refused(format!("an index on column \"{column}\", a floating-point number or an array"));
        }
        key.push(at);
    }
    let rest: Vec<usize> = kept.schema.key.iter().copied().filter(|column| !key.contains(column)).collect();
    key.extend(rest);
    Ok(PlannedView {
        relation,
        name: name.to_owned(),
        plan: Plan::Get { relation: kept.id, schema: kept.schema.columns.clone() },
        schema: RelationSchema { columns: kept.schema.columns.clone(), key, counted: false },
        root: Root::Keyed,
    })
}
