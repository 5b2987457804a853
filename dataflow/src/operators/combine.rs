//! INTERSECT and EXCEPT: the rows of two inputs compared as bags.
//!
//! State: row -> how often it occurs on each side ([`super::sided`]). A changed row costs one look-up and one put.

use arrow::datatypes::SchemaRef;

use super::rows::{concat, with_schema};
use super::sided::{Counts, Sided};
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::plan::SetOperation;
use crate::relation::RelationId;

/// A set operation and where its counts are.
pub(crate) struct Combine {
    counts: Sided,
    operation: SetOperation,
    schema: SchemaRef,
}

impl Combine {
    pub(crate) fn new(operation: SetOperation, state: RelationId, schema: SchemaRef) -> Combine {
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        Combine { counts: Sided::new(state, &schema, &all), operation, schema }
    }

    /// The changes for an epoch's changes of both inputs.
    pub(crate) fn run(
        &self,
        shared: &Shared,
        left: Vec<Changes>,
        right: Vec<Changes>,
    ) -> Result<Option<Changes>, EngineError> {
        let renamed = |changes: Changes| Changes::new(with_schema(&changes.rows, &self.schema), changes.diffs);
        let [left, right] = [left, right].map(|side| concat(side).map(renamed));
        let turned = self.counts.run(shared, left, right)?;
        Ok(turned.map(|turned| turned.changes(|counts| times(self.operation, counts))))
    }
}

fn times(operation: SetOperation, Counts { left, right }: Counts) -> i64 {
    match operation {
        SetOperation::Intersect => i64::from(left > 0 && right > 0),
        SetOperation::IntersectAll => left.min(right),
        SetOperation::Except => i64::from(left > 0 && right == 0),
        SetOperation::ExceptAll => (left - right).max(0),
    }
}
