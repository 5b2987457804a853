//! The values of each group in an order: the first, the last, or all of them put together.
//!
//! State: (group, order, value) -> how often, in an [`index`](crate::operators::index); nothing in the group's row. A changed value
//! costs one look-up and one put. Once an epoch the first or last values of each changed group are found by one short scan,
//! as they were and as they are; where all are put together the group is read, up to a limit beyond which its row is an error.

use std::ops::ControlFlow;

use arrow::array::{Array, AsArray, UInt32Array};
use arrow::datatypes::SchemaRef;

use super::accumulators::{Accumulator, Slot, Slots};
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::limits::{SEQUENCE_BYTES_MAX, SEQUENCE_VALUES_MAX};
use crate::operators::groups::Groups;
use crate::operators::index::deltas::Deltas;
use crate::operators::index::{Index, Pending};
use crate::operators::ordered::Ordered;
use crate::operators::rows::take_rows;
use crate::operators::small::Row;
use crate::plan::{Order, Sequence, Taken};
use crate::state::{Direction, State};

/// Which values of a sequence are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    First,
    Last,
    All { distinct: bool },
}

impl Wanted {
    pub(super) fn of(taken: &Taken) -> Wanted {
        match taken {
            Taken::First => Wanted::First,
            Taken::Last => Wanted::Last,
            Taken::Text { distinct, .. } | Taken::List { distinct } => Wanted::All { distinct: *distinct },
        }
    }

    fn direction(self) -> Direction {
        if self == Wanted::Last { Direction::Descending } else { Direction::Ascending }
    }

    /// How often a value that occurs so often is taken.
    fn times(self, count: i64) -> usize {
        match self {
            Wanted::All { distinct: false } => count as usize,
            _ => usize::from(count > 0),
        }
    }
}

/// The wanted values of a column in an order. Columns are positions among the used ones.
pub(super) struct SequenceSlot {
    pub(super) place: usize,
    pub(super) wanted: Wanted,
    order: Vec<Order>,
    nulls: bool,
    among: Option<usize>,
    index: Index,
    ordered: Ordered,
}

/// The wanted values of one group, encoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) values: Vec<Row>,
    bytes: usize,
    /// There are more than may be put together.
    pub(super) over: bool,
}

impl SequenceSlot {
    /// `schema`: of the used columns; `place_of` says where a column of the input is among them.
    pub(super) fn new(
        place: usize,
        sequence: &Sequence,
        schema: &SchemaRef,
        place_of: impl Fn(usize) -> usize,
    ) -> SequenceSlot {
        let order: Vec<Order> = sequence.order.iter().map(|by| Order { column: place_of(by.column), ..*by }).collect();
        SequenceSlot {
            place,
            wanted: Wanted::of(&sequence.taken),
            nulls: sequence.nulls,
            among: sequence.among.map(place_of),
            index: Index { relation: sequence.index },
            ordered: Ordered::of_column(schema, &order, place),
            order,
        }
    }

    /// Whether it is the same values.
    pub(super) fn same(&self, other: &SequenceSlot) -> bool {
        self.wanted == other.wanted && self.index.relation == other.index.relation
    }

    /// Whether this is what a function asks for of the column at `place`.
    pub(super) fn serves(&self, place: usize, sequence: &Sequence) -> bool {
        self.place == place && self.index.relation == sequence.index && self.wanted == Wanted::of(&sequence.taken)
    }

    fn deltas(&self, input: &Changes, groups: &Groups) -> Deltas {
        let column = input.rows.column(self.place);
        let among = self.among.map(|place| input.rows.column(place).as_boolean());
        let has_value = |&row: &u32| {
            let row = row as usize;
            (self.nulls || column.is_valid(row)) && among.is_none_or(|among| among.is_valid(row) && among.value(row))
        };
        let rows: Vec<u32> = (0..input.len() as u32).filter(has_value).collect();
        let items = self.ordered.items(&take_rows(&input.rows, &UInt32Array::from(rows.clone())));
        Deltas::consolidated(input, groups, items, &rows)
    }

    /// The wanted values of a group before and after the epoch.
    fn walk(&self, state: &dyn State, group: &[u8], pending: Option<&Pending>) -> Result<[Values; 2], EngineError> {
        let mut both = [Values::default(), Values::default()];
        let mut failed = Ok(());
        self.index.walk_both(state, group, None, self.wanted.direction(), pending, &mut |item, before, after| {
            let value = match self.ordered.order_of(item) {
                Ok(order) => &item[order.len()..],
                Err(source) => {
                    failed = Err(EngineError::Corrupt { relation: self.index.relation, source });
                    return ControlFlow::Break(());
                }
            };
            let mut enough = true;
            for (values, count) in both.iter_mut().zip([before, after]) {
                enough &= values.take(value, self.wanted, count);
            }
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        failed?;
        Ok(both)
    }
}

impl Values {
    /// Takes a value that occurs so often; returns whether no more are wanted.
    fn take(&mut self, value: &[u8], wanted: Wanted, count: i64) -> bool {
        let single = matches!(wanted, Wanted::First | Wanted::Last);
        for _ in 0..wanted.times(count) {
            if self.over || single && !self.values.is_empty() {
                break;
            }
            self.bytes += value.len();
            self.over = !single && (self.values.len() == SEQUENCE_VALUES_MAX || self.bytes > SEQUENCE_BYTES_MAX);
            self.values.push(Row::new(value));
        }
        self.over || single && !self.values.is_empty()
    }
}

impl Slots {
    /// Counts an epoch's changes of sequences, and gives for each slot of one the values of each group before and after it.
    pub(super) fn sequences(
        &self,
        shared: &Shared,
        input: &Changes,
        groups: &Groups,
    ) -> Result<Vec<(usize, [Accumulator; 2])>, EngineError> {
        let mut counted: Vec<(&SequenceSlot, Deltas, Vec<i64>)> = Vec::new();
        let mut all = Vec::new();
        for (position, slot) in self.slots.iter().enumerate() {
            let Slot::Sequence(slot) = slot else { continue };
            let known = counted.iter().position(|(known, ..)| known.index.relation == slot.index.relation);
            let known = match known {
                Some(known) => known,
                None => {
                    let deltas = slot.deltas(input, groups);
                    let counts = slot.index.count(shared, groups, &deltas)?;
                    counted.push((slot, deltas, counts));
                    counted.len() - 1
                }
            };
            let (first, deltas, counts) = &counted[known];
            let alike = |other: &SequenceSlot| {
                (slot.place, &slot.order, slot.nulls, slot.among)
                    == (other.place, &other.order, other.nulls, other.among)
            };
            assert!(alike(first), "sequences that share {:?} are alike", slot.index.relation);
            let mut pending = vec![None; groups.len()];
            Pending::by_group(deltas, counts).for_each(|of_group| pending[of_group.group()] = Some(of_group));
            let (mut before, mut after) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
            for (group, pending) in groups.keys.iter().zip(&pending) {
                let [old, new] = slot.walk(&*shared.state, group, pending.as_ref())?;
                before.push(old);
                after.push(new);
            }
            all.push((position, [Accumulator::Sequence(before), Accumulator::Sequence(after)]));
        }
        Ok(all)
    }
}
