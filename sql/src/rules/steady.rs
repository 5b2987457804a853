//! Conditions that cannot fail come before those that can.
//!
//! `WHERE b <> 0 AND a / b > 2` must not fail on rows with b = 0, whichever way the two conditions were brought together:
//! a row is only asked a condition that can fail once all others hold. So with the conditions of a join: an equality that
//! can fail is no key of an outer join beside other conditions, since keys are computed for every row.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Operator};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// See the [module](self). Conditions keep their order otherwise.
#[derive(Debug)]
pub struct SteadyFirst;

impl OptimizerRule for SteadyFirst {
    fn name(&self) -> &str {
        "steady_first"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        Ok(match plan {
            LogicalPlan::Filter(mut filter) => {
                let (predicate, changed) = reorder(filter.predicate);
                filter.predicate = predicate;
                Transformed::new_transformed(LogicalPlan::Filter(filter), changed)
            }
            LogicalPlan::Join(mut join) => {
                let mut changed = conditions_of_keys(&mut join);
                join.filter = join.filter.map(|predicate| {
                    let (predicate, moved) = reorder(predicate);
                    changed |= moved;
                    predicate
                });
                Transformed::new_transformed(LogicalPlan::Join(join), changed)
            }
            other => Transformed::no(other),
        })
    }
}

/// Makes conditions of the keys that can fail where others may keep rows from them. Of an inner join the conditions on one
/// side have become filters below it, where its keys are computed after them.
fn conditions_of_keys(join: &mut Join) -> bool {
    let fails = |(left, right): &(Expr, Expr)| may_fail(left) || may_fail(right);
    let guarded = join.filter.is_some() || join.on.iter().any(|key| !fails(key));
    if join.join_type == JoinType::Inner || join.null_equality != NullEquality::NullEqualsNothing || !guarded {
        return false;
    }
    let (failing, keys): (Vec<_>, Vec<_>) = std::mem::take(&mut join.on).into_iter().partition(fails);
    join.on = keys;
    let changed = !failing.is_empty();
    let conditions = failing.into_iter().map(|(left, right)| left.eq(right));
    join.filter = conjunction(join.filter.take().into_iter().chain(conditions));
    changed
}

fn reorder(predicate: Expr) -> (Expr, bool) {
    let parts = split_conjunction_owned(predicate);
    let fails: Vec<bool> = parts.iter().map(may_fail).collect();
    let changed = !fails.is_sorted();
    let ordered = if changed {
        let (failing, steady): (Vec<_>, Vec<_>) = parts.into_iter().zip(fails).partition(|(_, fails)| *fails);
        steady.into_iter().chain(failing).map(|(part, _)| part).collect()
    } else {
        parts
    };
    (conjunction(ordered).expect("a predicate has at least one part"), changed)
}

/// Whether evaluating the expression can be an error for some row.
pub fn may_fail(expr: &Expr) -> bool {
    let fails = |node: &Expr| match node {
        Expr::ScalarFunction(_) | Expr::Cast(_) | Expr::Negative(_) | Expr::HigherOrderFunction(_) => true,
        Expr::BinaryExpr(binary) => !matches!(binary.op, Operator::And | Operator::Or) && !compares(&binary.op),
        _ => false,
    };
    expr.exists(|node| Ok(fails(node))).unwrap_or(true)
}

fn compares(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}
