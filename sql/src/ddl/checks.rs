//! CHECK of tables and columns.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{CheckConstraint, ColumnOption, CreateTable, Ident, TableConstraint};

use super::{checked_name, column_name};
use crate::catalog::Check;
use crate::error::SqlError;

/// The checks of a table, those of its columns first. One without a name is called as PostgreSQL calls it.
pub fn of(create: &CreateTable, table: &str) -> Result<Vec<Check>, SqlError> {
    let plain = table.rsplit('.').next().unwrap_or(table);
    let mut checks = Vec::new();
    for column in &create.columns {
        for option in &column.options {
            if let ColumnOption::Check(check) = &option.option {
                let named = option.name.as_ref().or(check.name.as_ref());
                checks.push((named, check, format!("{plain}_{}_check", column_name(&column.name))));
            }
        }
    }
    for constraint in &create.constraints {
        if let TableConstraint::Check(check) = constraint {
            checks.push((check.name.as_ref(), check, format!("{plain}_check")));
        }
    }
    let mut taken = BTreeSet::new();
    checks.into_iter().map(|(named, check, otherwise)| new_check(named, check, otherwise, &mut taken)).collect()
}

fn new_check(
    named: Option<&Ident>,
    check: &CheckConstraint,
    otherwise: String,
    taken: &mut BTreeSet<String>,
) -> Result<Check, SqlError> {
    if check.enforced == Some(false) {
        return Err(SqlError::unsupported("NOT ENFORCED of a CHECK"));
    }
    let name = match named {
        Some(name) => column_name(name),
        None => {
            let numbered = (1..).map(|number| format!("{otherwise}{number}"));
            let mut names = std::iter::once(otherwise.clone()).chain(numbered);
            names.find(|name| !taken.contains(name)).expect("there are numbers enough")
        }
    };
    checked_name(&name)?;
    match taken.insert(name.clone()) {
        true => Ok(Check { name, sql: check.expr.to_string() }),
        false => Err(SqlError::new("42710", format!("constraint \"{name}\" is there twice"))),
    }
}
