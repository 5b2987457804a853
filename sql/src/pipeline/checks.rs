//! CHECK: conditions that the rows of a table must meet, asked of each row as its event is read.
//!
//! A row for which a condition is false, or fails, is no row: its event goes to quarantine with the condition's name. NULL is
//! well, as in PostgreSQL. `now()` is the time of the epoch.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dataflow::{Plan, RelationId, RelationSchema, Scalar};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Statement, visit_expressions_mut};

use crate::catalog::{Catalog, Check, Definition, Entry, Table};
use crate::decode::Reason;
use crate::error::SqlError;
use crate::query::{Queries, parse};
use crate::relation::Relation;

/// The column behind a row's own that says what time it is; people cannot name it so without quotes.
const NOW: &str = "now()";

/// What a statement calls the rows.
const ROWS: &str = "checked";

/// The conditions of one table, ready to ask.
pub struct Checks {
    table: String,
    checks: Vec<(Check, Arc<dyn Scalar>)>,
    /// The row's columns and, behind them, the time.
    schema: SchemaRef,
}

/// No conditions.
impl Default for Checks {
    fn default() -> Checks {
        Checks { table: String::new(), checks: Vec::new(), schema: Arc::new(Schema::empty()) }
    }
}

impl Checks {
    /// Plans the conditions over a table's columns; refuses, by name, what is no condition on a row alone.
    pub async fn plan(relation: &Relation, checks: &[Check]) -> Result<Checks, SqlError> {
        let fields = relation.schema.columns.fields().iter().cloned();
        let now = Arc::new(Field::new(NOW, Plan::now(), false));
        let schema: SchemaRef = Arc::new(Schema::new(fields.chain([now]).collect::<Vec<_>>()));
        let mut planned = Vec::with_capacity(checks.len());
        for check in checks {
            let scalar = scalar(relation, &schema, check).await.map_err(|mut error| {
                error.message = format!("constraint \"{}\": {}", check.name, error.message);
                error.position = None;
                error
            })?;
            planned.push((check.clone(), scalar));
        }
        Ok(Checks { table: relation.name.clone(), checks: planned, schema })
    }

    /// A condition that asks for the time, if there is one.
    pub fn timed(&self) -> Option<&Check> {
        let mut checks = self.checks.iter().map(|(check, _)| check);
        checks.find(|check| {
            parse(&format!("SELECT ({})", check.sql)).is_ok_and(|mut statement| with_time(&mut statement))
        })
    }

    /// The rows that are refused in an epoch in which it is `now_ms`, each by the first condition that it does not meet.
    pub fn refused(&self, rows: &RecordBatch, now_ms: i64) -> BTreeMap<usize, Reason> {
        let mut refused = BTreeMap::new();
        if self.checks.is_empty() || rows.num_rows() == 0 {
            return refused;
        }
        let now = TimestampMicrosecondArray::from_value(now_ms.saturating_mul(1_000), rows.num_rows());
        let now: ArrayRef = Arc::new(now.with_data_type(Plan::now()));
        let columns = rows.columns().iter().cloned().chain([now]).collect();
        let rows = RecordBatch::try_new(self.schema.clone(), columns).expect("the table's columns and the time");
        for (check, scalar) in &self.checks {
            let (met, failed) = scalar.eval(&rows);
            let met = met.as_boolean();
            for row in (0..rows.num_rows()).filter(|&row| met.is_valid(row) && !met.value(row)) {
                refused.entry(row).or_insert_with(|| self.reason(check, &check.sql));
            }
            for (row, error) in failed {
                refused.entry(row).or_insert_with(|| self.reason(check, &error.0));
            }
        }
        refused
    }

    fn reason(&self, check: &Check, words: &str) -> Reason {
        Reason(format!("table {} has the check {}: {words}", self.table, check.name))
    }
}

/// A condition over the columns of `schema`, planned as a view's expression is.
async fn scalar(relation: &Relation, schema: &SchemaRef, check: &Check) -> Result<Arc<dyn Scalar>, SqlError> {
    let mut statement = parse(&format!("SELECT ({}) FROM \"{ROWS}\"", check.sql))?;
    with_time(&mut statement);
    let mut catalog = Catalog::empty();
    catalog.put(rows(relation, schema));
    let catalog = Arc::new(catalog);
    let queries = Queries::default();
    let logical = queries.logical(&catalog, &statement.to_string()).await?;
    let of = logical.schema().field(0).data_type().clone();
    if of != DataType::Boolean {
        let words = format!("argument of CHECK must be type boolean, not type {}", crate::types::sql_name(&of));
        return Err(SqlError::new("42804", words));
    }
    let mut no_state = || RelationId(u32::MAX);
    let planned = queries.materialized(&catalog, &logical, "check", RelationId(u32::MAX), &mut no_state);
    let plan = planned.map_err(of_check)?.view.plan;
    match plan {
        Plan::Map { input, mut columns, .. } if columns.len() == 1 && matches!(*input, Plan::Get { .. }) => {
            Ok(columns.swap_remove(0))
        }
        _ => Err(SqlError::unsupported(format!("{} in CHECK", check.sql)).hint("A check is of the row alone.")),
    }
}

/// A check is planned as a view is; its words are not a view's.
fn of_check(mut error: SqlError) -> SqlError {
    error.message = error.message.replace("in a materialized view", "in CHECK");
    error
}

/// The calls that ask for the time as the column that has it; whether there are any.
fn with_time(statement: &mut Statement) -> bool {
    let mut found = false;
    let _ = visit_expressions_mut(statement, |expr: &mut Expr| {
        let Expr::Function(function) = expr else { return ControlFlow::<()>::Continue(()) };
        let name = function.name.to_string().to_lowercase();
        if ["now", "current_timestamp", "transaction_timestamp", "statement_timestamp"].contains(&name.as_str()) {
            *expr = Expr::Identifier(Ident::with_quote('"', NOW));
            found = true;
        }
        ControlFlow::Continue(())
    });
    found
}

/// The rows as a table that the planner finds.
fn rows(relation: &Relation, schema: &SchemaRef) -> Entry {
    let table = Table { topic: ROWS.into(), partitions: 1, ..Table::default() };
    let rows = RelationSchema { columns: schema.clone(), key: relation.schema.key.clone(), counted: false };
    let of_rows = Relation { id: RelationId(u32::MAX - 1), name: ROWS.to_owned(), schema: rows, kind: table.kind() };
    Entry {
        id: of_rows.id,
        name: ROWS.to_owned(),
        sql: String::new(),
        relation: Some(Arc::new(of_rows)),
        definition: Definition::Table(table),
    }
}
