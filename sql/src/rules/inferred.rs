//! Conditions moved to where they spare the most, but for those that nobody asked.
//!
//! From `l.k = r.k AND 6 / r.k < 3` DataFusion's rule also concludes `6 / l.k < 3`, for what it keeps from the join. On rows
//! of `l` that find no partner that may fail, and the query with it: such a condition is left out again.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
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
        let asked = asked_of_join(&plan);
        let mut pushed = self.0.rewrite(plan, config)?;
        if let Some(asked) = asked {
            pushed.data = without_inferred(pushed.data, &asked)?;
        }
        Ok(pushed)
    }
}

/// The conditions of a join, those above it and those right below it; `None` if the plan is no join.
fn asked_of_join(plan: &LogicalPlan) -> Option<HashSet<Expr>> {
    let mut asked = Vec::new();
    let join = match plan {
        LogicalPlan::Filter(above) => {
            asked.extend(split_conjunction(&above.predicate));
            above.input.as_ref()
        }
        plan => plan,
    };
    let LogicalPlan::Join(join) = join else { return None };
    asked.extend(join.filter.iter().flat_map(split_conjunction));
    for side in [&join.left, &join.right] {
        if let LogicalPlan::Filter(below) = side.as_ref() {
            asked.extend(split_conjunction(&below.predicate));
        }
    }
    Some(asked.into_iter().cloned().collect())
}

/// The plan of a join whose sides are only asked what was asked before, or what cannot fail.
fn without_inferred(plan: LogicalPlan, asked: &HashSet<Expr>) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Filter(mut above) => {
            above.input = Arc::new(without_inferred(Arc::unwrap_or_clone(above.input), asked)?);
            Ok(LogicalPlan::Filter(above))
        }
        LogicalPlan::Join(mut join) => {
            for side in [&mut join.left, &mut join.right] {
                if let LogicalPlan::Filter(below) = side.as_ref() {
                    let parts = split_conjunction_owned(below.predicate.clone()).into_iter();
                    let kept = parts.filter(|part| asked.contains(part) || !may_fail(part));
                    let input = below.input.clone();
                    *side = match conjunction(kept) {
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
