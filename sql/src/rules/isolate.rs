//! One row's error stays its own in DataFusion's plans too.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, PhysicalGroupBy};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::sorts::sort::SortExec;

use crate::scalar::{Isolated, OnError};

/// A query fails if and only if a row's expression fails evaluated alone.
#[derive(Debug)]
pub struct Isolate;

impl PhysicalOptimizerRule for Isolate {
    fn name(&self) -> &str {
        "isolate"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(isolated).map(|rewritten| rewritten.data)
    }
}

type Node = Arc<dyn ExecutionPlan>;

/// The operator with its own expressions wrapped where they need it. Keys of joins are columns by now: what computes them
/// is a projection below. Arguments of window functions stay as they are.
fn isolated(plan: Node) -> Result<Transformed<Node>> {
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return refilter(filter, &wrap);
    }
    let wrapped: Node = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let wrap = |column: &ProjectionExpr| ProjectionExpr { expr: wrap(&column.expr), alias: column.alias.clone() };
        let exprs: Vec<ProjectionExpr> = projection.expr().iter().map(wrap).collect();
        Arc::new(ProjectionExec::try_new(exprs, projection.input().clone())?)
    } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        Arc::new(aggregated(aggregate)?)
    } else if let Some(sort) = plan.downcast_ref::<SortExec>() {
        let order = sort.expr().iter().map(|by| PhysicalSortExpr { expr: wrap(&by.expr), options: by.options });
        let order = LexOrdering::new(order).expect("a sort has an order");
        let sorted = SortExec::new(order, sort.input().clone()).with_fetch(sort.fetch());
        Arc::new(sorted.with_preserve_partitioning(sort.preserve_partitioning()))
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        Arc::new(join.builder().with_filter(matched(join.filter.as_ref())).build()?)
    } else if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        let builder = NestedLoopJoinExecBuilder::from(join);
        Arc::new(builder.with_filter(matched(join.filter())).build()?)
    } else if let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() {
        Arc::new(SortMergeJoinExec::try_new(
            join.left().clone(),
            join.right().clone(),
            join.on().to_vec(),
            matched(join.filter().as_ref()),
            join.join_type(),
            join.sort_options().to_vec(),
            join.null_equality(),
        )?)
    } else {
        return Ok(Transformed::no(plan));
    };
    Ok(Transformed::yes(wrapped))
}

fn wrap(expr: &Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    match skips(expr) {
        true => Arc::new(Isolated::new(expr.clone(), OnError::Fail)),
        false => expr.clone(),
    }
}

/// A join's condition beyond its equalities.
fn matched(filter: Option<&JoinFilter>) -> Option<JoinFilter> {
    filter.map(|filter| {
        JoinFilter::new(wrap(filter.expression()), filter.column_indices().to_vec(), filter.schema().clone())
    })
}

fn aggregated(aggregate: &AggregateExec) -> Result<AggregateExec> {
    let group = aggregate.group_expr();
    let named = |exprs: &[(Arc<dyn PhysicalExpr>, String)]| -> Vec<(Arc<dyn PhysicalExpr>, String)> {
        exprs.iter().map(|(expr, name)| (wrap(expr), name.clone())).collect()
    };
    let grouping = PhysicalGroupBy::new(
        named(group.expr()),
        group.null_expr().to_vec(),
        group.groups().to_vec(),
        group.has_grouping_set(),
    );
    let function = |function: &Arc<AggregateFunctionExpr>| {
        let all = function.all_expressions();
        let arguments = all.args.iter().map(wrap).collect();
        function.with_new_expressions(arguments, all.order_by_exprs).map_or_else(|| function.clone(), Arc::new)
    };
    let wrapped = AggregateExec::try_new(
        *aggregate.mode(),
        grouping,
        aggregate.aggr_expr().iter().map(function).collect(),
        aggregate.filter_expr().iter().map(|filter| filter.as_ref().map(wrap)).collect(),
        aggregate.input().clone(),
        aggregate.input_schema(),
    )?;
    Ok(wrapped.with_limit_options(aggregate.limit_options()))
}

/// Whether what the expression evaluates may depend on the batch's other rows.
fn skips(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.exists(|node| {
        let logic =
            node.downcast_ref::<BinaryExpr>().is_some_and(|binary| matches!(binary.op(), Operator::And | Operator::Or));
        Ok(logic || node.downcast_ref::<CaseExpr>().is_some())
    })
    .unwrap_or(true)
}

/// The name of the column that says whether a row's expressions all have values.
const SUCCEEDS: &str = "succeeds";

