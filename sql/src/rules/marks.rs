//! EXISTS and IN of subqueries as values: in a list of columns, in what is grouped and aggregated.
//!
//! DataFusion joins the subqueries of a condition, each as a column that says whether there is a match, and of nothing else. So
//! the expressions become parts of a condition for it to join, and are taken out of that again.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, LogicalPlan, Operator};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// See the [module](self).
#[derive(Debug)]
pub struct Marks;

impl OptimizerRule for Marks {
    fn name(&self) -> &str {
        "marks"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        let mut asked: Vec<Expr> = Vec::new();
        plan.apply_expressions(|expr| {
            expr.apply(|part| {
                if is_subquery(part) && !asked.contains(part) {
                    asked.push(part.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        // Not one of them by itself, which would become a join that drops rows.
        let Some(condition) = asked.iter().cloned().map(Expr::is_true).reduce(Expr::or) else {
            return Ok(Transformed::no(plan));
        };
        let input = plan.inputs()[0].clone();
        let filter = LogicalPlan::Filter(Filter::try_new(condition, input.into())?);
        let joined = DecorrelatePredicateSubquery::new().rewrite(filter, config)?.data;
        let LogicalPlan::Projection(projection) = joined else { return Ok(Transformed::no(plan)) };
        let LogicalPlan::Filter(Filter { predicate, input, .. }) = projection.input.as_ref() else {
            return Ok(Transformed::no(plan));
        };
        let mut marks = Vec::new();
        parts(predicate, &mut marks);
        assert_eq!(marks.len(), asked.len(), "each has its mark");
        let mark = |expr: Expr| match asked.iter().position(|known| *known == expr) {
            Some(at) => Transformed::yes(marks[at].clone()),
            None => Transformed::no(expr),
        };
        let exprs = plan.expressions().into_iter().map(|expr| {
            let name = names.save(&expr);
            expr.transform_down(|expr| Ok(mark(expr))).map(|expr| name.restore(expr.data))
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        plan.with_new_exprs(exprs, vec![input.as_ref().clone()]).map(Transformed::yes)
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Exists(_) | Expr::InSubquery(_))
}

/// What stands in place of each subquery, in their order.
fn parts(condition: &Expr, marks: &mut Vec<Expr>) {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            parts(left, marks);
            parts(right, marks);
        }
        Expr::IsTrue(inner) => marks.push((**inner).clone()),
        other => unreachable!("{other} is no part of the condition"),
    }
}
