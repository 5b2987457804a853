//! What a Reduce counts, sums and compares: for each distinct thing one slot, however many aggregates read it.

use arrow::array::{Array, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};

use super::extremes::ExtremeSlot;
use crate::changes::Changes;
use crate::exact::{FloatSum, IntSum};
use crate::operators::groups::Groups;
use crate::operators::small::Row;
use crate::plan::{Aggregate, AggregateFunction, Plan};

/// One thing that is kept of each group, over a column of the used input columns.
pub(super) enum Slot {
    /// How many values are not NULL.
    Count(usize),
    /// Their exact sum.
    Sum(usize),
    /// The least or greatest of them.
    Extreme(ExtremeSlot),
}

/// The slots of a Reduce, in the order of its aggregates, each once. The order is part of the persisted format.
pub(super) struct Slots {
    /// The used columns of the input.
    pub(super) schema: SchemaRef,
    pub(super) slots: Vec<Slot>,
}

/// One slot's contents for each group of an epoch.
pub(super) enum Accumulator {
    Count(Vec<i64>),
    Integers(Vec<IntSum>),
    Floats(Vec<FloatSum>),
    /// Encoded values; an empty row stands for none.
    Extreme(Vec<Row>),
}

/// All slots' contents for each group of an epoch.
pub(super) struct Accumulators {
    /// How many rows each group has.
    pub(super) rows: Vec<i64>,
    pub(super) slots: Vec<Accumulator>,
}

/// Where a Reduce's groups come from, for the extremes that are looked for again.
pub(super) struct Source<'a> {
    pub(super) input: &'a Plan,
    pub(super) group: &'a [usize],
    /// Columns of the input that make the key of the state.
    pub(super) key: &'a [usize],
    /// The columns of the input that are used at all, ascending.
    pub(super) used: &'a [usize],
}

impl Slots {
    pub(super) fn new(aggregates: &[Aggregate], source: &Source) -> Slots {
        let used = source.used;
        let schema = source.input.schema().project(used).expect("columns of the input");
        let mut slots = Slots { schema: schema.into(), slots: Vec::new() };
        for aggregate in aggregates {
            let Some(column) = aggregate.input else {
                assert!(matches!(aggregate.function, AggregateFunction::Count), "only count(*) has no input");
                continue;
            };
            let place = used.binary_search(&column).expect("used columns have a place");
            match &aggregate.function {
                AggregateFunction::Count => slots.add(Slot::Count(place)),
                AggregateFunction::Sum | AggregateFunction::Avg => {
                    slots.add(Slot::Count(place));
                    slots.add(Slot::Sum(place));
                }
                AggregateFunction::Min(extremes) => {
                    slots.add(Slot::Extreme(ExtremeSlot::new(place, false, extremes, column, source)));
                }
                AggregateFunction::Max(extremes) => {
                    slots.add(Slot::Extreme(ExtremeSlot::new(place, true, extremes, column, source)));
                }
            }
        }
        slots
    }

    fn add(&mut self, slot: Slot) {
        if !self.slots.iter().any(|known| known.same(&slot)) {
            self.slots.push(slot);
        }
    }

    /// The position of the slot that counts, sums or compares this column.
    pub(super) fn find(&self, wanted: impl Fn(&Slot) -> bool) -> usize {
        self.slots.iter().position(wanted).expect("every aggregate has its slots")
    }

    /// Nothing counted, summed or compared for any of `groups` groups.
    pub(super) fn none(&self, groups: usize) -> Accumulators {
        let slots = self.slots.iter().map(|slot| match slot {
            Slot::Count(_) => Accumulator::Count(vec![0; groups]),
            Slot::Sum(place) if self.schema.field(*place).data_type() == &DataType::Float64 => {
                Accumulator::Floats(vec![FloatSum::default(); groups])
            }
            Slot::Sum(_) => Accumulator::Integers(vec![IntSum::default(); groups]),
            Slot::Extreme(_) => Accumulator::Extreme(vec![Row::new(&[]); groups]),
        });
        Accumulators { rows: vec![0; groups], slots: slots.collect() }
    }
}

