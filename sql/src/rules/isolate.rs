//! One row's error stays its own in DataFusion's plans too.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
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
                return refilter(filter, &wrap);
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
                return refilter(filter, &|predicate| Arc::new(Isolated::new(predicate.clone(), OnError::False)));
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
            Ok(Transformed::no(plan))
        })
        .map(|rewritten| rewritten.data)
    }
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
