//! DROP TABLE, DROP VIEW, DROP MATERIALIZED VIEW, DROP INDEX.

use datafusion::sql::sqlparser::ast::{ObjectType, Statement};

use crate::error::SqlError;
use crate::pipeline::Removal;
use crate::query::relation_name;

/// What a DROP statement drops.
pub fn removal(statement: &Statement) -> Result<Removal, SqlError> {
    let Statement::Drop { object_type, if_exists, names, cascade, .. } = statement else {
        unreachable!("the caller has a DROP statement");
    };
    let kind = match object_type {
        ObjectType::Table => "table",
        ObjectType::View => "view",
        ObjectType::MaterializedView => "materialized view",
        ObjectType::Index => "index",
        other => return Err(SqlError::unsupported(format!("DROP {other}"))),
    };
    if *cascade {
        return Err(
            SqlError::unsupported("DROP .. CASCADE").hint("Drop what reads it first; the error of DROP names it.")
        );
    }
    let mut plain: Vec<String> = names.iter().map(relation_name).collect::<Result<_, _>>()?;
    plain.sort();
    plain.dedup();
    Ok(Removal { names: plain, if_exists: *if_exists, kind })
}
