//! Joins give way now and then, so that what runs over them can be cancelled.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::unnest::UnnestExec;

/// DataFusion lets the ends of a plan give way, where rows come from. An operator that makes thousands of batches out of one
/// would not get there for minutes: it gives way itself.
#[derive(Debug)]
pub struct Yielding;

impl PhysicalOptimizerRule for Yielding {
    fn name(&self) -> &str {
        "yielding"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let yielding = plan.transform_up(|plan| {
            let multiplies = plan.children().len() > 1 || plan.downcast_ref::<UnnestExec>().is_some();
            Ok(match multiplies {
                true => Transformed::yes(Arc::new(CooperativeExec::new(plan))),
                false => Transformed::no(plan),
            })
        })?;
        Ok(yielding.data)
    }
}
