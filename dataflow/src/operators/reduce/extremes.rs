//! The least or greatest value of each group.
//!
//! The extreme is in the group's state. An insertion that beats it needs no look, nor does its retraction when the same epoch
//! inserts a further or equal value. Only where just the extreme goes is the next one looked for.

use super::accumulators::{Accumulator, Accumulators, Slot, Slots, Source};
use super::deltas::{Delta, Deltas, Wanted};
use super::index::Index;
use super::rescan::Rescanner;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::operators::groups::Groups;
use crate::operators::small::Row;
use crate::plan::Extremes;

/// A min or max over a column.
pub(super) struct ExtremeSlot {
    /// The position of the column among the used ones.
    pub(super) place: usize,
    pub(super) max: bool,
    next: Next,
}

/// Where the next extreme comes from.
enum Next {
    Rescan(Box<Rescanner>),
    Index(Index),
}

impl ExtremeSlot {
    pub(super) fn new(place: usize, max: bool, extremes: &Extremes, column: usize, source: &Source) -> ExtremeSlot {
        let next = match extremes {
            Extremes::Rescan(rescan) => Next::Rescan(Box::new(Rescanner::new(rescan, column, source))),
            Extremes::Index(relation) => Next::Index(Index { relation: *relation }),
        };
        ExtremeSlot { place, max, next }
    }

    /// Whether `value` is further out than `extreme`, or the first at all.
    pub(super) fn beats(&self, value: &[u8], extreme: &[u8]) -> bool {
        extreme.is_empty() || if self.max { value > extreme } else { value < extreme }
    }

    /// The furthest value for which `alive` is true, from deltas of one group.
    fn furthest<'a>(&self, deltas: &'a [Delta], alive: impl Fn(&Delta) -> bool) -> Option<&'a Delta> {
        if self.max { deltas.iter().rev().find(|delta| alive(delta)) } else { deltas.iter().find(|delta| alive(delta)) }
    }

    /// Settles a slot by scanning groups again whose extreme went.
    fn settle_by_rescan(
        &self,
        rescanner: &Rescanner,
        shared: &Shared,
        (input, groups): (&Changes, &Groups),
        deltas: &Deltas,
        extremes: &mut [Row],
    ) -> Result<(), EngineError> {
        let mut gone: Vec<&[Delta]> = Vec::new();
        for of_group in deltas.by_group() {
            let extreme = &mut extremes[of_group[0].group as usize];
            let old = extreme.bytes();
            for delta in of_group.iter().filter(|delta| delta.net < 0) {
                let beaten = self.beats(deltas.bytes(delta), old);
                assert!(!beaten, "a value beyond the extreme of its group is retracted");
            }
            let inserted = self.furthest(of_group, |delta| delta.net > 0).map(|delta| deltas.bytes(delta));
            let retracted = of_group.iter().any(|delta| delta.net < 0 && deltas.bytes(delta) == old);
            match inserted {
                Some(value) if self.beats(value, old) => *extreme = Row::new(value),
                _ if retracted => gone.push(of_group),
                _ => (),
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        assert!(!shared.filling.get(), "rows are only inserted while a view is filled from a stored relation");
        let wanted: Vec<u32> = gone.iter().map(|of_group| of_group[0].group).collect();
        let stored = rescanner.values(&*shared.state, input, groups, &wanted)?;
        for (of_group, mut values) in gone.into_iter().zip(stored) {
            values.extend(of_group.iter().map(|delta| (Row::new(deltas.bytes(delta)), delta.net)));
            values.sort_unstable_by(|left, right| left.0.cmp(&right.0));
            let nets = values.chunk_by(|left, right| left.0 == right.0);
            let mut nets =
                nets.map(|run| (&run[0].0, run.iter().map(|(_, net)| net).sum::<i64>())).filter(|run| run.1 != 0);
            let found = if self.max { nets.next_back() } else { nets.next() };
            let value = found.map_or(Row::new(&[]), |(value, net)| {
                assert!(net > 0, "a group would have a value {net} times");
                value.clone()
            });
            extremes[of_group[0].group as usize] = value;
        }
        Ok(())
    }

    /// Settles a slot from an index that has counted the epoch's changes: `counts` has each delta's value's new count.
    fn settle_by_index(
        &self,
        index: &Index,
        shared: &Shared,
        groups: &Groups,
        (deltas, counts): (&Deltas, &[i64]),
        extremes: &mut [Row],
    ) -> Result<(), EngineError> {
        let mut from = 0;
        for of_group in deltas.by_group() {
            let counts = &counts[from..from + of_group.len()];
            from += of_group.len();
            let count_of = |value: &[u8]| {
                let found = of_group.binary_search_by(|delta| deltas.bytes(delta).cmp(value));
                found.ok().map(|position| counts[position])
            };
            let group = of_group[0].group as usize;
            let old = extremes[group].clone();
            let changed = self.furthest(of_group, |delta| count_of(deltas.bytes(delta)) > Some(0));
            let changed = changed.map_or(&[][..], |delta| deltas.bytes(delta));
            let gone = !old.bytes().is_empty() && count_of(old.bytes()) == Some(0);
            if !changed.is_empty() && self.beats(changed, old.bytes()) {
                extremes[group] = Row::new(changed);
            } else if gone {
                let next = index.next(&*shared.state, groups.keys.get(group), old.bytes(), self.max, &count_of)?;
                let kept = next.filter(|next| changed.is_empty() || self.beats(next.bytes(), changed));
                extremes[group] = kept.unwrap_or(Row::new(changed));
            }
        }
        Ok(())
    }
}

impl Slots {
    /// Brings every extreme up to date with an epoch's changes.
    pub(super) fn settle_extremes(
        &self,
        shared: &Shared,
        input: &Changes,
        groups: &Groups,
        kept: &mut Accumulators,
    ) -> Result<(), EngineError> {
        let slots = || {
            self.slots.iter().zip(0..).filter_map(|(slot, position)| match slot {
                Slot::Extreme(slot) => Some((slot, position)),
                _ => None,
            })
        };
        let mut places: Vec<usize> = slots().map(|(slot, _)| slot.place).collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            let of_place = || slots().filter(|(slot, _)| slot.place == place);
            let wanted = Wanted {
                least: of_place().any(|(slot, _)| !slot.max),
                greatest: of_place().any(|(slot, _)| slot.max),
                all: of_place().any(|(slot, _)| matches!(slot.next, Next::Index(_))),
            };
            let deltas = Deltas::of(input, place, groups, wanted);
            let mut counted: Vec<(&Index, Vec<i64>)> = Vec::new();
            for (slot, position) in of_place() {
                let position: usize = position;
                let Accumulator::Extreme(extremes) = &mut kept.slots[position] else {
                    unreachable!("accumulators are made from their slots");
                };
                match &slot.next {
                    Next::Rescan(rescanner) => {
                        slot.settle_by_rescan(rescanner, shared, (input, groups), &deltas, extremes)?;
                    }
                    Next::Index(index) => {
                        // A min and a max of one column may share an index, which counts each change once.
                        if !counted.iter().any(|(known, _)| known.relation == index.relation) {
                            counted.push((index, index.count(shared, groups, &deltas)?));
                        }
                        let counts = counted.iter().find(|(known, _)| known.relation == index.relation);
                        let counts = &counts.expect("it was counted above").1;
                        slot.settle_by_index(index, shared, groups, (&deltas, counts), extremes)?;
                    }
                }
            }
        }
        Ok(())
    }
}
