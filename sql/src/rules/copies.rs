//! INTERSECT ALL and EXCEPT ALL count how often a row occurs.
//!
//! DataFusion writes them as semi and anti joins, as if a row that occurs on the right went with every copy on the left. Here
//! the copies of each row are numbered on both sides, and the n-th goes with the n-th.

use std::sync::Arc;

use dataflow::SetOperation;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, plan_datafusion_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::planner::set_operation;

/// The names of the numbers of copies.
const NUMBERS: [&str; 2] = ["copy on the left", "copy on the right"];

/// See the [module](self).
#[derive(Debug)]
pub struct NumberCopies;

impl OptimizerRule for NumberCopies {
    fn name(&self) -> &str {
        "number_copies"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(numbered)
    }
}

/// One operator, with the copies numbered where they count.
pub fn numbered(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
    let counts =
        matches!(set_operation::operation(&join), Some((SetOperation::IntersectAll | SetOperation::ExceptAll, _)));
    let done = join.left.schema().fields().iter().any(|field| field.name() == NUMBERS[0]);
    if !counts || done {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let columns: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let number = |name: &str| Expr::Column(Column::new_unqualified(name));
    join.on.push((number(NUMBERS[0]), number(NUMBERS[1])));
    let [left, right] = [(&join.left, NUMBERS[0]), (&join.right, NUMBERS[1])].map(|(side, name)| copies(side, name));
    let join = Join::try_new(
        Arc::new(left?),
        Arc::new(right?),
        join.on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(join)).project(columns)?.build().map(Transformed::yes)
}

/// The rows and behind them which copy of its kind each is, from 1.
fn copies(side: &LogicalPlan, name: &str) -> Result<LogicalPlan> {
    let columns = side.schema().columns().into_iter().map(Expr::Column).collect();
    let functions = SessionStateDefaults::default_window_functions();
    let row_number = functions.into_iter().find(|function| function.name() == "row_number");
    let row_number = row_number.ok_or_else(|| plan_datafusion_err!("there is no row_number()"))?;
    let number = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number), vec![]);
    let number = Expr::WindowFunction(Box::new(number)).partition_by(columns).build()?.alias(name);
    LogicalPlanBuilder::from(side.clone()).window([number])?.build()
}
