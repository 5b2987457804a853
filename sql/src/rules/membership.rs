//! IN, ANY and ALL of subqueries say what they mean where there are NULLs.
//!
//! DataFusion joins such a subquery and asks whether there is a match, which cannot tell NULL from false. In a condition that is
//! well for IN, and a join of its own knows `column NOT IN (S)` where that must hold by itself. Elsewhere `x NOT IN (S)` is true
//! where S has no rows, and where x is not NULL, S has no NULL and x has no match: written so, each part is a question that a
//! join answers. As a value, `x IN (S)` is a CASE of the same parts. Other comparisons are with the least or the greatest of S.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError, JoinType, Result, ScalarValue, plan_datafusion_err};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
    not, when,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use crate::functions::extreme::Extreme;

/// See the [module](self). Runs before types are settled.
#[derive(Debug)]
pub struct Membership;

impl AnalyzerRule for Membership {
    fn name(&self) -> &str {
        "membership"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match has_membership(&plan)? {
            true => rewritten(plan).map(Transformed::yes),
            false => Ok(Transformed::no(plan)),
        })
        .map(|rewritten| rewritten.data)
    }
}

fn has_membership(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= asks(expr);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether an expression asks what is in a subquery.
fn asks(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(matches!(expr, Expr::InSubquery(_) | Expr::SetComparison(_)))).unwrap_or(true)
}

/// One operator whose subqueries are rewritten already.
fn rewritten(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Filter(mut filter) => {
            let schema = filter.input.schema().clone();
            filter.predicate = condition(filter.predicate, &schema, false, true)?;
            Ok(LogicalPlan::Filter(filter))
        }
        // What an inner join asks of its pairs is a filter of them.
        LogicalPlan::Join(mut join) if join.join_type == JoinType::Inner => {
            let conditions = split_conjunction_owned(join.filter.take().unwrap_or_else(|| lit(true)));
            let (asked, kept): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(asks);
            join.filter = conjunction(kept);
            let joined = LogicalPlan::Join(join);
            let Some(asked) = conjunction(asked) else { return Ok(joined) };
            let predicate = condition(asked, joined.schema(), false, true)?;
            Ok(LogicalPlan::Filter(Filter::try_new(predicate, joined.into())?))
        }
        plan => {
            let schema: DFSchemaRef = merge_schema(&plan.inputs()).into();
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(Transformed::yes(name.restore(within(expr, &schema)?)))
            })?
            .map_data(|plan| plan.recompute_schema())
            .map(|plan| plan.data)
        }
    }
}

/// A condition, or its opposite, with every NOT moved to what it is about and every NOT IN in its parts. `all`: nothing but AND is
/// above.
fn condition(expr: Expr, schema: &DFSchema, negated: bool, all: bool) -> Result<Expr> {
    Ok(match in_words_of_in(expr) {
        Expr::Not(inner) => condition(*inner, schema, !negated, all)?,
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let and = (op == Operator::And) != negated;
            let of = |side: Expr| condition(side, schema, negated, all && and);
            let (left, right) = (of(*left)?, of(*right)?);
            if and { left.and(right) } else { left.or(right) }
        }
        Expr::InSubquery(found) if found.negated == negated => Expr::InSubquery(InSubquery { negated: false, ..found }),
        Expr::InSubquery(found) => {
            let alone = all && matches!(*found.expr, Expr::Column(_)) && found.subquery.outer_ref_columns.is_empty();
            match alone {
                true => Expr::InSubquery(InSubquery { negated: true, ..found }),
                false => missing(InSubquery { negated: false, ..found })?,
            }
        }
        Expr::SetComparison(compared) => comparison(compared, negated)?,
        other => {
            let other = if asks(&other) { within(other, schema)? } else { other };
            if negated { not(other) } else { other }
        }
    })
}

/// An expression with a value in place of each of them.
fn within(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let value = |expr| match in_words_of_in(expr) {
        Expr::InSubquery(found) => value(found, schema).map(Transformed::yes),
        Expr::SetComparison(compared) => compared_value(compared, schema).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    };
    expr.transform_up(value).map(|rewritten| rewritten.data)
}

/// `x = ANY (S)` is IN, `x <> ALL (S)` NOT IN.
fn in_words_of_in(expr: Expr) -> Expr {
    match expr {
        Expr::SetComparison(SetComparison { expr, subquery, op: Operator::Eq, quantifier: SetQuantifier::Any }) => {
            Expr::InSubquery(InSubquery { expr, subquery, negated: false })
        }
        Expr::SetComparison(SetComparison { expr, subquery, op: Operator::NotEq, quantifier: SetQuantifier::All }) => {
            Expr::InSubquery(InSubquery { expr, subquery, negated: true })
        }
        other => other,
    }
}

/// `x NOT IN (S)` as a condition.
fn missing(found: InSubquery) -> Result<Expr> {
    let known = (*found.expr).clone().is_not_null().and(not(any_null(&found.subquery)?));
    let any = any(found.subquery.clone());
    Ok(not(any).or(known.and(not(Expr::InSubquery(found)))))
}