impl Slot {
    fn same(&self, other: &Slot) -> bool {
        match (self, other) {
            (Slot::Count(left), Slot::Count(right)) | (Slot::Sum(left), Slot::Sum(right)) => left == right,
            (Slot::Extreme(left), Slot::Extreme(right)) => left.place == right.place && left.max == right.max,
            _ => false,
        }
    }
}

impl Accumulators {
    /// The counts in a count's slot.
    pub(super) fn counts(&self, slot: usize) -> &[i64] {
        match &self.slots[slot] {
            Accumulator::Count(counts) => counts,
            _ => unreachable!("a count is in a count's slot"),
        }
    }

    /// Counts and sums an epoch's changes; extremes are settled apart.
    pub(super) fn add(&mut self, slots: &Slots, input: &Changes, groups: &Groups) {
        for (&group, diff) in groups.of_row.iter().zip(&input.diffs) {
            self.rows[group as usize] += diff;
        }
        for (slot, accumulator) in slots.slots.iter().zip(&mut self.slots) {
            match (slot, accumulator) {
                (Slot::Count(place), Accumulator::Count(counts)) => {
                    let column = input.rows.column(*place);
                    for (row, (&group, diff)) in groups.of_row.iter().zip(&input.diffs).enumerate() {
                        counts[group as usize] += if column.is_null(row) { 0 } else { *diff };
                    }
                }
                (Slot::Sum(place), Accumulator::Integers(sums)) => {
                    add_integers(input.rows.column(*place), &input.diffs, groups, sums);
                }
                (Slot::Sum(place), Accumulator::Floats(sums)) => {
                    let column = input.rows.column(*place).as_primitive::<Float64Type>();
                    each_value(column, |row, value| sums[groups.of_row[row] as usize].add(value, input.diffs[row]));
                }
                (Slot::Extreme(_), Accumulator::Extreme(_)) => (),
                _ => unreachable!("accumulators are made from their slots"),
            }
        }
    }
}

fn add_integers(column: &dyn Array, diffs: &[i64], groups: &Groups, sums: &mut [IntSum]) {
    fn add<T: ArrowPrimitiveType<Native: Into<i128>>>(
        column: &dyn Array,
        diffs: &[i64],
        groups: &Groups,
        sums: &mut [IntSum],
    ) {
        let column = column.as_primitive::<T>();
        each_value(column, |row, value| sums[groups.of_row[row] as usize].add(value.into(), diffs[row]));
    }
    match column.data_type() {
        DataType::Int8 => add::<Int8Type>(column, diffs, groups, sums),
        DataType::Int16 => add::<Int16Type>(column, diffs, groups, sums),
        DataType::Int32 => add::<Int32Type>(column, diffs, groups, sums),
        DataType::Int64 => add::<Int64Type>(column, diffs, groups, sums),
        DataType::UInt8 => add::<UInt8Type>(column, diffs, groups, sums),
        DataType::UInt16 => add::<UInt16Type>(column, diffs, groups, sums),
        DataType::UInt32 => add::<UInt32Type>(column, diffs, groups, sums),
        DataType::UInt64 => add::<UInt64Type>(column, diffs, groups, sums),
        DataType::Decimal128(..) => add::<Decimal128Type>(column, diffs, groups, sums),
        other => panic!("the planner sums numbers, not {other}"),
    }
}

/// Every value that is not NULL, with its row.
fn each_value<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, mut each: impl FnMut(usize, T::Native)) {
    match column.nulls() {
        None => column.values().iter().enumerate().for_each(|(row, &value)| each(row, value)),
        Some(nulls) => nulls.valid_indices().for_each(|row| each(row, column.value(row))),
    }
}
