//! What a materialized view cannot have, refused by name before anything is rewritten.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use crate::error::SqlError;

/// The aggregates that can be maintained.
pub const AGGREGATES: [&str; 14] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "var",
    "var_pop",
    "stddev",
    "stddev_pop",
    "median",
    "percentile_cont",
    "percentile_disc",
];

/// Those that take DISTINCT.
const OF_SETS: [&str; 7] = ["count", "sum", "avg", "min", "max", "bool_and", "bool_or"];

/// The window functions that can be maintained.
const WINDOWS: [&str; 5] = ["row_number", "rank", "dense_rank", "lag", "lead"];

/// Looks at every operator and expression of a view's query.
pub fn check(plan: &LogicalPlan) -> Result<(), SqlError> {
    let refuse = |error: SqlError| Err(DataFusionError::from(error));
    plan.apply_with_subqueries(|node| {
        if let Some(error) = operator(node) {
            return refuse(error);
        }
        node.apply_expressions(|expr| {
            expr.apply(|node| match expression(node) {
                Some(error) => refuse(error),
                None => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(())
}

fn no(construct: impl std::fmt::Display) -> SqlError {
    SqlError::unsupported(format!("{construct} in a materialized view"))
}

fn operator(plan: &LogicalPlan) -> Option<SqlError> {
    Some(match plan {
        LogicalPlan::Unnest(_) => no("unnest"),
        LogicalPlan::RecursiveQuery(_) => no("WITH RECURSIVE"),
        LogicalPlan::Repartition(_) => no("a repartitioning"),
        LogicalPlan::Extension(extension) => no(extension.node.name()),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => no("a statement that is not a query"),
        _ => return None,
    })
}

fn expression(expr: &Expr) -> Option<SqlError> {
    const JOIN: &str = "Write it as a join.";
    Some(match expr {
        Expr::ScalarFunction(function) => match function.func.signature().volatility {
            Volatility::Immutable => return None,
            Volatility::Stable => no(format!("the function {}()", function.name()))
                .hint("A view may depend on its rows only, not on the time or the session; filter in the queries that read it."),
            Volatility::Volatile => no(format!("the function {}()", function.name()))
                .hint("It gives another answer each time it is asked; a view's rows must follow from its inputs."),
        },
        Expr::AggregateFunction(function) => return aggregate(function),
        Expr::WindowFunction(function) if !WINDOWS.contains(&function.fun.name()) => {
            no(format!("the window function {}", function.fun.name()))
                .hint(format!("There are {}.", WINDOWS.join(", ")))
        }
        Expr::InSubquery(_) => no("IN (SELECT ..)").hint(JOIN),
        Expr::Exists(_) => no("EXISTS (SELECT ..)").hint(JOIN),
        Expr::ScalarSubquery(_) => no("a scalar subquery").hint(JOIN),
        Expr::SetComparison(_) => no("a comparison with ANY or ALL of a subquery").hint(JOIN),
        Expr::OuterReferenceColumn(_, column) => no(format!("the outer column {column} within a subquery")).hint(JOIN),
        Expr::GroupingSet(_) => no("GROUPING SETS, ROLLUP or CUBE").hint("Make one view for each grouping."),
        Expr::Placeholder(placeholder) => no(format!("the parameter {}", placeholder.id)),
        Expr::ScalarVariable(_, names) => no(format!("the variable {}", names.join("."))),
        Expr::Unnest(_) => no("unnest"),
        Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => no("a lambda function"),
        _ => return None,
    })
}

fn aggregate(function: &AggregateFunction) -> Option<SqlError> {
    let (name, params) = (function.func.name(), &function.params);
    if !AGGREGATES.contains(&name) {
        return Some(no(format!("the aggregate {name}")).hint(format!("There are {}.", AGGREGATES.join(", "))));
    }
    if params.distinct && !OF_SETS.contains(&name) {
        let advice = "Make a view of SELECT DISTINCT first, and aggregate that.";
        return Some(no(format!("{name}(DISTINCT ..)")).hint(advice));
    }
    let of_percentile = name.starts_with("percentile");
    match params.order_by.first() {
        Some(order) if of_percentile && !order.asc => {
            let advice = "Take 1 minus the fraction of the ascending order.";
            return Some(no(format!("{name} WITHIN GROUP (ORDER BY .. DESC)")).hint(advice));
        }
        Some(_) if !of_percentile => return Some(no(format!("ORDER BY within {name}"))),
        _ => {}
    }
    if params.null_treatment.is_some() {
        return Some(no(format!("RESPECT or IGNORE NULLS on {name}")));
    }
    if params.args.len() > 1 + usize::from(of_percentile) {
        return Some(no(format!("{name} of several arguments")));
    }
    None
}
