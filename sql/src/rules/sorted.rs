//! Joins of sorted inputs in place of hashed ones, which must have one side in memory.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};

/// Acts where `prefer_hash_join` is off. DataFusion asks that option only where it has several partitions. NOT IN stays
/// hashed: a join of sorted inputs does not know its NULLs.
#[derive(Debug)]
pub struct SortedJoins;

impl PhysicalOptimizerRule for SortedJoins {
    fn name(&self) -> &str {
        "sorted_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if config.optimizer.prefer_hash_join {
            return Ok(plan);
        }
        let sorted = plan.transform_up(|plan| match plan.downcast_ref::<HashJoinExec>() {
            Some(join) if can_be_sorted(join) => Ok(Transformed::yes(Arc::new(SortMergeJoinExec::try_new(
                join.left.clone(),
                join.right.clone(),
                join.on.clone(),
                join.filter.clone(),
                join.join_type,
                vec![SortOptions::default(); join.on.len()],
                join.null_equality,
            )?))),
            _ => Ok(Transformed::no(plan)),
        })?;
        Ok(sorted.data)
    }
}

/// Whether a join of sorted inputs gives the same rows.
fn can_be_sorted(join: &HashJoinExec) -> bool {
    !join.null_aware && join.projection.is_none()
}
