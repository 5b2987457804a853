//! NOT IN (SELECT ..) below OR says what it means where there are NULLs.
//!
//! DataFusion joins such a subquery and asks whether there is a match, which cannot tell NULL from false. In a condition `x NOT
//! IN (S)` is true where S has no rows, and where x is not NULL, S has no NULL and x has no match: written so, each part is a
//! question that a join answers. One that must hold by itself is left, as DataFusion knows it.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, not};
use datafusion::optimizer::analyzer::AnalyzerRule;

/// See the [module](self). Runs before types are settled.
#[derive(Debug)]
pub struct NotIn;

impl AnalyzerRule for NotIn {
    fn name(&self) -> &str {
        "not_in"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Filter(mut filter) if below_or(&filter.predicate, false, false) => {
                filter.predicate = spelled(filter.predicate, false)?;
                Ok(Transformed::yes(LogicalPlan::Filter(filter)))
            }
            plan => Ok(Transformed::no(plan)),
        })
        .map(|rewritten| rewritten.data)
    }
}

/// Whether a NOT IN is one of several conditions of which some must hold. `negated`: there is a NOT above.
fn below_or(condition: &Expr, negated: bool, or: bool) -> bool {
    match condition {
        Expr::Not(inner) => below_or(inner, !negated, or),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let or = or || (*op == Operator::Or) != negated;
            below_or(left, negated, or) || below_or(right, negated, or)
        }
        Expr::InSubquery(within) => or && within.negated != negated,
        _ => false,
    }
}

/// The condition, or its opposite, with every NOT moved to what it is about and every NOT IN in its parts.
fn spelled(condition: Expr, negated: bool) -> Result<Expr> {
    Ok(match condition {
        Expr::Not(inner) => spelled(*inner, !negated)?,
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (spelled(*left, negated)?, spelled(*right, negated)?);
            if (op == Operator::And) != negated { left.and(right) } else { left.or(right) }
        }
        Expr::InSubquery(within) if within.negated == negated => {
            Expr::InSubquery(InSubquery { negated: false, ..within })
        }
        Expr::InSubquery(within) => parts(InSubquery { negated: false, ..within })?,
        other if negated => not(other),
        other => other,
    })
}

fn parts(within: InSubquery) -> Result<Expr> {
    let none = |subquery: Subquery| Expr::Exists(Exists { subquery, negated: true });
    let rows = &within.subquery;
    let value = Expr::from(rows.subquery.schema().qualified_field(0));
    let nulls = LogicalPlanBuilder::from(rows.subquery.clone()).filter(value.is_null())?.build()?;
    let known = (*within.expr).clone().is_not_null().and(none(rows.with_plan(nulls.into())));
    let other = not(Expr::InSubquery(within.clone()));
    Ok(none(rows.clone()).or(known.and(other)))
}
