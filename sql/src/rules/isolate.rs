//! One row's error stays its own in DataFusion's plans too.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

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
        let wrap = |expr: &Arc<dyn PhysicalExpr>| match skips(expr) {
            true => Arc::new(Isolated::new(expr.clone(), OnError::Fail)) as Arc<dyn PhysicalExpr>,
            false => expr.clone(),
        };
        plan.transform_up(|plan| {
            if let Some(filter) = plan.downcast_ref::<FilterExec>() {
                return refilter(filter, wrap(filter.predicate()));
            }
            if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                let exprs = projection
                    .expr()
                    .iter()
                    .map(|column| ProjectionExpr { expr: wrap(&column.expr), alias: column.alias.clone() });
                let projection = ProjectionExec::try_new(exprs.collect::<Vec<_>>(), projection.input().clone())?;
                return Ok(Transformed::yes(Arc::new(projection)));
            }
            Ok(Transformed::no(plan))
        })
        .map(|rewritten| rewritten.data)
    }
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
                let predicate = Arc::new(Isolated::new(filter.predicate().clone(), OnError::False));
                return refilter(filter, predicate);
            }
            if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                // Over a placeholder row there are no columns of the types that its schema says.
                if projection.expr().iter().all(|column| collect_columns(&column.expr).is_empty()) {
                    return Ok(Transformed::no(plan));
                }
                let succeed = conjunction(projection.expr().iter().map(|column| told(&column.expr)));
                let good = FilterExec::try_new(succeed, projection.input().clone())?;
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

fn refilter(filter: &FilterExec, predicate: Arc<dyn PhysicalExpr>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let filter = FilterExecBuilder::from(filter).with_predicate(predicate).build()?;
    Ok(Transformed::yes(Arc::new(filter)))
}
