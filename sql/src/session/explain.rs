//! EXPLAIN: DataFusion's plan of a query, and what it did; the engine's plan of a materialised view.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::RelationId;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::sql::sqlparser::ast::{ObjectName, Statement, UtilityOption};
use futures::TryStreamExt;
use serde_json::json;
use tokio::sync::oneshot;

use super::Cancel;
use super::action::Action;
use super::prepare::Ground;
use super::running::with_snapshot;
use crate::catalog::Entry;
use crate::ddl;
use crate::error::SqlError;
use crate::limits::RELATION_ROWS_COUNTED;
use crate::pipeline::Command;
use crate::planner::{self, Live};
use crate::query::{Making, relation_name};
use crate::scan::DEFAULT_TENANT;

/// What the options of EXPLAIN ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The query is run: `EXPLAIN ANALYZE`, or `EXPLAIN (ANALYZE)`.
    pub analyze: bool,
    /// The plan is a JSON document, as PostgreSQL's clients that draw plans read it.
    pub json: bool,
}

/// The options that there are; those of what PostgreSQL says besides are taken and change nothing.
pub(super) fn asked(analyze: bool, options: &[UtilityOption]) -> Result<Asked, SqlError> {
    let mut asked = Asked { analyze, json: false };
    for option in options {
        let argument = option.arg.as_ref().map(|arg| arg.to_string().trim_matches('\'').to_lowercase());
        let on = argument.as_deref().is_none_or(|argument| ["true", "on", "1"].contains(&argument));
        match (option.name.value.to_lowercase().as_str(), argument.as_deref()) {
            ("analyze", _) => asked.analyze |= on,
            ("format", Some("text")) => asked.json = false,
            ("format", Some("json")) => asked.json = true,
            ("costs" | "verbose" | "timing" | "summary" | "buffers" | "settings" | "wal", _) => {}
            (name, _) => return Err(SqlError::unsupported(format!("option {name} of EXPLAIN here"))),
        }
    }
    Ok(asked)
}

/// A plan as PostgreSQL's clients read one: a list of one object with the outermost operator and what there is besides.
fn document(plan: &Arc<dyn ExecutionPlan>, besides: &[(&str, f64)]) -> Vec<String> {
    let mut whole = serde_json::Map::new();
    whole.insert("Plan".to_owned(), operator(plan));
    whole.extend(besides.iter().map(|(name, millis)| ((*name).to_owned(), json!(millis))));
    let written = serde_json::to_string_pretty(&json!([whole])).expect("it is made of names and numbers");
    vec![written]
}

fn operator(plan: &Arc<dyn ExecutionPlan>) -> serde_json::Value {
    let described = displayable(plan.as_ref()).one_line().to_string();
    let mut found = serde_json::Map::new();
    found.insert("Node Type".to_owned(), json!(plan.name().trim_end_matches("Exec")));
    found.insert("Parallel Aware".to_owned(), json!(false));
    found.insert("Async Capable".to_owned(), json!(false));
    let detail = described.trim().strip_prefix(plan.name()).unwrap_or(described.trim());
    found.insert("Detail".to_owned(), json!(detail.trim_start_matches(':').trim()));
    if let Some(rows) = plan.metrics().and_then(|metrics| metrics.output_rows()) {
        found.insert("Actual Rows".to_owned(), json!(rows));
        found.insert("Actual Loops".to_owned(), json!(1));
    }
    let below: Vec<serde_json::Value> = plan.children().into_iter().map(operator).collect();
    if !below.is_empty() {
        found.insert("Plans".to_owned(), json!(below));
    }
    serde_json::Value::Object(found)
}

