//! DISTINCT ON becomes the row with the number 1 of each group, so that there is one way to say which row comes first.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, ExprFunctionExt, Filter, LogicalPlan, Projection, Window, WindowUDF, lit,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use crate::functions::row_number;

/// The number's column, which nothing above can name.
const NUMBER: &str = "__number_on";

/// See the [module](self).
#[derive(Debug)]
pub struct DistinctOnFirst;

impl AnalyzerRule for DistinctOnFirst {
    fn name(&self) -> &str {
        "distinct_on_first"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Distinct(Distinct::On(on)) => first(on).map(Transformed::yes),
            other => Ok(Transformed::no(other)),
        })
        .map(|rewritten| rewritten.data)
    }
}

fn first(on: DistinctOn) -> Result<LogicalPlan> {
    let numbering: Arc<WindowUDF> = row_number();
    let number = Expr::from(WindowFunction::new(numbering, vec![]))
        .partition_by(on.on_expr)
        .order_by(on.sort_expr.unwrap_or_default())
        .build()?
        .alias(NUMBER);
    let numbered = LogicalPlan::Window(Window::try_new(vec![number], on.input)?);
    let is_first = Expr::Column(NUMBER.into()).eq(lit(1_i64));
    let first = LogicalPlan::Filter(Filter::try_new(is_first, Arc::new(numbered))?);
    // The columns are called as before.
    let columns = on.select_expr.into_iter().zip(on.schema.iter()).map(|(expr, (relation, field))| match expr {
        Expr::Column(_) => expr,
        expr => expr.unalias().alias_qualified(relation.cloned(), field.name()),
    });
    Ok(LogicalPlan::Projection(Projection::try_new(columns.collect(), Arc::new(first))?))
}
