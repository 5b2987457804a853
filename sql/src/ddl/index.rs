//! CREATE INDEX.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{CreateIndex, Expr, IndexColumn, IndexType};

use super::{column_name, new_name};
use crate::error::SqlError;
use crate::limits::NAME_CHARS_MAX;
use crate::pipeline::NewView;
use crate::query::{quoted_name, relation_name};

/// The index that a statement makes. `sql`: the statement as written.
pub fn new_index(create: &CreateIndex, sql: &str) -> Result<NewView, SqlError> {
    refuse(create)?;
    let on = relation_name(&create.table_name)?;
    let columns = create.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    if (1..columns.len()).any(|at| columns[..at].contains(&columns[at])) {
        return Err(SqlError::new("42701", "an index has each column once"));
    }
    let name = match &create.name {
        Some(name) => new_name(name)?,
        None if create.if_not_exists => {
            return Err(SqlError::new("42601", "IF NOT EXISTS asks for the name of the index"));
        }
        None => format!("{on}_{}_idx", columns.join("_")).chars().take(NAME_CHARS_MAX).collect(),
    };
    Ok(NewView {
        name,
        if_not_exists: create.if_not_exists,
        or_replace: false,
        sql: sql.trim().trim_end_matches(';').to_owned(),
        query: format!("SELECT * FROM {}", quoted_name(&on)),
        reads: BTreeSet::from([on]),
        as_of: None,
        index: Some(columns),
        alert: None,
    })
}

fn column(of: &IndexColumn) -> Result<String, SqlError> {
    if of.operator_class.is_some() {
        return Err(SqlError::unsupported("an operator class of an index"));
    }
    if of.column.options.asc == Some(false) || of.column.options.nulls_first == Some(true) {
        return Err(SqlError::unsupported("DESC and NULLS FIRST in an index")
            .hint("Leave them out: an index is read both ways."));
    }
    match &of.column.expr {
        Expr::Identifier(name) => Ok(column_name(name)),
        other => Err(SqlError::unsupported(format!("an index on {other}, which is no column"))
            .hint("Make a materialized view that has it as a column, and an index on that.")),
    }
}

fn refuse(create: &CreateIndex) -> Result<(), SqlError> {
    if create.unique {
        return Err(SqlError::unsupported("a UNIQUE index").hint(
            "Events are taken in whatever order they come: only the PRIMARY KEY says which row an event is of.",
        ));
    }
    let other = [
        (create.using.as_ref().is_some_and(|using| *using != IndexType::BTree), "another kind than btree"),
        (create.predicate.is_some(), "WHERE"),
        (create.nulls_distinct.is_some(), "NULLS DISTINCT"),
        (!create.with.is_empty(), "WITH"),
        (!create.index_options.is_empty() || !create.alter_options.is_empty(), "an option"),
    ];
    match other.into_iter().find(|(present, _)| *present) {
        Some((_, what)) => Err(SqlError::unsupported(format!("{what} in CREATE INDEX"))),
        None => Ok(()),
    }
}
