//! What a Reduce keeps of single values, brought up to date with an epoch: extremes, different values, percentiles.
//!
//! The changes of a column are gathered once, however many aggregates read it, and counted once in each index.

use super::accumulators::{Accumulator, Accumulators, Slot, Slots};
use super::different;
use super::extremes::Next;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::operators::groups::Groups;
use crate::operators::index::Index;
use crate::operators::index::deltas::{Deltas, Wanted};

impl Slot {
    /// The column whose values it looks at one by one.
    fn value_place(&self) -> Option<usize> {
        match self {
            Slot::Count(_) | Slot::Sum(_) | Slot::Trues(_) | Slot::Squares(_) | Slot::Sequence(_) => None,
            Slot::Extreme(slot) => Some(slot.place),
            Slot::Different(place, _) | Slot::DifferentSum(place, _) => Some(*place),
            Slot::Percentile(slot) => Some(slot.place),
        }
    }

    fn index(&self) -> Option<Index> {
        match self {
            Slot::Count(_) | Slot::Sum(_) | Slot::Trues(_) | Slot::Squares(_) | Slot::Sequence(_) => None,
            Slot::Extreme(slot) => match &slot.next {
                Next::Index(index) => Some(*index),
                Next::Rescan(_) | Next::Nowhere => None,
            },
            Slot::Different(_, index) | Slot::DifferentSum(_, index) => Some(*index),
            Slot::Percentile(slot) => Some(slot.index),
        }
    }

    fn is_extreme(&self, max: bool) -> bool {
        matches!(self, Slot::Extreme(slot) if slot.max == max)
    }
}

impl Slots {
    /// Brings everything that is kept of single values up to date. Counts and sums are so already.
    pub(super) fn settle_values(
        &self,
        shared: &Shared,
        input: &Changes,
        groups: &Groups,
        kept: &mut Accumulators,
    ) -> Result<(), EngineError> {
        let mut places: Vec<usize> = self.slots.iter().filter_map(Slot::value_place).collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            let of_place = || self.slots.iter().enumerate().filter(|(_, slot)| slot.value_place() == Some(place));
            let wanted = Wanted {
                least: of_place().any(|(_, slot)| slot.is_extreme(false)),
                greatest: of_place().any(|(_, slot)| slot.is_extreme(true)),
                all: of_place().any(|(_, slot)| slot.index().is_some()),
            };
            let deltas = Deltas::of(input, place, groups, wanted);
            let mut counted: Vec<(Index, Vec<i64>)> = Vec::new();
            for (position, slot) in of_place() {
                if let Some(index) = slot.index()
                    && !counted.iter().any(|(known, _)| known.relation == index.relation)
                {
                    counted.push((index, index.count(shared, groups, &deltas)?));
                }
                let counts = slot.index().map(|index| {
                    let known = counted.iter().find(|(known, _)| known.relation == index.relation);
                    known.expect("it was counted above").1.as_slice()
                });
                self.settle(shared, input, groups, (&deltas, counts.unwrap_or_default()), position, kept)?;
            }
        }
        Ok(())
    }

    /// Settles one slot. `counts`: the new count of each delta's value in the slot's index.
    fn settle(
        &self,
        shared: &Shared,
        input: &Changes,
        groups: &Groups,
        (deltas, counts): (&Deltas, &[i64]),
        position: usize,
        kept: &mut Accumulators,
    ) -> Result<(), EngineError> {
        let state = &*shared.state;
        match (&self.slots[position], &mut kept.slots[position]) {
            (Slot::Extreme(slot), Accumulator::Extreme(extremes)) => match &slot.next {
                Next::Rescan(rescanner) => slot.settle_by_rescan(rescanner, shared, (input, groups), deltas, extremes),
                Next::Index(index) => slot.settle_by_index(index, state, groups, (deltas, counts), extremes),
                Next::Nowhere => {
                    slot.settle_monotonic(deltas, extremes);
                    Ok(())
                }
            },
            (Slot::Different(..), Accumulator::Count(number)) => {
                different::count(deltas, counts, number);
                Ok(())
            }
            (Slot::DifferentSum(place, _), sums) => {
                different::sum(deltas, counts, self.schema.field(*place).data_type(), sums);
                Ok(())
            }
            (Slot::Percentile(slot), Accumulator::Percentile(_)) => {
                slot.settle(state, groups, (deltas, counts), position, kept)
            }
            _ => unreachable!("accumulators are made from their slots"),
        }
    }
}
