//! Rows that a scan can read in the order wanted are not sorted.
//!
//! The key's order, or its reverse, is that of ORDER BY where the columns before are constant: `WHERE circuit = 'x' ORDER BY
//! at DESC LIMIT 10` reads ten rows backwards. What the order says behind the key's last column decides nothing.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use crate::scan::KeyScanExec;

/// What DataFusion's rule is called whose place this one takes: no source but ours orders anything.
pub const REPLACED: &str = "PushdownSort";

/// See the [module](self).
#[derive(Debug)]
pub struct AlongKey;

impl PhysicalOptimizerRule for AlongKey {
    fn name(&self) -> &str {
        "along_key"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        unsorted(plan, false)
    }
}

/// The plan without the sorts that it can do without. `relied_on`: an operator above counts on the order, and knows it only
/// as far as it is declared.
fn unsorted(plan: Arc<dyn ExecutionPlan>, relied_on: bool) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(sort) = plan.downcast_ref::<SortExec>()
        && let Some(ordered) = ordered(sort.input(), sort.expr(), relied_on)?
    {
        let limited = |limit| {
            let within = ordered.with_fetch(Some(limit));
            within.unwrap_or_else(|| Arc::new(GlobalLimitExec::new(ordered.clone(), 0, Some(limit))))
        };
        let read = sort.fetch().map(limited);
        return Ok(read.unwrap_or(ordered));
    }
    let inputs: Vec<Arc<dyn ExecutionPlan>> = plan.children().into_iter().cloned().collect();
    if inputs.is_empty() {
        return Ok(plan);
    }
    let orders = plan.required_input_ordering();
    let input =
        |(input, order): (&Arc<dyn ExecutionPlan>, &Option<_>)| unsorted(input.clone(), relied_on || order.is_some());
    let changed = inputs.iter().zip(&orders).map(input).collect::<Result<Vec<_>>>()?;
    match inputs.iter().zip(&changed).all(|(before, after)| Arc::ptr_eq(before, after)) {
        true => Ok(plan),
        false => plan.replace_children(changed, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)),
    }
}

/// The input with its rows in an order, where a scan below has it.
fn ordered(
    input: &Arc<dyn ExecutionPlan>,
    order: &[PhysicalSortExpr],
    relied_on: bool,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = input.downcast_ref::<KeyScanExec>() {
        return Ok(scan.ordered(order).map(|scan| Arc::new(scan) as _));
    }
    let below = |by: &PhysicalSortExpr| {
        let at = by.expr.downcast_ref::<Column>()?.index();
        let expr: Arc<dyn PhysicalExpr> = if let Some(projection) = input.downcast_ref::<ProjectionExec>() {
            projection.expr()[at].expr.clone()
        } else {
            let filter = input.downcast_ref::<FilterExec>()?;
            let at = filter.projection().as_ref().map_or(at, |kept| kept[at]);
            Arc::new(Column::new(filter.input().schema().field(at).name(), at))
        };
        // What is computed may still come behind the key's last column.
        (!relied_on || expr.is::<Column>()).then_some(PhysicalSortExpr { expr, options: by.options })
    };
    let Some(below) = order.iter().map(below).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let child = ordered(input.children()[0], &below, relied_on)?;
    let over = |child| {
        input.clone().replace_children(vec![child], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    };
    child.map(over).transpose()
}