/// `x [NOT] IN (S)` as true, false or NULL.
fn value(found: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let negated = found.negated;
    let found = InSubquery { negated: false, ..found };
    let value = match unknown(&found.expr, &found.subquery, schema)? {
        Some(unknown) => when(Expr::InSubquery(found), lit(true)).when(unknown, null()).otherwise(lit(false))?,
        None => Expr::InSubquery(found),
    };
    Ok(if negated { not(value) } else { value })
}

/// When it is NULL whether x is among the values, or greater than any of them, unless one of those that are there decides; `None`:
/// never.
fn unknown(x: &Expr, subquery: &Subquery, schema: &DFSchema) -> Result<Option<Expr>> {
    let mut unknown = Vec::new();
    if subquery.subquery.schema().field(0).is_nullable() {
        unknown.push(any_null(subquery)?);
    }
    if x.nullable(schema).unwrap_or(true) {
        unknown.push(x.clone().is_null().and(any(subquery.clone())));
    }
    Ok(unknown.into_iter().reduce(Expr::or))
}

/// `x > ANY (S)` and its like, or the opposite, as a condition.
fn comparison(compared: SetComparison, negated: bool) -> Result<Expr> {
    let SetComparison { expr: x, subquery, op, quantifier } = compared;
    let negate = || op.negate().ok_or_else(|| plan_datafusion_err!("{op} with a subquery has no opposite"));
    let (op, any_of) = match negated {
        true => (negate()?, quantifier == SetQuantifier::All),
        false => (op, quantifier == SetQuantifier::Any),
    };
    let decided = decided(&x, op, any_of, &subquery, !any_of)?;
    Ok(if any_of { decided } else { not(any(subquery)).or(decided) })
}

/// `x > ANY (S)` and its like as true, false or NULL.
fn compared_value(compared: SetComparison, schema: &DFSchema) -> Result<Expr> {
    let SetComparison { expr: x, subquery, op, quantifier } = compared;
    let any_of = quantifier == SetQuantifier::Any;
    let decided = decided(&x, op, any_of, &subquery, false)?;
    let decided = when(if any_of { decided } else { not(decided) }, lit(any_of));
    Ok(match unknown(&x, &subquery, schema)? {
        Some(unknown) => { decided }.when(unknown, null()).otherwise(lit(!any_of))?,
        None => { decided }.otherwise(lit(!any_of))?,
    })
}

/// The comparison of x with what is not NULL in S by its extremes; `whole`: NULL if there is a NULL.
fn decided(x: &Expr, op: Operator, any_of: bool, subquery: &Subquery, whole: bool) -> Result<Expr> {
    let to = |of: Extreme| {
        let extreme = extreme(subquery, of, whole)?;
        Ok::<_, DataFusionError>(Expr::BinaryExpr(BinaryExpr::new(Box::new(x.clone()), op, Box::new(extreme))))
    };
    Ok(match op {
        Operator::Lt | Operator::LtEq if any_of => to(Extreme::max())?,
        Operator::Gt | Operator::GtEq if !any_of => to(Extreme::max())?,
        Operator::NotEq => to(Extreme::min())?.or(to(Extreme::max())?),
        Operator::Eq => to(Extreme::min())?.and(to(Extreme::max())?),
        _ => to(Extreme::min())?,
    })
}

fn null() -> Expr {
    Expr::Literal(ScalarValue::Boolean(None), None)
}

/// Whether a subquery has rows.
fn any(subquery: Subquery) -> Expr {
    Expr::Exists(Exists { subquery, negated: false })
}

/// Whether it has one that is NULL.
fn any_null(subquery: &Subquery) -> Result<Expr> {
    let value = Expr::from(subquery.subquery.schema().qualified_field(0));
    let nulls = LogicalPlanBuilder::from(subquery.subquery.clone()).filter(value.is_null())?.build()?;
    Ok(any(subquery.with_plan(nulls.into())))
}

/// The least or greatest value of a subquery; `whole`: NULL if one is NULL.
fn extreme(subquery: &Subquery, of: Extreme, whole: bool) -> Result<Expr> {
    let value = Expr::from(subquery.subquery.schema().qualified_field(0));
    let mut aggregates = vec![AggregateUDF::from(of).call(vec![value.clone()])];
    if whole {
        aggregates.extend([count(lit(1_i64)), count(value)]);
    }
    let rows = LogicalPlanBuilder::from(subquery.subquery.clone());
    let mut plan = rows.aggregate(Vec::<Expr>::new(), aggregates)?;
    if whole {
        let [extreme, rows, given] = [0, 1, 2].map(|at| Expr::from(plan.schema().qualified_field(at)));
        plan = plan.project([when(rows.eq(given), extreme).end()?.alias("extreme")])?;
    }
    Ok(Expr::ScalarSubquery(subquery.with_plan(plan.build()?.into())))
}
