//! What clients know a value of PostgreSQL's catalogue as, such as `oid`, where an expression makes another value of it: the
//! oldest of its objects is an object too, and all of them are an array of objects.
//!
//! Arrow has no such types, so they are said in the metadata of fields, and expressions do not pass that on. A query over the
//! catalogue gets a function that says it again.

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Case, Expr, ExprSchemable, LogicalPlan, Projection};

use crate::functions::known_as::KnownAs;
use crate::system::pg_catalog;
use crate::types::Spoken;

/// The plan, whose columns are known as what they come from.
pub fn kept(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !reads_catalogue(&plan)? {
        return Ok(plan);
    }
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Projection(projection) => named_again(projection),
        // A column below may be known by now.
        other => Ok(Transformed::yes(other.recompute_schema()?)),
    })
    .map(|rewritten| rewritten.data)
}

fn reads_catalogue(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::TableScan(scan) if scan.table_name.schema() == Some(pg_catalog::SCHEMA));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn named_again(projection: Projection) -> Result<Transformed<LogicalPlan>> {
    let Projection { expr, input, .. } = projection;
    let names = NamePreserver::new_for_projection();
    let again = |expr: Expr| match made(&expr, &input) {
        Some(spoken) => {
            let name = names.save(&expr);
            name.restore(KnownAs::call(spoken, expr.unalias()))
        }
        None => expr,
    };
    let expr = expr.into_iter().map(again).collect();
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(expr, input)?)))
}

/// What an expression is known as that its field does not say.
fn made(expr: &Expr, input: &LogicalPlan) -> Option<Spoken> {
    match expr {
        Expr::Alias(alias) => made(&alias.expr, input),
        Expr::Case(case) => chosen(case, input.schema()),
        Expr::Column(column) => aggregated(column, input),
        _ => None,
    }
}

/// What all choices are that are not NULL.
fn chosen(case: &Case, schema: &DFSchema) -> Option<Spoken> {
    let choices = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    let of = |choice: &Expr| choice.to_field(schema).ok().and_then(|(_, field)| Spoken::of(&field));
    let known = choices.filter(|choice| !matches!(&***choice, Expr::Literal(value, _) if value.is_null()));
    let mut known = known.map(|choice| of(choice));
    let first = known.next()??;
    known.all(|other| other == Some(first)).then_some(first)
}

/// What an aggregate makes of a column.
fn aggregated(column: &Column, input: &LogicalPlan) -> Option<Spoken> {
    let below = match input {
        LogicalPlan::Filter(having) => &having.input,
        other => other,
    };
    let LogicalPlan::Aggregate(Aggregate { input, group_expr, aggr_expr, schema, .. }) = below else { return None };
    let at = schema.maybe_index_of_column(column)?.checked_sub(group_expr.len())?;
    let Expr::AggregateFunction(called) = aggr_expr.get(at)?.clone().unalias() else { return None };
    let of = Spoken::of(&called.params.args.first()?.to_field(input.schema()).ok()?.1)?;
    match called.func.name() {
        "array_agg" => of.array(),
        "min" | "max" | "first_value" | "last_value" => Some(of),
        _ => None,
    }
}
