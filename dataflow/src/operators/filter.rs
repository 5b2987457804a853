//! Filter: the rows for which a predicate is true. No state; a change costs its predicate.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::prep_null_mask_filter;

use super::rows::retain;
use crate::changes::Changes;
use crate::engine::report::Reporter;
use crate::scalar::Scalar;

/// The predicate of a Filter.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) operator: u32,
    pub(crate) predicate: Arc<dyn Scalar>,
}

impl Filter {
    /// Keeps the changes whose rows pass. A row that fails is NULL there, so it is left out too, and reported.
    pub(crate) fn apply(&self, changes: Changes, report: Option<&Reporter>) -> Changes {
        let (passes, failures) = self.predicate.eval(&changes.rows);
        if let Some(report) = report {
            report.rows(self.operator, &changes, &failures);
        }
        let passes = passes.as_boolean();
        if passes.null_count() == 0 {
            if passes.true_count() == changes.len() {
                return changes;
            }
            return retain(&changes, passes);
        }
        retain(&changes, &prep_null_mask_filter(passes))
    }
}
