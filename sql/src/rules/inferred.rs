//! Conditions moved to where they spare the most, but for those that nobody asked.
//!
//! From `l.k = r.k AND 6 / r.k < 3` DataFusion's rule also concludes `6 / l.k < 3`, for what it keeps from the join. On rows
//! of `l` that find no partner that may fail, and the query with it: such a condition is left out again.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr_rewriter::replace_col;
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::steady::may_fail;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct AskedFilters(PushDownFilter);

impl OptimizerRule for AskedFilters {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let unasked = unasked(&plan)?;
        let mut pushed = self.0.rewrite(plan, config)?;
        if !unasked.is_empty() {
            pushed.data = without(pushed.data, &unasked)?;
        }
        Ok(pushed)
    }
}

/// What may be concluded of the conditions of a join and those right above it, may fail, and was not asked itself.
fn unasked(plan: &LogicalPlan) -> Result<HashSet<Expr>> {
    let (above, join) = match plan {
        LogicalPlan::Filter(above) => (Some(&above.predicate), above.input.as_ref()),
        plan => (None, plan),
    };
    let LogicalPlan::Join(join) = join else { return Ok(HashSet::new()) };
    let below = [&join.left, &join.right].into_iter().filter_map(|side| match side.as_ref() {
        LogicalPlan::Filter(below) => Some(&below.predicate),
        _ => None,
    });
    let failing: Vec<&Expr> =
        above.into_iter().chain(&join.filter).flat_map(split_conjunction).filter(|asked| may_fail(asked)).collect();
    let keys: Vec<(&Column, &Column)> =
        join.on.iter().filter_map(|(left, right)| Some((left.try_as_col()?, right.try_as_col()?))).collect();
    let mut unasked = HashSet::new();
    for (from_left, from_right) in [(true, true), (true, false), (false, true)] {
        for asked in &failing {
            let other = |column: &Column| {
                keys.iter().find_map(|&(left, right)| match column {
                    column if from_left && column == left => Some(right),
                    column if from_right && column == right => Some(left),
                    _ => None,
                })
            };
            let columns = asked.column_refs();
            let others = columns.into_iter().filter_map(|column| Some((column, other(column)?))).collect();
            unasked.insert(replace_col((*asked).clone(), &others)?);
        }
    }
    for asked in failing.into_iter().chain(below.flat_map(split_conjunction)) {
        unasked.remove(asked);
    }
    Ok(unasked)
}

/// The plan of a join without these conditions on its sides.
fn without(plan: LogicalPlan, unasked: &HashSet<Expr>) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Filter(mut above) => {
            above.input = Arc::new(without(Arc::unwrap_or_clone(above.input), unasked)?);
            Ok(LogicalPlan::Filter(above))
        }
        LogicalPlan::Join(mut join) => {
            for side in [&mut join.left, &mut join.right] {
                if let LogicalPlan::Filter(below) = side.as_ref() {
                    let parts = split_conjunction_owned(below.predicate.clone()).into_iter();
                    let asked = parts.filter(|part| !unasked.contains(part));
                    let input = below.input.clone();
                    *side = match conjunction(asked) {
                        Some(predicate) => Arc::new(LogicalPlan::Filter(Filter::try_new(predicate, input)?)),
                        None => input,
                    };
                }
            }
            Ok(LogicalPlan::Join(join))
        }
        other => Ok(other),
    }
}
