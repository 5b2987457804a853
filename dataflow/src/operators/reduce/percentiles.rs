//! The values at a percentile of each group, exact.
//!
//! State: in the group's row the value at the percentile's position, how many are less, and the next one; and (group, value) ->
//! how often in an [`index`](crate::operators::index). A change moves the position by at most one, so an epoch walks the index
//! from the old value past as many different values as there are changes, however large the group is.

use std::ops::ControlFlow;

use super::accumulators::{Accumulator, Accumulators, Slot};
use crate::engine::EngineError;
use crate::exact::Percentile;
use crate::operators::groups::Groups;
use crate::operators::index::deltas::Deltas;
use crate::operators::index::{Index, Pending};
use crate::operators::small::Row;
use crate::state::{Direction, State};

/// A percentile of a column.
pub(super) struct PercentileSlot {
    /// The position of the column among the used ones.
    pub(super) place: usize,
    pub(super) percentile: Percentile,
    /// The position of the slot that counts the column's values.
    pub(super) count: usize,
    pub(super) index: Index,
}

/// Where a percentile is in its group. Values are encoded; empty ones stand for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The value at the percentile's position.
    pub(super) low: Row,
    /// How many values are less than it.
    pub(super) below: i64,
    /// The value at the next position: the same one where that is the last.
    pub(super) high: Row,
}

impl Cursor {
    pub(super) fn none() -> Cursor {
        Cursor { low: Row::new(&[]), below: 0, high: Row::new(&[]) }
    }
}

impl PercentileSlot {
    pub(super) fn settle(
        &self,
        state: &dyn State,
        groups: &Groups,
        (deltas, counts): (&Deltas, &[i64]),
        position: usize,
        kept: &mut Accumulators,
    ) -> Result<(), EngineError> {
        for pending in Pending::by_group(deltas, counts) {
            let group = pending.group();
            let count = kept.counts(self.count)[group];
            let Accumulator::Percentile(cursors) = &mut kept.slots[position] else {
                unreachable!("accumulators are made from their slots");
            };
            let cursor = &mut cursors[group];
            *cursor = match count {
                0 => Cursor::none(),
                _ => self.moved(state, groups.keys.get(group), cursor, count, &pending)?,
            };
        }
        Ok(())
    }

    /// The cursor after the epoch, in a group that then has `count` values.
    fn moved(
        &self,
        state: &dyn State,
        group: &[u8],
        old: &Cursor,
        count: i64,
        pending: &Pending,
    ) -> Result<Cursor, EngineError> {
        let wanted = self.percentile.position(count as u64) as i64;
        let walk = |from: &[u8], direction, each: &mut dyn FnMut(&[u8], i64) -> ControlFlow<()>| {
            let from = (!from.is_empty()).then_some(from);
            self.index.walk(state, group, from, direction, Some(pending), each)
        };
        let came = pending.iter().take_while(|(value, ..)| *value < old.low.bytes()).map(|(_, net, _)| net);
        let mut low = old.low.clone();
        let mut below = old.below + came.sum::<i64>();
        if wanted < below {
            walk(old.low.bytes(), Direction::Descending, &mut |value, times| {
                below -= times;
                low = Row::new(value);
                if wanted < below { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        // From the value that the cursor is on, how often it occurs included, to the one after the percentile's.
        let mut at = Cursor { low: Row::new(&[]), below, high: Row::new(&[]) };
        let mut passed = below;
        let mut meet = |value: &[u8], times: i64| {
            if at.low.is_empty() && wanted < passed + times {
                (at.low, at.below) = (Row::new(value), passed);
            }
            passed += times;
            let next = (wanted + 1).min(count - 1);
            if next < passed {
                at.high = Row::new(value);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let here = if low.is_empty() { 0 } else { self.index.get(state, group, low.bytes(), Some(pending))? };
        let mut found = ControlFlow::Continue(());
        if here > 0 {
            found = meet(low.bytes(), here);
        }
        if found.is_continue() {
            walk(low.bytes(), Direction::Ascending, &mut meet)?;
        }
        assert!(!at.low.is_empty() && !at.high.is_empty(), "a group of {count} values has fewer in its index");
        Ok(at)
    }
}

/// The number of the slot that counts the values of the column at `place`.
pub(super) fn count_slot(slots: &[Slot], place: usize) -> usize {
    let counts = |slot: &Slot| matches!(slot, Slot::Count(counted) if *counted == place);
    slots.iter().position(counts).expect("a percentile comes with a count")
}
