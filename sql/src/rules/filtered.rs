//! FILTER (WHERE ..) becomes a CASE within the aggregate.
//!
//! `sum(x) FILTER (WHERE p)` is `sum(CASE WHEN p THEN x END)` for every aggregate that skips NULLs: `x` is not evaluated where `p`
//! is not true, in a query as in a view. One that counts NULLs in keeps its FILTER besides.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan, when};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::named;
use crate::properties::{AGGREGATES, Property};

/// See the [module](self). Runs before types are settled.
#[derive(Debug)]
pub struct FilteredAggregates;

impl AnalyzerRule for FilteredAggregates {
    fn name(&self) -> &str {
        "filtered_aggregates"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Aggregate(_) = &plan else { return Ok(Transformed::no(plan)) };
            named::retype(plan, within)
        })
        .map(|rewritten| rewritten.data)
    }
}

fn within(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::AggregateFunction(mut function) = expr else { return Ok(Transformed::no(expr)) };
    let (name, params) = (function.func.name(), &mut function.params);
    let is = |property| AGGREGATES.has(name, property);
    let skips = is(Property::SkipsNulls);
    let known = skips || is(Property::InOrder);
    let Some(condition) = params.filter.take_if(|_| known && !params.args.is_empty()) else {
        return Ok(Transformed::no(Expr::AggregateFunction(function)));
    };
    let guarded = |expr: Expr| when((*condition).clone(), expr).end();
    let value = params.args.remove(0);
    for by in params.order_by.iter_mut().filter(|by| by.expr == value || !matches!(by.expr, Expr::Column(_))) {
        by.expr = guarded(by.expr.clone())?;
    }
    params.args.insert(0, guarded(value)?);
    params.filter = (!skips).then_some(condition);
    Ok(Transformed::yes(Expr::AggregateFunction(function)))
}
