//! COMMENT ON: what people say of tables, views and columns.

use datafusion::sql::sqlparser::ast::{CommentObject, ObjectName, Statement};

use super::action::Action;
use super::prepare::Ground;
use crate::catalog::{Definition, Entry, is_hidden};
use crate::ddl::column_name;
use crate::error::SqlError;
use crate::limits::COMMENT_CHARS_MAX;
use crate::pipeline::Remark;
use crate::query::{parse, quoted_name, relation_name};

impl Ground<'_> {
    pub(super) async fn comment(&self, statement: Statement) -> Result<Action, SqlError> {
        let Statement::Comment { object_type, object_name, comment, .. } = statement else {
            unreachable!("the caller has a COMMENT statement");
        };
        if comment.as_ref().is_some_and(|text| text.chars().count() > COMMENT_CHARS_MAX) {
            return Err(SqlError::new("22001", format!("a comment has at most {COMMENT_CHARS_MAX} characters")));
        }
        let kind = match object_type {
            CommentObject::Table => "table",
            CommentObject::View => "view",
            CommentObject::MaterializedView => "materialized view",
            CommentObject::Column => return self.comment_on_column(object_name, comment).await,
            other => return Err(SqlError::unsupported(format!("COMMENT ON {other}"))),
        };
        let entry = self.commented(&relation_name(&object_name)?)?;
        if entry.kind() != kind {
            let words = format!("\"{}\" is a {}, not a {kind}", entry.name(), entry.kind());
            return Err(SqlError::new("42809", words));
        }
        Ok(Action::Comment(Remark { relation: entry.name().to_owned(), column: None, text: comment }))
    }

    async fn comment_on_column(&self, mut name: ObjectName, text: Option<String>) -> Result<Action, SqlError> {
        let column = name.0.pop().and_then(|part| part.as_ident().map(column_name)).unwrap_or_default();
        if name.0.is_empty() {
            return Err(SqlError::new(
                "42601",
                "a column is named with its relation: COMMENT ON COLUMN relation.column",
            ));
        }
        let entry = self.commented(&relation_name(&name)?)?;
        let read = format!("SELECT * FROM {}", quoted_name(entry.name()));
        let schema = match &entry.relation {
            Some(relation) => relation.schema.columns.clone(),
            None => self.plan(parse(&read)?).await?.schema().inner().clone(),
        };
        let found = schema.fields().iter().position(|field| *field.name() == column && !is_hidden(field));
        let missing = || {
            let words = format!("column \"{column}\" of relation \"{}\" does not exist", entry.name());
            SqlError::new("42703", words)
        };
        let number = found.ok_or_else(missing)? as u32 + 1;
        Ok(Action::Comment(Remark { relation: entry.name().to_owned(), column: Some(number), text }))
    }

    fn commented(&self, name: &str) -> Result<&Entry, SqlError> {
        let entry = self.catalog.expect(name)?;
        match entry.definition {
            Definition::System => Err(SqlError::new("42501", format!("\"{name}\" is the node's own"))),
            _ => Ok(entry),
        }
    }
}
