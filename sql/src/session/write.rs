//! INSERT, UPDATE and DELETE: rows become events, and the statement waits until they are published.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Fields;
use datafusion::common::{Result as DataFusionResult, ScalarValue, plan_err};
use datafusion::logical_expr::{Expr as LogicalExpr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{
    AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, Ident, Insert, ObjectName, Query, SetExpr, Statement,
    TableFactor, TableObject, Update, Visit, Visitor,
};
use futures::TryStreamExt;
use storage::Event;

use super::action::Action;
use super::execute::with_parameters;
use super::prepare::Ground;
use super::{Cancel, Outcomes, Response, Session};
use crate::catalog::{Entry, default_value, is_hidden};
use crate::ddl::column_name;
use crate::encode::Encoder;
use crate::error::SqlError;
use crate::limits::APPEND_EVENTS_MAX;
use crate::pipeline::Shared;
use crate::query::{parse, quoted_name};

impl Ground<'_> {
    pub(super) async fn insert(&self, mut insert: Insert) -> Result<Action, SqlError> {
        refuse_insert(&insert)?;
        let TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported("INSERT into anything but a table"));
        };
        let table = self.table(name)?;
        let fields = table.relation.as_ref().expect("a table has rows").schema.columns.fields().clone();
        if insert.columns.is_empty() {
            let visible = fields.iter().filter(|field| !is_hidden(field));
            // VALUES of fewer are of the first columns; the others are their defaults.
            let given = insert.source.as_ref().and_then(|source| match source.body.as_ref() {
                SetExpr::Values(values) => values.rows.first().map(|row| row.len()),
                _ => None,
            });
            let visible = visible.take(given.unwrap_or(usize::MAX));
            insert.columns =
                visible.map(|field| ObjectName::from(vec![Ident::with_quote('"', field.name().clone())])).collect();
        }
        for column in &insert.columns {
            let named = column.0.last().and_then(|part| part.as_ident()).map(column_name);
            if fields.iter().any(|field| is_hidden(field) && Some(field.name()) == named.as_ref()) {
                return Err(SqlError::new("428C9", format!("column {column} is the node's own")).hint("Leave it out."));
            }
        }
        if let Some(source) = insert.source.as_mut().filter(|source| has_inner_values(source)) {
            let rows = self.plan(Statement::Query(source.clone())).await?;
            let plan = into_columns(rows, &insert.columns, &fields).map_err(|error| SqlError::of(error, self.sql))?;
            return Ok(Action::Insert { table, plan: Box::new(plan) });
        }
        match self.plan(Statement::Insert(insert)).await? {
            LogicalPlan::Dml(dml) => Ok(Action::Insert { table, plan: Box::new(dml.input.as_ref().clone()) }),
            other => Err(SqlError::new("XX000", format!("INSERT was planned as {}", other.display()))),
        }
    }

    /// The row as it is to be, read from the row that is there: it replaces it through the log.
    pub(super) async fn update(&self, update: Update) -> Result<Action, SqlError> {
        let TableFactor::Table { name, alias: None, .. } = &update.table.relation else {
            return Err(SqlError::unsupported("UPDATE of anything but a table by its name"));
        };
        let plain = update.from.is_none() && update.returning.is_none() && update.limit.is_none();
        if !plain || update.or.is_some() || !update.table.joins.is_empty() {
            return Err(SqlError::unsupported("UPDATE with FROM, RETURNING, LIMIT or a join"));
        }
        let table = self.table(name)?;
        let schema = &table.relation.as_ref().expect("a table has rows").schema;
        let fields = schema.columns.fields();
        if table.keyed_by_event() {
            return Err(SqlError::unsupported(format!("UPDATE of \"{}\", which has no primary key", table.name())));
        }
        let key: Vec<String> = schema.key.iter().map(|&at| fields[at].name().clone()).collect();
        let selection = update.selection.as_ref();
        by_full_key("UPDATE", &key, selection)?;
        let assigned = assigned(&update, &table)?;
        if let Some(version) = table.table().and_then(|table| table.version)
            && !assigned.iter().any(|(name, _)| name == fields[version].name())
        {
            let version = fields[version].name();
            return Err(SqlError::unsupported(format!("UPDATE that leaves the version \"{version}\" as it is"))
                .hint(format!("Also SET {version} to a higher one: without it the row that is there wins.")));
        }
        // As INSERT of a SELECT, so that values become their columns' types as they do there.
        let column = |name: &String| Ident::with_quote('"', name).to_string();
        let value = |name: &String| match assigned.iter().find(|(set, _)| set == name) {
            Some((_, value)) => value.to_string(),
            None => column(name),
        };
        // What is not named is its default.
        let default =
            |value: &Expr| matches!(value, Expr::Identifier(word) if word.value.eq_ignore_ascii_case("default"));
        let kept = |name: &String| !assigned.iter().any(|(set, value)| set == name && default(value));
        let names = fields.iter().filter(|field| !is_hidden(field)).map(|field| field.name());
        let names: Vec<&String> = names.filter(|name| kept(name)).collect();
        let target = quoted_name(table.name());
        let insert = format!(
            "INSERT INTO {target} ({}) SELECT {} FROM {target} WHERE {}",
            names.iter().map(|name| column(name)).collect::<Vec<_>>().join(", "),
            names.iter().map(|name| value(name)).collect::<Vec<_>>().join(", "),
            selection.expect("it was looked at"),
        );
        match self.plan(parse(&insert)?).await? {
            LogicalPlan::Dml(dml) => Ok(Action::Update { table, plan: Box::new(dml.input.as_ref().clone()) }),
            other => Err(SqlError::new("XX000", format!("UPDATE was planned as {}", other.display()))),
        }
    }

    pub(super) async fn delete(&self, delete: Delete) -> Result<Action, SqlError> {
        let from = match &delete.from {
            FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from) => from,
        };
        let [only] = &from[..] else { return Err(SqlError::unsupported("DELETE from several tables")) };
        let TableFactor::Table { name, alias: None, .. } = &only.relation else {
            return Err(SqlError::unsupported("DELETE from anything but a table by its name"));
        };
        let plain = delete.using.is_none() && delete.returning.is_none() && delete.order_by.is_empty();
        if !plain || delete.limit.is_some() || !only.joins.is_empty() || !delete.tables.is_empty() {
            return Err(SqlError::unsupported("DELETE with USING, RETURNING, ORDER BY, LIMIT or a join"));
        }
        let table = self.table(name)?;
        let relation = table.relation.as_ref().expect("a table has rows");
        let fields = relation.schema.columns.fields();
        if table.keyed_by_event() {
            return Err(SqlError::unsupported(format!("DELETE from \"{}\", which has no primary key", table.name())));
        }
        let key: Vec<String> = relation.schema.key.iter().map(|&at| fields[at].name().clone()).collect();
        let selection = delete.selection.as_ref();
        by_full_key("DELETE", &key, selection)?;
        // The rows that are there are read first: DELETE says how many they were, and sends an event for those alone.
        let columns: Vec<String> = key.iter().map(|name| Ident::with_quote('"', name).to_string()).collect();
        let read = format!(
            "SELECT {} FROM {} WHERE {}",
            columns.join(", "),
            quoted_name(table.name()),
            selection.expect("it was looked at")
        );
        let plan = self.plan(parse(&read)?).await?;
        Ok(Action::Delete { table, plan: Box::new(plan) })
    }
}

