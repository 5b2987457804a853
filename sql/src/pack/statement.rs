//! One statement of a pack, and what it makes.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{CommentObject, ObjectName, Statement};

use super::PackError;
use crate::ddl::column_name;
use crate::query::{names_read, parse, relation_name, split};

/// A statement of a pack's file.
#[derive(Clone, Debug)]
pub struct PackStatement {
    pub file: String,
    /// As written, without the comments before it and the semicolon.
    pub sql: String,
    pub made: Made,
}

/// What a statement makes; relations are called as in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    Table {
        name: String,
        columns: Vec<Column>,
    },
    View {
        name: String,
        materialized: bool,
        reads: BTreeSet<String>,
        alert: bool,
    },
    /// On a relation, or a column of it.
    Comment {
        relation: String,
        column: Option<String>,
        text: String,
    },
}

/// A column of a table: what it is called, and how it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub sql: String,
}

impl Made {
    /// The relation that it makes.
    pub fn relation(&self) -> Option<&str> {
        match self {
            Made::Table { name, .. } | Made::View { name, .. } => Some(name),
            Made::Comment { .. } => None,
        }
    }
}

/// The statements of a file, all of which are about relations of the pack's schema.
pub fn statements(file: &str, text: &str, schema: &str) -> Result<Vec<PackStatement>, PackError> {
    let refused = |words: String| PackError(format!("{file}: {words}"));
    let split = split(text).map_err(|error| refused(error.message))?;
    let mut statements = Vec::with_capacity(split.len());
    for sql in split {
        let sql = uncommented(&sql).to_owned();
        let parsed = parse(&sql).map_err(|error| refused(format!("{}: {sql}", error.message)))?;
        let made = made(parsed).map_err(&refused)?;
        let about = match &made {
            Made::Table { name, .. } | Made::View { name, .. } => name,
            Made::Comment { relation, .. } => relation,
        };
        if about.split_once('.').is_none_or(|(within, _)| within != schema) {
            return Err(refused(format!("{about} is not in the pack's schema {schema}")));
        }
        statements.push(PackStatement { file: file.to_owned(), sql, made });
    }
    Ok(statements)
}

fn made(statement: Statement) -> Result<Made, String> {
    let named = |name: &ObjectName| relation_name(name).map_err(|error| error.message);
    match statement {
        Statement::CreateTable(create) => {
            let column = |column: &datafusion::sql::sqlparser::ast::ColumnDef| Column {
                name: column_name(&column.name),
                sql: column.to_string(),
            };
            Ok(Made::Table { name: named(&create.name)?, columns: create.columns.iter().map(column).collect() })
        }
        Statement::CreateView(create) => Ok(Made::View {
            name: named(&create.name)?,
            materialized: create.materialized,
            reads: names_read(&create.query).map_err(|error| error.message)?,
            alert: create.options.to_string().contains("alert"),
        }),
        Statement::Comment { object_type, mut object_name, comment: Some(text), .. } => {
            let column = match object_type {
                CommentObject::Column => object_name.0.pop().and_then(|part| part.as_ident().map(column_name)),
                _ => None,
            };
            Ok(Made::Comment { relation: named(&object_name)?, column, text })
        }
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(3).collect();
            Err(format!("{} ..: a pack is made of CREATE TABLE, CREATE VIEW and COMMENT ON", words.join(" ")))
        }
    }
}

/// A statement without the lines of comments before it.
fn uncommented(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    while rest.starts_with("--") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest.trim_end()
}