impl Ground<'_> {
    /// EXPLAIN ANALYZE of a query.
    pub(super) async fn analyze(&self, statement: Statement, json: bool) -> Result<Action, SqlError> {
        match statement {
            Statement::Query(_) => Ok(Action::Analyze { plan: Box::new(self.plan(statement).await?), json }),
            other => Err(SqlError::unsupported(format!("EXPLAIN ANALYZE of this statement: {other}"))
                .hint("EXPLAIN ANALYZE SELECT .., which runs the query, or EXPLAIN ANALYZE MATERIALIZED VIEW name.")),
        }
    }

    /// Runs a query, forgets its rows, and says what its operators did.
    pub(super) async fn analyzed(self, plan: LogicalPlan, json: bool, cancel: Cancel) -> Result<Vec<String>, SqlError> {
        let sql = self.sql;
        let of = |error| SqlError::of(error, sql);
        let begun = Instant::now();
        let (operators, mut rows) = self.over_snapshot(plan).observed(cancel).await.map_err(of)?;
        let planned = begun.elapsed();
        let mut count = 0;
        while let Some(batch) = rows.try_next().await.map_err(of)? {
            count += batch.num_rows();
        }
        let ran = begun.elapsed() - planned;
        let physical = operators.lock().expect("nobody panics with the operators").clone();
        if json {
            let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
            return Ok(document(&physical, &[("Planning Time", millis(planned)), ("Execution Time", millis(ran))]));
        }
        let operators = DisplayableExecutionPlan::with_metrics(physical.as_ref()).indent(false).to_string();
        let millis = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1_000.0);
        let summary = [
            format!("Rows: {count}"),
            format!("Planning time: {}", millis(planned)),
            format!("Execution time: {}", millis(ran)),
        ];
        Ok(operators.lines().map(str::to_owned).chain(summary).collect())
    }

    pub(super) async fn explain(&self, statement: Statement, json: bool) -> Result<Vec<String>, SqlError> {
        match statement {
            Statement::Query(_) => {
                let plan = self.plan(statement).await?;
                let of = |error| SqlError::of(error, self.sql);
                let optimized = self.context().optimize(&plan).map_err(of)?;
                let context = with_snapshot(self.context().clone(), self.snapshot.clone());
                let physical = context.create_physical_plan(&plan).await.map_err(of)?;
                if json {
                    return Ok(document(&physical, &[]));
                }
                let logical = optimized.display_indent().to_string();
                let physical = displayable(physical.as_ref()).indent(false).to_string();
                Ok(logical.lines().chain(["", "Physical:"]).chain(physical.lines()).map(str::to_owned).collect())
            }
            _ if json => Err(SqlError::unsupported("EXPLAIN (FORMAT JSON) but of a query")),
            Statement::CreateView(create) if create.materialized => {
                let new = ddl::new_view(&create, self.sql)?;
                let making = Making { query: &new.query, index: None, as_of: u32::MAX };
                self.incremental(&new.name, making, None).await
            }
            other => Err(SqlError::unsupported(format!("EXPLAIN of this statement: {other}"))
                .hint("EXPLAIN SELECT .., EXPLAIN CREATE MATERIALIZED VIEW .., or EXPLAIN and the name of a materialized view.")),
        }
    }

    /// EXPLAIN and a name.
    pub(super) async fn explain_view(&self, name: &ObjectName) -> Result<Vec<String>, SqlError> {
        let name = relation_name(name)?;
        self.permitted(&Action::AnalyzeView { name: name.clone() })?;
        let entry = self.catalog.expect(&name)?;
        match entry.materialized() {
            Some(view) => {
                let index = entry.index_columns();
                let making = Making { query: &view.query, index: index.as_deref(), as_of: view.as_of };
                self.incremental(&name, making, Some(entry.id())).await
            }
            None => Err(without_plan(entry)),
        }
    }

    /// EXPLAIN ANALYZE and a name: the plan that runs, with what it has done and what it keeps.
    pub(super) async fn analyzed_view(&self, name: &str) -> Result<Vec<String>, SqlError> {
        let entry = self.catalog.expect(name)?;
        let view = entry.materialized().ok_or_else(|| without_plan(entry))?;
        let (reply, answer) = oneshot::channel();
        self.session.ask(Command::Figures { view: entry.id(), reply }).await?;
        let gone = || SqlError::new("42P01", format!("materialized view \"{name}\" was dropped, or replaced"));
        let figures = answer.await.ok().flatten().ok_or_else(gone)?;
        let (owned, snapshot) = (entry.owned(), self.snapshot.clone());
        let measured = tokio::task::spawn_blocking(move || {
            let reader = snapshot.scoped(DEFAULT_TENANT);
            let extent = |id| Ok((id, reader.extent(id, RELATION_ROWS_COUNTED)?));
            owned.into_iter().map(extent).collect::<Result<HashMap<_, _>, dataflow::StateError>>()
        });
        let measured = measured.await.map_err(|failed| SqlError::new("XX000", failed.to_string()))?;
        let extents = measured.map_err(|error| SqlError::new("XX001", error.to_string()))?;
        let queries = &self.session.shared.queries;
        let mut states = view.states.iter().copied();
        let mut next = || states.next().unwrap_or(RelationId(u32::MAX));
        let index = entry.index_columns();
        let making = Making { query: &view.query, index: index.as_deref(), as_of: view.as_of };
        let planned = queries.planned(&self.catalog, making, name, entry.id(), &mut next).await?;
        let named = |id| self.catalog.by_id(id).map(|entry| entry.name().to_owned());
        Ok(planner::explain(&planned.view, &named, Some(&Live { figures, extents })))
    }

    /// `id`: of the view, where there is it already.
    async fn incremental(
        &self,
        name: &str,
        making: Making<'_>,
        id: Option<RelationId>,
    ) -> Result<Vec<String>, SqlError> {
        let queries = &self.session.shared.queries;
        let mut numbers = (*self.catalog).clone();
        let id = id.unwrap_or_else(|| numbers.allocate());
        let mut next = || numbers.allocate();
        let planned = queries.planned(&self.catalog, making, name, id, &mut next).await?;
        let named = |id| self.catalog.by_id(id).map(|entry| entry.name().to_owned());
        Ok(planner::explain(&planned.view, &named, None))
    }
}

fn without_plan(entry: &Entry) -> SqlError {
    SqlError::new("42809", format!("\"{}\" is a {}, and keeps no plan", entry.name(), entry.kind()))
}
