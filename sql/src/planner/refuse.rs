//! What a materialized view cannot have, refused by name before anything is rewritten.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::expr::{AggregateFunction, InSubquery};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Volatility, not};

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
        if let LogicalPlan::Filter(filter) = node
            && let Some(error) = membership(&filter.predicate, node, true)
        {
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
        Expr::SetComparison(_) => no("a comparison with ANY or ALL of a subquery").hint("Write it as a join."),
        Expr::GroupingSet(_) => no("GROUPING SETS, ROLLUP or CUBE").hint("Make one view for each grouping."),
        Expr::Placeholder(placeholder) => no(format!("the parameter {}", placeholder.id)),
        Expr::ScalarVariable(_, names) => no(format!("the variable {}", names.join("."))),
        Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => no("a lambda function"),
        _ => return None,
    })
}

/// Refuses IN and NOT IN where it matters that they may be NULL and not false, as a join cannot tell: in a condition they are
/// right as one of several that must all hold, or of which some must. `all`: nothing but AND is above.
fn membership(predicate: &Expr, filter: &LogicalPlan, all: bool) -> Option<SqlError> {
    const ADVICE: &str = "Write it as EXISTS or NOT EXISTS.";
    let nullable = |expr: &Expr| {
        let schema = filter.inputs()[0].schema();
        !matches!(expr, Expr::Column(_)) && expr.nullable(schema).unwrap_or(true)
    };
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if matches!(op, Operator::And | Operator::Or) => {
            let all = all && *op == Operator::And;
            membership(left, filter, all).or_else(|| membership(right, filter, all))
        }
        Expr::Not(inner) if part_of_condition(inner) => match &**inner {
            Expr::Not(inner) => membership(inner, filter, all),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let all = all && *op == Operator::Or;
                let of = |side: &Expr| membership(&not(side.clone()), filter, all);
                of(left).or_else(|| of(right))
            }
            Expr::InSubquery(within) => {
                membership(&Expr::InSubquery(InSubquery { negated: !within.negated, ..within.clone() }), filter, all)
            }
            _ => unreachable!("it is part of a condition"),
        },
        // What is left to a join below OR says what it means of NULLs, by the rule `not_in`.
        Expr::InSubquery(within) if !within.negated || !all => None,
        Expr::InSubquery(within) if nullable(&within.expr) => {
            Some(no("NOT IN (SELECT ..) of an expression that may be NULL").hint(ADVICE))
        }
        Expr::InSubquery(_) => None,
        other => {
            let within = other.exists(|node| Ok(matches!(node, Expr::InSubquery(_)))).unwrap_or(true);
            within.then(|| no("IN (SELECT ..) within an expression").hint(ADVICE))
        }
    }
}

/// Whether NOT of this is a condition of others that a row meets or not.
fn part_of_condition(expr: &Expr) -> bool {
    match expr {
        Expr::Not(inner) => part_of_condition(inner),
        Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(op, Operator::And | Operator::Or),
        other => matches!(other, Expr::InSubquery(_)),
    }
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
