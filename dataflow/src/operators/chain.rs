//! Maps and filters one after another, applied as one operator. No state.
//!
//! The same chain is applied again to rows read back from a store: by a join to the rows of a side, by a Reduce to the rows
//! of a group whose extreme went. Their errors are known already then and are not reported a second time.

use std::hash::Hasher;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::filter::Filter;
use super::map::Map;
use crate::changes::Changes;
use crate::engine::report::Reporter;
use crate::plan::Plan;
use crate::relation::RelationId;

/// Maps and filters in the order in which rows pass them.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    links: Vec<Link>,
    /// The columns of what comes out.
    schema: SchemaRef,
}

#[derive(Clone, Debug)]
enum Link {
    Map(Map),
    Filter(Filter),
}

impl Chain {
    /// The maps and filters on top of a plan whose first operator has this number; what is below them, and its number.
    pub(crate) fn peel(plan: &Plan, operator: u32) -> (Chain, &Plan, u32) {
        let (mut below, mut operator, mut links) = (plan, operator, Vec::new());
        loop {
            match below {
                Plan::Map { input, columns, schema } => {
                    links.push(Link::Map(Map { operator, columns: columns.clone(), schema: schema.clone() }));
                    below = input;
                }
                Plan::Filter { input, predicate } => {
                    links.push(Link::Filter(Filter { operator, predicate: predicate.clone() }));
                    below = input;
                }
                _ => break,
            }
            operator += 1;
        }
        links.reverse();
        (Chain { links, schema: plan.schema() }, below, operator)
    }

    /// The chain over the one Get that a re-read plan must be; panics on any other plan.
    pub(crate) fn over_get(plan: &Plan, operator: u32, relation: RelationId) -> Chain {
        let (chain, source) = Chain::over_stored(plan, operator);
        assert_eq!(source, relation, "what is read again is what the plan gets");
        chain
    }

    /// The same, and what the Get is of: a side may be read from an index on that.
    pub(crate) fn over_stored(plan: &Plan, operator: u32) -> (Chain, RelationId) {
        let (chain, below, _) = Chain::peel(plan, operator);
        match below {
            Plan::Get { relation, .. } => (chain, *relation),
            other => panic!("what is read from the store is Maps and Filters over a Get, not {other:?}"),
        }
    }

    /// Whether nothing in it is evaluated, so that no row can fail.
    pub(crate) fn only_passes_on(&self) -> bool {
        self.links.iter().all(|link| match link {
            Link::Map(map) => map.columns.iter().all(|scalar| scalar.column().is_some()),
            Link::Filter(_) => false,
        })
    }

    /// What comes out for these changes. Once no row is left nothing more is evaluated.
    pub(crate) fn apply(&self, mut changes: Changes, report: Option<&Reporter>) -> Changes {
        for link in &self.links {
            if changes.is_empty() {
                return Changes::inserts(RecordBatch::new_empty(self.schema.clone()));
            }
            changes = match link {
                Link::Map(map) => map.apply(changes, report),
                Link::Filter(filter) => filter.apply(changes, report),
            };
        }
        changes
    }

    /// The same for the same chain over the same relation.
    pub(crate) fn fingerprint(&self, relation: RelationId) -> u128 {
        let mut hasher = SipHasher13::new();
        hasher.write_u32(relation.0);
        for link in &self.links {
            let (kind, scalars) = match link {
                Link::Map(map) => (0, &map.columns[..]),
                Link::Filter(filter) => (1, std::slice::from_ref(&filter.predicate)),
            };
            hasher.write_u32(kind);
            hasher.write_usize(scalars.len());
            for scalar in scalars {
                hasher.write_u128(scalar.fingerprint());
            }
        }
        hasher.finish128().as_u128()
    }
}
