//! SHOW of relations and what they are made of, which PostgreSQL does not have and people ask for.

use datafusion::sql::sqlparser::ast::{ObjectName, ShowCreateObject, Statement};

use super::action::Action;
use super::prepare::{Ground, unsupported};
use crate::error::SqlError;
use crate::query::{parse, relation_name};

impl Ground<'_> {
    /// SHOW TABLES, VIEWS, MATERIALIZED VIEWS, COLUMNS FROM name, CREATE TABLE name and their like.
    pub(super) async fn show(&self, statement: &Statement) -> Result<Action, SqlError> {
        let query = match statement {
            Statement::ShowTables { .. } => "SELECT name, kind FROM caudal.relations ORDER BY name".to_owned(),
            Statement::ShowViews { materialized, .. } => {
                let kind = if *materialized { "materialized view" } else { "view" };
                format!("SELECT name FROM caudal.relations WHERE kind = '{kind}' ORDER BY name")
            }
            Statement::ShowSchemas { .. } => "SELECT nspname AS name FROM pg_namespace ORDER BY nspname".to_owned(),
            Statement::ShowDatabases { .. } => "SELECT datname AS name FROM pg_database ORDER BY datname".to_owned(),
            Statement::ShowColumns { show_options, .. } => {
                let of = show_options.show_in.as_ref().and_then(|within| within.parent_name.as_ref());
                let of = of.ok_or_else(|| SqlError::new("42601", "SHOW COLUMNS FROM which relation?"))?;
                format!(
                    "SELECT attname AS column, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable, \
                     col_description(attrelid, attnum) AS comment FROM pg_attribute \
                     WHERE attrelid = {}::regclass AND attnum > 0 ORDER BY attnum",
                    quoted(&self.shown(of, None)?)
                )
            }
            Statement::ShowCreate { obj_type: ShowCreateObject::Table, obj_name } => {
                created(&self.shown(obj_name, Some("table"))?)
            }
            Statement::ShowCreate { obj_type: ShowCreateObject::View, obj_name } => {
                created(&self.shown(obj_name, Some("view"))?)
            }
            other => return Err(unsupported(other)),
        };
        self.query(parse(&query)?, "SHOW").await
    }

    /// The name of a relation that there is, of a kind.
    fn shown(&self, name: &ObjectName, kind: Option<&str>) -> Result<String, SqlError> {
        let name = relation_name(name)?;
        let entry = self.catalog.expect(&name)?;
        match kind {
            Some(kind) if !entry.kind().ends_with(kind) => {
                Err(SqlError::new("42809", format!("\"{name}\" is a {}, not a {kind}", entry.kind())))
            }
            _ => Ok(name),
        }
    }
}

/// The statements that made a relation what it is.
fn created(name: &str) -> String {
    format!("SELECT name, sql || ';' AS create_statement FROM caudal.relations WHERE name = {}", quoted(name))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
