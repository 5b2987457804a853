//! What a materialized view cannot have, refused by name before anything is rewritten.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use crate::error::SqlError;
use crate::functions::Present;
use crate::properties::{AGGREGATES, Functions, Property, WINDOWS};

const OF_ENDS: &str = "It would change every row of its partition when one does. Make a view of SELECT DISTINCT ON (..), \
    or of first_value(.. ORDER BY ..) with GROUP BY, and join that where it is asked for.";

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

pub(super) fn no(construct: impl std::fmt::Display) -> SqlError {
    SqlError::unsupported(format!("{construct} in a materialized view"))
}

fn operator(plan: &LogicalPlan) -> Option<SqlError> {
    Some(match plan {
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
    Some(match expr {
        // Where they stand is looked at when the plan is rewritten.
        call if Present::is_call(call) => return None,
        Expr::ScalarFunction(function) => match function.func.signature().volatility {
            Volatility::Immutable => return None,
            Volatility::Stable => no(format!("the function {}()", function.name()))
                .hint("A view may depend on its rows only, not on the time or the session; filter in the queries that read it."),
            Volatility::Volatile => no(format!("the function {}()", function.name()))
                .hint("It gives another answer each time it is asked; a view's rows must follow from its inputs."),
        },
        Expr::AggregateFunction(function) => return aggregate(function),
        Expr::WindowFunction(function) if WINDOWS.has(function.fun.name(), Property::ByEnds) => {
            no(format!("the window function {}", function.fun.name())).hint(OF_ENDS)
        }
        Expr::WindowFunction(function) if !WINDOWS.has(function.fun.name(), Property::Maintained) => {
            no(format!("the window function {}", function.fun.name()))
                .hint(format!("There are {}.", maintained(&WINDOWS)))
        }
        Expr::GroupingSet(_) => no("GROUPING SETS, ROLLUP or CUBE").hint("Make one view for each grouping."),
        Expr::Placeholder(placeholder) => no(format!("the parameter {}", placeholder.id)),
        Expr::ScalarVariable(_, names) => no(format!("the variable {}", names.join("."))),
        Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => no("a lambda function"),
        _ => return None,
    })
}

/// Refuses the subqueries that no rule could write as a join.
pub fn subqueries(rewritten: &LogicalPlan) -> Result<(), SqlError> {
    rewritten.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|node| {
                let construct = match node {
                    Expr::InSubquery(_) => "this IN (SELECT ..)",
                    Expr::Exists(_) => "this EXISTS (SELECT ..)",
                    Expr::ScalarSubquery(_) => "this scalar subquery",
                    Expr::OuterReferenceColumn(..) => "this reference to the outer query",
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                Err(DataFusionError::from(no(construct).hint("Write it as a join.")))
            })
        })
    })?;
    Ok(())
}

fn maintained(functions: &Functions) -> String {
    functions.with(Property::Maintained).collect::<Vec<_>>().join(", ")
}

fn aggregate(function: &AggregateFunction) -> Option<SqlError> {
    let (name, params) = (function.func.name(), &function.params);
    if !AGGREGATES.has(name, Property::Maintained) {
        return Some(no(format!("the aggregate {name}")).hint(format!("There are {}.", maintained(&AGGREGATES))));
    }
    if params.distinct && !AGGREGATES.has(name, Property::TakesDistinct) {
        let advice = "Make a view of SELECT DISTINCT first, and aggregate that.";
        return Some(no(format!("{name}(DISTINCT ..)")).hint(advice));
    }
    let is = |property| AGGREGATES.has(name, property);
    let (of_percentile, in_order) = (is(Property::WithinGroup), is(Property::InOrder));
    match params.order_by.first() {
        Some(order) if of_percentile && !order.asc => {
            let advice = "Take 1 minus the fraction of the ascending order.";
            return Some(no(format!("{name} WITHIN GROUP (ORDER BY .. DESC)")).hint(advice));
        }
        Some(_) if !of_percentile && !in_order => return Some(no(format!("ORDER BY within {name}"))),
        _ => {}
    }
    if params.null_treatment.is_some() && !in_order {
        return Some(no(format!("RESPECT or IGNORE NULLS on {name}")));
    }
    if params.args.len() > 1 + usize::from(of_percentile || name == "string_agg") {
        return Some(no(format!("{name} of several arguments")));
    }
    None
}
