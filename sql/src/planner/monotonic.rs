//! Plans that only gain rows, of which less has to be kept.

use dataflow::{JoinKind, Plan};

use super::lower::Lowering;

impl Lowering<'_> {
    /// Whether no row of what a plan gives is ever retracted: all of them come from streams, through operators that take
    /// nothing back.
    pub(super) fn is_monotonic(&self, plan: &Plan) -> bool {
        let passes = match plan {
            Plan::Get { relation, .. } => self.streams.contains(relation),
            Plan::Constant { .. }
            | Plan::Map { .. }
            | Plan::Filter { .. }
            | Plan::Unnest { .. }
            | Plan::Union { .. } => true,
            Plan::Join { kind, .. } => matches!(kind, JoinKind::Inner | JoinKind::Semi { .. }),
            Plan::Temporal { .. } | Plan::Reduce { .. } | Plan::Top { .. } | Plan::Neighbours { .. } => false,
            Plan::Combine { .. } => false,
        };
        passes && plan.inputs().into_iter().all(|input| self.is_monotonic(input))
    }
}
