//! ALTER TABLE .. ADD COLUMN, and words for what else one may try.

use arrow::datatypes::Field;
use datafusion::sql::sqlparser::ast::{
    AlterTable, AlterTableOperation, ColumnDef, ColumnOption, CreateTable, Expr, Statement,
};

use super::{column_name, table};
use crate::error::SqlError;
use crate::query::relation_name;

/// A table to alter.
pub struct Alteration {
    pub table: String,
    pub if_exists: bool,
    pub columns: Vec<NewColumn>,
}

/// A column that it gets.
pub struct NewColumn {
    pub field: Field,
    /// Its default, to be worked out.
    pub default: Option<Expr>,
    pub if_not_exists: bool,
}

/// What a statement alters.
pub fn alteration(alter: &AlterTable) -> Result<Alteration, SqlError> {
    let plain = alter.location.is_none() && alter.on_cluster.is_none() && alter.table_type.is_none();
    if !plain {
        return Err(SqlError::unsupported(format!("this form of ALTER TABLE: {alter}")));
    }
    let columns = alter.operations.iter().map(operation).collect::<Result<_, _>>()?;
    Ok(Alteration { table: relation_name(&alter.name)?, if_exists: alter.if_exists, columns })
}

fn operation(operation: &AlterTableOperation) -> Result<NewColumn, SqlError> {
    let refused = |what: &str, hint: &str| Err(SqlError::unsupported(format!("ALTER TABLE .. {what}")).hint(hint));
    match operation {
        AlterTableOperation::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
            new_column(column_def, *if_not_exists)
        }
        AlterTableOperation::AddColumn { .. } => {
            refused("ADD COLUMN FIRST or AFTER", "A column comes behind the others.")
        }
        AlterTableOperation::DropColumn { .. } => {
            refused("DROP COLUMN", "Events may go on without the field; leave the column out with a view.")
        }
        AlterTableOperation::RenameColumn { .. } => {
            refused("RENAME COLUMN", "A column has the name of its field in events; rename it with a view.")
        }
        AlterTableOperation::RenameTable { .. } => {
            refused("RENAME TO", "What reads a table knows it by its name; give it another with a view.")
        }
        AlterTableOperation::AlterColumn { .. } => {
            refused("ALTER COLUMN", "Add a column of the other type, or cast in a view.")
        }
        AlterTableOperation::AddConstraint { .. } => {
            refused("ADD CONSTRAINT", "PRIMARY KEY and NOT NULL are said when the table is made.")
        }
        AlterTableOperation::SetOptionsParens { .. } | AlterTableOperation::SetTblProperties { .. } => {
            refused("SET (..)", "Options are said when the table is made: drop it, and create it with the others.")
        }
        other => refused(
            &other.to_string().split_whitespace().take(2).collect::<Vec<_>>().join(" "),
            "ALTER TABLE name ADD COLUMN column type [DEFAULT value].",
        ),
    }
}

fn new_column(column: &ColumnDef, if_not_exists: bool) -> Result<NewColumn, SqlError> {
    let name = column_name(&column.name);
    let (mut nullable, mut default) = (true, None);
    for option in &column.options {
        match &option.option {
            ColumnOption::NotNull => nullable = false,
            ColumnOption::Null => {}
            ColumnOption::Default(value) => default = Some(value.clone()),
            other => return Err(SqlError::unsupported(format!("{other} of column \"{name}\""))),
        }
    }
    if !nullable && default.is_none() {
        let words = format!("column \"{name}\" would be NULL in the rows that there are, and is NOT NULL");
        return Err(SqlError::new("23502", words).hint("Give it a DEFAULT."));
    }
    let field = Field::new(&name, table::data_type(&name, &column.data_type)?, nullable);
    Ok(NewColumn { field, default, if_not_exists })
}

/// Takes the defaults out of a CREATE TABLE, which are worked out apart: (column, value).
pub fn take_defaults(create: &mut CreateTable) -> Vec<(String, Expr)> {
    let mut defaults = Vec::new();
    for column in &mut create.columns {
        let name = column_name(&column.name);
        column.options.retain(|option| match &option.option {
            ColumnOption::Default(value) => {
                defaults.push((name.clone(), value.clone()));
                false
            }
            _ => true,
        });
    }
    defaults
}

/// The name of an ALTER of anything but a table, and what there is instead.
pub fn refused(statement: &Statement) -> SqlError {
    let words: Vec<String> = statement.to_string().split_whitespace().take(2).map(str::to_uppercase).collect();
    let hint = match statement {
        Statement::AlterView { .. } => "CREATE OR REPLACE VIEW name AS SELECT ..",
        _ => "ALTER TABLE name ADD COLUMN column type [DEFAULT value] is what can be altered.",
    };
    SqlError::unsupported(words.join(" ")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    fn altered(sql: &str) -> Result<Alteration, SqlError> {
        match parse(sql).unwrap() {
            Statement::AlterTable(alter) => alteration(&alter),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_added_and_what_cannot_be_altered() {
        let said =
            "ALTER TABLE IF EXISTS Readings ADD COLUMN IF NOT EXISTS Phase int, ADD unit text NOT NULL DEFAULT 'W'";
        let Alteration { table, if_exists, columns } = altered(said).unwrap();
        assert_eq!((table.as_str(), if_exists, columns.len()), ("readings", true, 2));
        assert!(columns[0].field.name() == "phase" && columns[0].if_not_exists && columns[0].default.is_none());
        assert!(!columns[1].field.is_nullable() && columns[1].default.is_some());
        for (operation, sqlstate, words) in [
            ("DROP COLUMN a", "0A000", "DROP COLUMN"),
            ("RENAME COLUMN a TO b", "0A000", "RENAME COLUMN"),
            ("RENAME TO u", "0A000", "RENAME TO"),
            ("ALTER COLUMN a TYPE bigint", "0A000", "ALTER COLUMN"),
            ("ADD CONSTRAINT k PRIMARY KEY (a)", "0A000", "ADD CONSTRAINT"),
            ("SET (max_rows = 5)", "0A000", "SET (..)"),
            ("ADD COLUMN a int NOT NULL", "23502", "\"a\""),
            ("ADD COLUMN a int UNIQUE", "0A000", "UNIQUE"),
            ("ADD COLUMN a int PRIMARY KEY", "0A000", "PRIMARY KEY"),
            ("ADD COLUMN a xml", "0A000", "xml"),
            ("ENABLE TRIGGER a", "0A000", "ENABLE TRIGGER"),
        ] {
            let Err(error) = altered(&format!("ALTER TABLE t {operation}")) else { panic!("{operation}") };
            assert!(error.sqlstate == sqlstate && error.message.contains(words), "{operation}: {error:?}");
        }
    }
}
