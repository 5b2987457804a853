//! CREATE VIEW and CREATE MATERIALIZED VIEW.

use datafusion::sql::sqlparser::ast::{CreateView, Ident};

use super::options::Options;
use super::{column_name, new_name};
use crate::error::SqlError;
use crate::limits::COLUMNS_MAX;
use crate::pipeline::NewView;
use crate::query::names_read;

/// The view that a statement makes. `sql`: the statement as written.
pub fn new_view(create: &CreateView, sql: &str) -> Result<NewView, SqlError> {
    refuse(create)?;
    let alert = alert(create)?;
    let names: Vec<String> =
        create.columns.iter().map(|column| Ident::with_quote('"', column_name(&column.name)).to_string()).collect();
    if names.len() > COLUMNS_MAX {
        return Err(SqlError::new("54011", format!("a view has at most {COLUMNS_MAX} columns")));
    }
    let query = match names.is_empty() {
        true => create.query.to_string(),
        false => format!("SELECT * FROM ({}) AS \"named\" ({})", create.query, names.join(", ")),
    };
    Ok(NewView {
        name: new_name(&create.name)?,
        if_not_exists: create.if_not_exists,
        or_replace: create.or_replace,
        sql: sql.trim().trim_end_matches(';').to_owned(),
        query,
        reads: names_read(&create.query)?,
        as_of: None,
        index: None,
        alert,
    })
}

/// How bad the view's rows are, where they are what is wrong now. Whether a column of that name is there is for the planned
/// view to say.
fn alert(create: &CreateView) -> Result<Option<String>, SqlError> {
    let mut options = Options::of(&create.options)?;
    let alert = options.text("alert");
    options.finish("The option of a view is alert.")?;
    if alert.is_some() && !create.materialized {
        return Err(SqlError::unsupported("option alert of a view whose rows are not kept")
            .hint("An alert is raised when a row comes: CREATE MATERIALIZED VIEW."));
    }
    Ok(alert)
}

fn refuse(create: &CreateView) -> Result<(), SqlError> {
    let kind = if create.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
    let refused = |what: &str| SqlError::unsupported(format!("CREATE {what} {kind}"));
    if create.or_alter {
        return Err(refused("OR ALTER").hint(format!("Use CREATE OR REPLACE {kind}.")));
    }
    if create.or_replace && create.if_not_exists {
        return Err(SqlError::new("42601", "OR REPLACE and IF NOT EXISTS exclude each other"));
    }
    if create.temporary {
        return Err(refused("TEMPORARY"));
    }
    let other = [
        (create.secure, "SECURE"),
        (!create.cluster_by.is_empty(), "CLUSTER BY"),
        (create.comment.is_some(), "COMMENT"),
        (create.with_no_schema_binding, "WITH NO SCHEMA BINDING"),
        (create.copy_grants, "COPY GRANTS"),
        (create.to.is_some(), "TO"),
        (create.params.is_some(), "ALGORITHM, DEFINER or SQL SECURITY"),
        (
            create.columns.iter().any(|column| column.data_type.is_some() || column.options.is_some()),
            "column types or options",
        ),
    ];
    match other.into_iter().find(|(present, _)| *present) {
        Some((_, what)) => Err(SqlError::unsupported(format!("{what} in CREATE {kind}"))),
        None => Ok(()),
    }
}
