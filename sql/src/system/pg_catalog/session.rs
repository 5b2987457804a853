//! What only a session has: its prepared statements and its cursors.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::row::{Rows, Value};
use super::types::{self, format_type};
use crate::session::Setter;

const MICROS_PER_MS: i64 = 1_000;

/// What fills a relation.
type Fill = fn(&mut Rows, &Setter);

/// What fills a relation, if it is one of these.
pub fn fill(name: &str) -> Option<Fill> {
    match name {
        "pg_prepared_statements" => Some(fill_statements),
        "pg_cursors" => Some(fill_cursors),
        _ => None,
    }
}

/// A relation of a session. It is filled whenever it is read: a statement over it may be prepared before what it tells of.
#[derive(Debug)]
pub struct OfSession {
    pub name: String,
    pub session: Option<Setter>,
}

#[async_trait::async_trait]
impl TableProvider for OfSession {
    fn schema(&self) -> SchemaRef {
        Rows::of(&self.name).expect("it is declared").schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut rows = Rows::of(&self.name).expect("it is declared");
        if let (Some(fill), Some(session)) = (fill(&self.name), &self.session) {
            fill(&mut rows, session);
        }
        let rows = rows.finish();
        MemTable::try_new(rows.schema(), vec![vec![rows]])?.scan(state, projection, filters, limit).await
    }
}

/// How often a plan was made is not counted.
fn fill_statements(rows: &mut Rows, session: &Setter) {
    for (name, statement) in session.statements() {
        let parameters = statement.prepared.parameters.iter().map(|of| format_type(types::of(of).0, None));
        rows.push([
            ("name", name.into()),
            ("statement", statement.text.clone().into()),
            ("prepare_time", (statement.at_ms * MICROS_PER_MS).into()),
            ("parameter_types", Value::Texts(parameters.collect())),
            ("from_sql", statement.from_sql.into()),
        ]);
    }
}

fn fill_cursors(rows: &mut Rows, session: &Setter) {
    for (name, cursor) in session.cursors() {
        rows.push([
            ("name", name.into()),
            ("statement", cursor.statement.into()),
            ("is_holdable", cursor.hold.into()),
            ("is_binary", cursor.binary.into()),
            ("creation_time", (cursor.opened_ms * MICROS_PER_MS).into()),
        ]);
    }
}
