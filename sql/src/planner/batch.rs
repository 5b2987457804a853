//! A view's rewritten plan, run by DataFusion over all rows at once: what the maintained view must equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};
use datafusion::physical_plan::collect;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use super::{builder, relation_name};
use crate::error::SqlError;
use crate::functions::Present;
use crate::rules::{self, DropErrors, Isolate};
use crate::types::UTC;

/// The view's rows given the rows of the relations it reads, by name, and what `now()` is. Rows that fail in a Map or a
/// Filter are left out, as the view does; an aggregate that does not fit fails the whole. `rewritten` comes from
/// [`super::rewrite`].
pub async fn batch(
    rewritten: &LogicalPlan,
    relations: &BTreeMap<String, Vec<RecordBatch>>,
    now_ms: i64,
) -> Result<Vec<RecordBatch>, SqlError> {
    let now = ScalarValue::TimestampMicrosecond(Some(now_ms.saturating_mul(1_000)), Some(UTC.into()));
    let now = Expr::Literal(now, None);
    let timed = |plan: LogicalPlan| {
        plan.map_expressions(|expr| expr.transform_up(|expr| Ok(Transformed::yes(Present::at(expr, &now)))))
    };
    let plan = rewritten.clone().transform_up(timed)?.data.transform_up(|plan| match plan {
        LogicalPlan::TableScan(mut scan) => {
            let name = relation_name(&scan.table_name);
            let schema = scan.source.schema();
            let rows = relations.get(&name).map_or(&[][..], Vec::as_slice).iter();
            let rows =
                rows.map(|rows| RecordBatch::try_new(schema.clone(), rows.columns()[..schema.fields().len()].to_vec()));
            let rows = rows.collect::<Result<Vec<_>, _>>().map_err(DataFusionError::from)?;
            scan.source = provider_as_source(Arc::new(MemTable::try_new(schema, vec![rows])?));
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        LogicalPlan::Aggregate(aggregate) => over_columns(aggregate).map(Transformed::yes),
        LogicalPlan::Join(_) => rules::numbered(plan),
        other => Ok(Transformed::no(other)),
    })?;
    let physical = rules::physical_with(vec![Arc::new(Isolate), Arc::new(DropErrors)]);
    let state = builder(None).with_physical_optimizer_rules(physical).build();
    let plan = DefaultPhysicalPlanner::default().create_physical_plan(&plan.data, &state).await?;
    Ok(collect(plan, state.task_ctx()).await?)
}

/// The aggregation with what it computes first in a projection of its own, as the engine has it.
fn over_columns(mut aggregate: Aggregate) -> Result<LogicalPlan, DataFusionError> {
    let mut below: Vec<Expr> = Vec::new();
    let mut column = |expr: Expr| {
        let name = format!("c{}", below.len());
        below.push(expr.alias(&name));
        Expr::Column(datafusion::common::Column::new_unqualified(name))
    };
    for expr in &mut aggregate.group_expr {
        let (relation, name) = expr.qualified_name();
        *expr = column(expr.clone()).alias_qualified(relation, name);
    }
    for expr in &mut aggregate.aggr_expr {
        let (relation, name) = expr.qualified_name();
        let call = expr.clone().transform_up(|expr| {
            let Expr::AggregateFunction(mut function) = expr else { return Ok(Transformed::no(expr)) };
            // A constant stays, as some functions insist on one.
            let mut place = |expr: Expr| if let Expr::Literal(..) = expr { expr } else { column(expr) };
            function.params.args = function.params.args.into_iter().map(&mut place).collect();
            function.params.order_by.iter_mut().for_each(|order| order.expr = place(order.expr.clone()));
            function.params.filter = function.params.filter.map(|filter| Box::new(place(*filter)));
            Ok(Transformed::yes(Expr::AggregateFunction(function)))
        })?;
        *expr = call.data.unalias().alias_qualified(relation, name);
    }
    if below.is_empty() {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let input = LogicalPlan::Projection(Projection::try_new(below, aggregate.input)?);
    Aggregate::try_new(Arc::new(input), aggregate.group_expr, aggregate.aggr_expr).map(LogicalPlan::Aggregate)
}
