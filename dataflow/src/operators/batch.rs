//! What flows on timely's channels.

use timely::Accountable;
use timely::container::NoopBuilder;
use timely::dataflow::operators::CapabilityTrait;
use timely::dataflow::operators::generic::OutputBuilderSession;

use crate::changes::Changes;
use crate::limits::CHANGES_ROWS_MAX;

/// The engine's own time: one tick per epoch or chunk of a fill.
pub(crate) type Tick = u64;

/// A piece of one tick's changes.
#[derive(Clone, Debug, Default)]
pub(crate) enum Batch {
    /// Nothing; timely leaves it behind where it has taken a batch.
    #[default]
    Taken,
    /// The view is filled for the first time: what does not depend on any row appears now.
    Start,
    /// The time may have gone on: comes once in every tick.
    Clock,
    /// Rows with their differences.
    Rows(Changes),
}

impl Accountable for Batch {
    fn record_count(&self) -> i64 {
        match self {
            Batch::Taken => 0,
            Batch::Start | Batch::Clock => 1,
            Batch::Rows(changes) => changes.len() as i64,
        }
    }
}

/// The builder of ready-made batches.
pub(crate) type Ready = NoopBuilder<Batch>;

/// Sends changes in batches of at most [`CHANGES_ROWS_MAX`] rows.
pub(crate) fn send<C: CapabilityTrait<Tick>>(
    output: &mut OutputBuilderSession<'_, Tick, Ready>,
    capability: &C,
    changes: Changes,
) {
    let mut session = output.session_with_builder(capability);
    for piece in pieces(changes) {
        session.give_container(&mut Batch::Rows(piece));
    }
}

/// The same changes in pieces that keep the bound on a batch; none for no changes.
pub(crate) fn pieces(changes: Changes) -> Vec<Changes> {
    if changes.is_empty() {
        return Vec::new();
    }
    if changes.len() <= CHANGES_ROWS_MAX {
        return vec![changes];
    }
    let starts = (0..changes.len()).step_by(CHANGES_ROWS_MAX);
    starts
        .map(|start| {
            let len = CHANGES_ROWS_MAX.min(changes.len() - start);
            Changes::new(changes.rows.slice(start, len), changes.diffs[start..start + len].to_vec())
        })
        .collect()
}
