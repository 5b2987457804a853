//! The least or greatest value of each group.
//!
//! The extreme is in the group's state. An insertion that beats it needs no look, nor does its retraction when the same epoch
//! inserts a further or equal value. Only where just the extreme goes is the next one looked for; where no row ever goes,
//! never.

use std::ops::ControlFlow;

use super::accumulators::Source;
use super::rescan::Rescanner;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::operators::groups::Groups;
use crate::operators::index::deltas::{Delta, Deltas};
use crate::operators::index::{Index, Pending};
use crate::operators::small::Row;
use crate::plan::Extremes;
use crate::state::{Direction, State};

/// A min or max over a column.
pub(super) struct ExtremeSlot {
    /// The position of the column among the used ones.
    pub(super) place: usize,
    pub(super) max: bool,
    pub(super) next: Next,
}

/// Where the next extreme comes from.
pub(super) enum Next {
    Rescan(Box<Rescanner>),
    Index(Index),
    Nowhere,
}

impl ExtremeSlot {
    pub(super) fn new(place: usize, max: bool, extremes: &Extremes, column: usize, source: &Source) -> ExtremeSlot {
        let next = match extremes {
            Extremes::Rescan(rescan) => Next::Rescan(Box::new(Rescanner::new(rescan, column, source))),
            Extremes::Index(relation) => Next::Index(Index { relation: *relation }),
            Extremes::Monotonic => Next::Nowhere,
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

    /// Settles a slot of groups that only gain rows.
    pub(super) fn settle_monotonic(&self, deltas: &Deltas, extremes: &mut [Row]) {
        for of_group in deltas.by_group() {
            assert!(of_group.iter().all(|delta| delta.net > 0), "a row is retracted of what only gains rows");
            let value = self.furthest(of_group, |_| true).map(|delta| deltas.bytes(delta)).expect("a group has deltas");
            let extreme = &mut extremes[of_group[0].group as usize];
            if self.beats(value, extreme.bytes()) {
                *extreme = Row::new(value);
            }
        }
    }

    /// Settles a slot by scanning groups again whose extreme went.
    pub(super) fn settle_by_rescan(
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
    pub(super) fn settle_by_index(
        &self,
        index: &Index,
        state: &dyn State,
        groups: &Groups,
        (deltas, counts): (&Deltas, &[i64]),
        extremes: &mut [Row],
    ) -> Result<(), EngineError> {
        let inward = if self.max { Direction::Descending } else { Direction::Ascending };
        for pending in Pending::by_group(deltas, counts) {
            let extreme = &mut extremes[pending.group()];
            let old = extreme.bytes();
            let mut there = pending.iter().filter(|(_, _, count)| *count > 0).map(|(value, ..)| value);
            let changed = if self.max { there.next_back() } else { there.next() };
            if let Some(changed) = changed.filter(|changed| self.beats(changed, old)) {
                *extreme = Row::new(changed);
            } else if !old.is_empty() && pending.count_of(old) == Some(0) {
                let mut next = Row::new(&[]);
                let group = groups.keys.get(pending.group());
                index.walk(state, group, Some(old), inward, Some(&pending), &mut |value, _| {
                    next = Row::new(value);
                    ControlFlow::Break(())
                })?;
                *extreme = next;
            }
        }
        Ok(())
    }
}