/// Refuses a condition that names anything but one row by its key.
fn by_full_key(what: &str, key: &[String], selection: Option<&Expr>) -> Result<(), SqlError> {
    let mut named = BTreeSet::new();
    let full = selection.is_some_and(|selection| equalities(selection, &mut named))
        && key.iter().cloned().collect::<BTreeSet<_>>() == named;
    if full {
        return Ok(());
    }
    let condition: Vec<String> = key.iter().map(|name| format!("{name} = ..")).collect();
    Err(SqlError::unsupported(format!("{what} by anything but the full key"))
        .hint(format!("Write WHERE {}.", condition.join(" AND "))))
}

/// The columns that UPDATE sets, with their values.
fn assigned(update: &Update, table: &Entry) -> Result<Vec<(String, Expr)>, SqlError> {
    let schema = &table.relation.as_ref().expect("a table has rows").schema;
    let fields = schema.columns.fields();
    let mut assigned: Vec<(String, Expr)> = Vec::new();
    for assignment in &update.assignments {
        let AssignmentTarget::ColumnName(name) = &assignment.target else {
            return Err(SqlError::unsupported("UPDATE of several columns at once").hint("Write SET a = .., b = ..."));
        };
        let name = name.0.last().and_then(|part| part.as_ident()).map(column_name).unwrap_or_default();
        let known = fields.iter().position(|field| *field.name() == name && !is_hidden(field));
        let Some(at) = known else {
            let words = format!("column \"{name}\" of table \"{}\" does not exist", table.name());
            return Err(SqlError::new("42703", words));
        };
        if schema.key.contains(&at) {
            return Err(SqlError::unsupported(format!("UPDATE of column \"{name}\", which is part of the key"))
                .hint("DELETE the row and INSERT it with its new key."));
        }
        if assigned.iter().any(|(other, _)| *other == name) {
            return Err(SqlError::new("42601", format!("multiple assignments to same column \"{name}\"")));
        }
        assigned.push((name, assignment.value.clone()));
    }
    Ok(assigned)
}

