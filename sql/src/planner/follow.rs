//! A query whose changes follow from those of one relation, row by row: what SUBSCRIBE can be asked for.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::SchemaRef;
use dataflow::{Changes, Plan, RelationId, Scalar};
use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use super::{lower, refuse, rewrite};
use crate::error::SqlError;
use crate::relation::{Relation, RelationKind, Relations, not_kept};
use crate::source::relation_name;

/// Maps and filters over the changes of one relation.
pub struct Followed {
    pub relation: Arc<Relation>,
    plan: Plan,
}

/// Plans a query as it is followed: columns and expressions of one relation's rows, those that a condition holds for.
pub fn follow(logical: &LogicalPlan, relations: &dyn Relations) -> Result<Followed, SqlError> {
    let names = scanned(logical)?;
    let [(name, columns)] = &names[..] else {
        return Err(beyond(if names.is_empty() { "a query that reads no relation" } else { "a join or a subquery" }));
    };
    let missing = || SqlError::new("42P01", format!("relation \"{name}\" does not exist"));
    let relation = relations.relation(name).ok_or_else(missing)?.narrowed(*columns);
    if relation.kind == RelationKind::System {
        return Err(SqlError::unsupported(format!("SUBSCRIBE to {name}, which the node keeps for itself")));
    }
    if relation.kind == RelationKind::Stream {
        return Err(not_kept(&relation.name));
    }
    refuse::check(logical).map_err(of_subscribe)?;
    let mut no_state = || RelationId(u32::MAX);
    let lowering = rewrite(logical).and_then(|plan| {
        let mut lowering = lower::Lowering::new(relations, RelationId(0), &mut no_state);
        lowering.plan(&plan)
    });
    let plan = lowering.map_err(of_subscribe)?.settled().plan;
    if let Some(construct) = beyond_rows(&plan) {
        return Err(beyond(construct));
    }
    Ok(Followed { relation, plan })
}

impl Followed {
    /// The columns of what comes out.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// What becomes of changes of the relation. An expression that fails on a row is an error of the whole.
    pub fn changes(&self, changes: Changes) -> Result<Changes, SqlError> {
        applied(&self.plan, changes)
    }
}

fn applied(plan: &Plan, changes: Changes) -> Result<Changes, SqlError> {
    match plan {
        Plan::Get { .. } => Ok(changes),
        Plan::Filter { input, predicate } => {
            let Changes { rows, diffs } = applied(input, changes)?;
            let kept = evaluated(predicate.as_ref(), &rows)?;
            let kept: BooleanArray = match kept.as_boolean() {
                kept if kept.null_count() > 0 => prep_null_mask_filter(kept),
                kept => kept.clone(),
            };
            let diffs = diffs.iter().zip(kept.values()).filter(|(_, kept)| *kept).map(|(&diff, _)| diff).collect();
            Ok(Changes::new(filter_record_batch(&rows, &kept).map_err(broken)?, diffs))
        }
        Plan::Map { input, columns, schema } => {
            let Changes { rows, diffs } = applied(input, changes)?;
            let columns = columns.iter().map(|column| evaluated(column.as_ref(), &rows)).collect::<Result<_, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(broken)?;
            Ok(Changes::new(rows, diffs))
        }
        _ => unreachable!("a followed plan has maps and filters only"),
    }
}

fn evaluated(scalar: &dyn Scalar, rows: &RecordBatch) -> Result<arrow::array::ArrayRef, SqlError> {
    let (values, errors) = scalar.eval(rows);
    match errors.into_iter().next() {
        None => Ok(values),
        Some((_, error)) => Err(SqlError::new("22000", format!("{}: {error}", scalar.sql()))),
    }
}

/// The relations that a query reads, as often as it does, each with how many columns it knows.
fn scanned(logical: &LogicalPlan) -> Result<Vec<(String, usize)>, SqlError> {
    let mut names = Vec::new();
    logical.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let table: &TableReference = &scan.table_name;
            names.push((relation_name(table), scan.source.schema().fields().len()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names)
}

/// The first construct that needs more than the row that changed.
fn beyond_rows(plan: &Plan) -> Option<&'static str> {
    match plan {
        Plan::Get { .. } => None,
        Plan::Filter { input, .. } | Plan::Map { input, .. } => beyond_rows(input),
        Plan::Temporal { .. } => Some("a condition on the time"),
        Plan::Reduce { .. } => Some("an aggregation or DISTINCT"),
        Plan::Top { .. } | Plan::Neighbours { .. } => Some("an order with a limit, or a window function"),
        Plan::Join { .. } => Some("a join"),
        Plan::Union { .. } | Plan::Combine { .. } => Some("a set operation"),
        Plan::Unnest { .. } => Some("unnest"),
        Plan::Constant { .. } => Some("rows that never change"),
    }
}

fn beyond(construct: &str) -> SqlError {
    SqlError::unsupported(format!("SUBSCRIBE to {construct}"))
        .hint("CREATE MATERIALIZED VIEW of the query, and SUBSCRIBE to the view.")
}

/// A view's rules are those of SUBSCRIBE; its words are not.
fn of_subscribe(mut error: SqlError) -> SqlError {
    error.message = error.message.replace("in a materialized view", "in SUBSCRIBE");
    error
}

fn broken(error: arrow::error::ArrowError) -> SqlError {
    SqlError::new("XX000", error.to_string())
}