/// Leaves out the rows that fail, as a maintained view does: for checking one against the other.
#[derive(Debug)]
pub struct DropErrors;

impl PhysicalOptimizerRule for DropErrors {
    fn name(&self) -> &str {
        "drop_errors"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let told = |expr: &Arc<dyn PhysicalExpr>| {
            Arc::new(Isolated::new(expr.clone(), OnError::Told)) as Arc<dyn PhysicalExpr>
        };
        plan.transform_up(|plan| {
            if let Some(filter) = plan.downcast_ref::<FilterExec>() {
                return refilter(filter, &|predicate| Arc::new(Isolated::new(predicate.clone(), OnError::False)));
            }
            if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                // Over a placeholder row there are no columns of the types that its schema says.
                if projection.expr().iter().all(|column| collect_columns(&column.expr).is_empty()) {
                    return Ok(Transformed::no(plan));
                }
                let succeed = conjunction(projection.expr().iter().map(|column| told(&column.expr)));
                // The filter asks a column that the projection drops, so that no later rule can swap the two.
                let input = projection.input();
                let schema = input.schema();
                let columns = schema.fields().iter().enumerate().map(|(at, field)| ProjectionExpr {
                    expr: Arc::new(Column::new(field.name(), at)),
                    alias: field.name().clone(),
                });
                let mut columns: Vec<ProjectionExpr> = columns.collect();
                let whether = Arc::new(Column::new(SUCCEEDS, columns.len()));
                columns.push(ProjectionExpr { expr: succeed, alias: SUCCEEDS.to_owned() });
                let asked = ProjectionExec::try_new(columns, input.clone())?;
                let good = FilterExec::try_new(whether, Arc::new(asked))?;
                let projection = ProjectionExec::try_new(projection.expr().to_vec(), Arc::new(good))?;
                return Ok(Transformed::yes(Arc::new(projection)));
            }
            // A pair that the condition fails on is no pair.
            if let Some(join) = plan.downcast_ref::<HashJoinExec>()
                && let Some(filter) = join.filter()
            {
                return Ok(Transformed::yes(join.builder().with_filter(Some(false_on_error(filter))).build_exec()?));
            }
            if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>()
                && let Some(filter) = join.filter()
            {
                let filter = Some(false_on_error(filter));
                let (left, right, of) = (join.left().clone(), join.right().clone(), join.join_type());
                let join = NestedLoopJoinExec::try_new(
                    left,
                    right,
                    filter,
                    of,
                    join.projection().as_deref().map(<[usize]>::to_vec),
                )?;
                return Ok(Transformed::yes(Arc::new(join)));
            }
            Ok(Transformed::no(plan))
        })
        .map(|rewritten| rewritten.data)
    }
}

fn false_on_error(filter: &JoinFilter) -> JoinFilter {
    let condition = Arc::new(Isolated::new(filter.expression().clone(), OnError::False));
    JoinFilter::new(condition, filter.column_indices().to_vec(), filter.schema().clone())
}

/// Wraps what can fail of a filter. What cannot is asked before, as it is: what later plans rely on, that a column has one
/// value, stays to be seen.
fn refilter(
    filter: &FilterExec,
    wrap: &dyn Fn(&Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr>,
) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let parts = split_conjunction(filter.predicate()).into_iter().cloned();
    let (steady, failing): (Vec<_>, Vec<_>) = parts.partition(steady);
    let mut builder = FilterExecBuilder::from(filter);
    if !steady.is_empty() && !failing.is_empty() {
        let before = FilterExec::try_new(conjunction(steady), filter.input().clone())?;
        builder = builder.with_input(Arc::new(before));
    }
    if !failing.is_empty() {
        builder = builder.with_predicate(wrap(&conjunction(failing)));
    }
    Ok(Transformed::yes(Arc::new(builder.build()?)))
}

/// Whether the expression has a value for every row.
fn steady(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let fails = expr.exists(|node| {
        let compares = node.downcast_ref::<BinaryExpr>().is_some_and(|binary| {
            let op = binary.op();
            matches!(op, Operator::And | Operator::Or | Operator::Eq | Operator::NotEq)
                || matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
        });
        let known = node.downcast_ref::<Column>().is_some()
            || node.downcast_ref::<Literal>().is_some()
            || node.downcast_ref::<NotExpr>().is_some()
            || node.downcast_ref::<IsNullExpr>().is_some()
            || node.downcast_ref::<IsNotNullExpr>().is_some();
        Ok(!compares && !known)
    });
    !fails.unwrap_or(true)
}
