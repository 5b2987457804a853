//! Joins give way: a statement that is cancelled, or whose time is up, ends within batches and not within rows.
//!
//! DataFusion's sources give way to others after some batches. A join may make any number of batches from one of its
//! source's, and what is above it takes them all at once: without a rest of its own nothing else would get its turn.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// See the [module](self).
#[derive(Debug)]
pub struct Cooperative;

impl PhysicalOptimizerRule for Cooperative {
    fn name(&self) -> &str {
        "cooperative"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let multiplies = |plan: &Arc<dyn ExecutionPlan>| plan.name().contains("Join") || plan.name() == "UnnestExec";
        plan.transform_up(|plan| match multiplies(&plan) {
            true => Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>)),
            false => Ok(Transformed::no(plan)),
        })
        .map(|rewritten| rewritten.data)
    }
}
