//! Every column that leaves an operator has a canonical type (see [`crate::types`]).

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Union};
use datafusion::optimizer::analyzer::AnalyzerRule;

use crate::types;

/// See the [module](self). Runs before type coercion, which then sees the types that remain. A type without a canonical
/// form, NULL's own included, is left alone: a query may pass it on, a view refuses it.
#[derive(Debug)]
pub struct CanonicalTypes;

impl AnalyzerRule for CanonicalTypes {
    fn name(&self) -> &str {
        "canonical_types"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_plan).map(|rewritten| rewritten.data)
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    // A child may have changed its types.
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => {}
        LogicalPlan::Union(union) => {
            let union = Union::try_new_with_loose_types(union.inputs)?;
            return Ok(Transformed::yes(LogicalPlan::Union(union)));
        }
        other => return Ok(Transformed::yes(other.recompute_schema()?)),
    }
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let cast = match expr {
            Expr::AggregateFunction(mut function) => {
                function.params.args =
                    function.params.args.into_iter().map(|arg| canonical(arg, &schema)).collect::<Result<_>>()?;
                for by in &mut function.params.order_by {
                    by.expr = canonical(by.expr.clone(), &schema)?;
                }
                Expr::AggregateFunction(function)
            }
            Expr::GroupingSet(_) => expr,
            other => canonical(other, &schema)?,
        };
        Ok(Transformed::yes(name.restore(cast)))
    })?
    .map_data(|plan| plan.recompute_schema())
}

fn canonical(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let from = expr.get_type(schema)?;
    match types::canonical(&from) {
        Some(to) if to != from => Ok(match expr {
            Expr::Alias(mut alias) => {
                alias.expr = Box::new(Expr::Cast(Cast::new(alias.expr, to)));
                Expr::Alias(alias)
            }
            other => Expr::Cast(Cast::new(Box::new(other), to)),
        }),
        _ => Ok(expr),
    }
}
