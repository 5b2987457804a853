//! DEFAULT of columns: a constant, worked out once, when the statement that says it runs.

use std::sync::Arc;

use arrow::datatypes::Field;
use dataflow::{Plan, RelationId};
use datafusion::sql::sqlparser::ast::{AlterTable, Expr};

use super::prepare::Ground;
use crate::catalog::{Catalog, as_json, with_default};
use crate::ddl::{self, Alteration, NewColumn};
use crate::error::SqlError;
use crate::pipeline::{NewColumns, NewTable};
use crate::types;

impl Ground<'_> {
    /// The table with the defaults of its columns.
    pub(super) async fn with_defaults(
        &self,
        mut table: NewTable,
        defaults: &[(String, Expr)],
    ) -> Result<NewTable, SqlError> {
        for (name, value) in defaults {
            let field = table.columns.iter_mut().find(|field| field.name() == name).expect("columns keep their names");
            *field = self.defaulted(field.clone(), value).await?;
        }
        Ok(table)
    }

    /// The columns that an ALTER TABLE adds, with their defaults.
    pub(super) async fn new_columns(&self, alter: &AlterTable) -> Result<NewColumns, SqlError> {
        let Alteration { table, if_exists, columns } = ddl::alteration(alter)?;
        let mut added = Vec::with_capacity(columns.len());
        for NewColumn { field, default, if_not_exists } in columns {
            let field = match default {
                Some(default) => self.defaulted(field, &default).await?,
                None => field,
            };
            added.push((field, if_not_exists));
        }
        let sql = self.sql.trim().trim_end_matches(';').to_owned();
        Ok(NewColumns { table, if_exists, columns: added, sql })
    }

    async fn defaulted(&self, field: Field, value: &Expr) -> Result<Field, SqlError> {
        let queries = &self.session.shared.queries;
        let nothing = Arc::new(Catalog::empty());
        let query = format!("SELECT CAST(({value}) AS {})", types::sql_name(field.data_type()));
        let logical = queries.logical(&nothing, &query).await.map_err(of_default)?;
        let mut no_state = || RelationId(u32::MAX);
        let planned = queries.materialized(&nothing, &logical, "default", RelationId(u32::MAX), &mut no_state);
        let Plan::Constant { rows } = planned.map_err(of_default)?.view.plan else {
            return Err(SqlError::unsupported(format!("DEFAULT {value}")).hint("A default is a constant."));
        };
        match as_json(&rows) {
            Some(json) => with_default(field, &json).map_err(|reason| SqlError::new("22023", reason.0)),
            None if field.is_nullable() => Ok(field),
            None => {
                Err(SqlError::new("23502", format!("column \"{}\" is NOT NULL, its DEFAULT is NULL", field.name())))
            }
        }
    }
}

/// A default is planned as a view is; its words are not a view's.
fn of_default(mut error: SqlError) -> SqlError {
    error.message = error.message.replace("in the SELECT list in a materialized view", "in a materialized view");
    error.message = error.message.replace("in a materialized view", "in DEFAULT");
    error.position = None;
    error
}
