//! `ORDER BY` a subquery: `ORDER BY x IN (SELECT ..)`. Sorting knows columns only, so what it goes by is made one first.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Sort, col};
use datafusion::optimizer::analyzer::AnalyzerRule;

/// See the [module](self).
#[derive(Debug)]
pub struct OrderedBySubquery;

impl AnalyzerRule for OrderedBySubquery {
    fn name(&self) -> &str {
        "ordered_by_subquery"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Sort(sort) if sort.expr.iter().any(|key| asks(&key.expr)) => {
                by_columns(sort).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        });
        rewritten.map(|rewritten| rewritten.data)
    }
}

fn asks(expr: &Expr) -> bool {
    let is_subquery = |expr: &Expr| {
        Ok(matches!(expr, Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_)))
    };
    expr.exists(is_subquery).unwrap_or(false)
}

/// The same order, by columns that are there for it only.
fn by_columns(mut sort: Sort) -> Result<LogicalPlan> {
    let columns = sort.input.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    let mut made = Vec::new();
    for key in sort.expr.iter_mut().filter(|key| asks(&key.expr)) {
        let name = format!("__order_{}", made.len());
        made.push(std::mem::replace(&mut key.expr, col(&name)).alias(name));
    }
    let input = LogicalPlan::clone(&sort.input);
    let all = columns.iter().cloned().chain(made);
    let with_keys = LogicalPlanBuilder::from(input).project(all)?;
    with_keys.sort_with_limit(sort.expr, sort.fetch)?.project(columns)?.build()
}