/// Whether a condition is column = value AND column = value ..; the columns.
fn equalities(selection: &Expr, columns: &mut BTreeSet<String>) -> bool {
    match selection {
        Expr::Nested(inner) => equalities(inner, columns),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            equalities(left, columns) && equalities(right, columns)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let column = |expr: &Expr| match expr {
                Expr::Identifier(ident) => Some(column_name(ident)),
                Expr::CompoundIdentifier(parts) => parts.last().map(column_name),
                _ => None,
            };
            match (column(left), column(right)) {
                (Some(name), None) | (None, Some(name)) => columns.insert(name),
                _ => false,
            }
        }
        _ => false,
    }
}

/// Whether the query has VALUES within: DataFusion takes those for rows of the table that is inserted into.
fn has_inner_values(source: &Query) -> bool {
    struct Inner(usize);
    impl Visitor for Inner {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.0 += 1;
            let within = self.0 > 1 && matches!(*query.body, SetExpr::Values(_));
            if within { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    source.visit(&mut Inner(0)).is_break()
}

/// Rows of a query as rows of a table: its columns go to the named ones in their order, the others are their defaults.
fn into_columns(rows: LogicalPlan, named: &[ObjectName], fields: &Fields) -> DataFusionResult<LogicalPlan> {
    let given = rows.schema().columns();
    if given.len() != named.len() {
        let (columns, expressions) = (named.len(), given.len());
        return plan_err!("INSERT names {columns} columns and its query has {expressions}");
    }
    let names: Vec<Option<String>> = named.iter().map(|name| Some(column_name(name.0.last()?.as_ident()?))).collect();
    let exprs = fields.iter().map(|field| {
        let value = match names.iter().position(|name| name.as_ref() == Some(field.name())) {
            Some(at) => LogicalExpr::Column(given[at].clone()).cast_to(field.data_type(), rows.schema())?,
            None => match default_value(field) {
                Some(default) => lit(ScalarValue::try_from_array(&default, 0)?),
                None => lit(ScalarValue::try_from(field.data_type())?),
            },
        };
        Ok(value.alias(field.name()))
    });
    let exprs = exprs.collect::<DataFusionResult<Vec<_>>>()?;
    LogicalPlanBuilder::from(rows).project(exprs)?.build()
}

fn refuse_insert(insert: &Insert) -> Result<(), SqlError> {
    let named = [
        (insert.returning.is_some(), "INSERT .. RETURNING"),
        (insert.on.is_some(), "INSERT .. ON CONFLICT"),
        (insert.overwrite, "INSERT OVERWRITE"),
        (insert.replace_into || insert.or.is_some(), "INSERT OR REPLACE"),
        (insert.table_alias.is_some(), "an alias in INSERT"),
        (insert.source.is_none(), "INSERT .. DEFAULT VALUES"),
    ];
    match named.into_iter().find(|(present, _)| *present) {
        Some((_, what)) => {
            Err(SqlError::unsupported(what)
                .hint("INSERT of a key that is there replaces its row: no clause is needed."))
        }
        None => Ok(()),
    }
}

impl Session {
    pub(super) async fn insert_rows(
        &self,
        ground: Ground<'_>,
        table: &Arc<Entry>,
        plan: &LogicalPlan,
        parameters: Vec<ScalarValue>,
        cancel: Cancel,
        tag: &str,
    ) -> Result<Response, SqlError> {
        self.shared.writable()?;
        let sql = ground.sql;
        let rows = ground.rows(with_parameters(plan, parameters, sql)?, cancel).await?;
        let mut rows = std::pin::pin!(rows);
        let mut inserted = 0;
        while let Some(batch) = rows.try_next().await.map_err(|error| SqlError::of(error, sql))? {
            for start in (0..batch.num_rows()).step_by(APPEND_EVENTS_MAX) {
                let piece = batch.slice(start, APPEND_EVENTS_MAX.min(batch.num_rows() - start));
                inserted += piece.num_rows();
                let events = self.encoded(table, &piece)?;
                self.send(table, events).await?;
            }
        }
        Ok(Response::Done { tag: format!("{tag} {inserted}") })
    }

    pub(super) async fn delete_rows(
        &self,
        ground: Ground<'_>,
        table: &Arc<Entry>,
        plan: &LogicalPlan,
        parameters: Vec<ScalarValue>,
        cancel: Cancel,
    ) -> Result<Response, SqlError> {
        self.shared.writable()?;
        let sql = ground.sql;
        let rows = ground.rows(with_parameters(plan, parameters, sql)?, cancel).await?;
        let batches: Vec<RecordBatch> = rows.try_collect().await.map_err(|error| SqlError::of(error, sql))?;
        let mut deleted = 0;
        for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
            deleted += batch.num_rows();
            let fields = batch.schema();
            let key = fields.fields().iter().enumerate().map(|(at, field)| (field.name().clone(), at)).collect();
            let events = encoder(&self.shared, table, key).deletes(batch);
            self.send(table, events).await?;
        }
        Ok(Response::Done { tag: format!("DELETE {deleted}") })
    }

    /// The rows as events. What must not be NULL is checked before anything is sent.
    fn encoded(&self, table: &Arc<Entry>, rows: &RecordBatch) -> Result<Vec<Event>, SqlError> {
        let schema = &table.relation.as_ref().expect("a table has rows").schema;
        let fields = schema.columns.fields();
        let visible: Vec<usize> = (0..fields.len()).filter(|&at| !is_hidden(&fields[at])).collect();
        let version = table.table().and_then(|table| table.version);
        for &at in &visible {
            let required = !fields[at].is_nullable() || version == Some(at);
            if required && rows.column(at).null_count() > 0 {
                let words = format!("null value in column \"{}\" of table \"{}\"", fields[at].name(), table.name());
                return Err(SqlError::new("23502", words));
            }
        }
        let key = schema.key.iter().filter_map(|key| visible.iter().position(|at| at == key));
        let key: Vec<(String, usize)> = key.map(|at| (fields[visible[at]].name().clone(), at)).collect();
        let named =
            arrow::datatypes::Schema::new(visible.iter().map(|&at| fields[at].as_ref().clone()).collect::<Vec<_>>());
        let columns = visible.iter().map(|&at| rows.column(at).clone()).collect();
        let rows = RecordBatch::try_new(Arc::new(named), columns)
            .map_err(|error| SqlError::new("42804", error.to_string()))?;
        Ok(encoder(&self.shared, table, key).inserts(&rows))
    }

    /// Sends events now, or holds them back for COMMIT.
    async fn send(&self, table: &Arc<Entry>, events: Vec<Event>) -> Result<(), SqlError> {
        {
            let mut state = self.state();
            if let Some(transaction) = &mut state.transaction {
                return transaction.hold(table, events);
            }
        }
        append_rows(&self.shared, table, events).await
    }
}

/// An encoder for a table's events.
pub(super) fn encoder<'a>(shared: &'a Shared, table: &Entry, key: Vec<(String, usize)>) -> Encoder<'a> {
    let topic = table.table().expect("it is a table").topic.clone();
    Encoder { topic, key, ids: &shared.ids, now_ms: shared.now_ms() }
}

/// Appends events and waits until they are published; one that is no row is an error.
pub(super) async fn append_rows(shared: &Shared, table: &Entry, events: Vec<Event>) -> Result<(), SqlError> {
    if events.is_empty() {
        return Ok(());
    }
    let outcomes = append(shared, &table.table().expect("it is a table").topic, events).await?;
    match outcomes.quarantined.first_key_value() {
        None => Ok(()),
        Some((reason, count)) => {
            let code = if reason.starts_with("the same version") { "23505" } else { "23514" };
            let words = format!("table \"{}\" did not take {count} rows: {reason}", table.name());
            Err(SqlError::new(code, words).hint("They are in caudal.quarantine."))
        }
    }
}

/// Appends events to a topic and waits until they are published.
pub(crate) async fn append(shared: &Shared, topic: &Arc<str>, events: Vec<Event>) -> Result<Outcomes, SqlError> {
    let interest = shared.interests.register(topic);
    // Asked after registering: whoever registers later than the pipeline ends would wait for ever.
    shared.writable()?;
    let positions = shared.log.append(events).await?;
    interest.outcomes(positions).await
}
