//! Projections moved to where they spare the most.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::remove_unnecessary_projections;

/// DataFusion's rule of the name but for one half of it, which computes parts of a join's condition below the join: there
/// the other parts do not keep rows from them that they fail on.
#[derive(Debug)]
pub struct ProjectionPushdown;

impl PhysicalOptimizerRule for ProjectionPushdown {
    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(remove_unnecessary_projections).map(|moved| moved.data)
    }
}

/// What DataFusion calls its own.
pub const NAME: &str = "ProjectionPushdown";
