//! What a Reduce counts, sums and compares: for each distinct thing one slot, however many aggregates read it.

use arrow::array::{Array, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};

use super::extremes::ExtremeSlot;
use super::percentiles::{Cursor, PercentileSlot, count_slot};
use super::sequences::{self, SequenceSlot};
use crate::changes::Changes;
use crate::exact::{FloatSquares, FloatSum, IntSquares, IntSum};
use crate::operators::groups::Groups;
use crate::operators::index::Index;
use crate::operators::small::Row;
use crate::plan::{Aggregate, AggregateFunction, Plan};

/// One thing that is kept of each group, over a column of the used input columns.
pub(super) enum Slot {
    /// How many values are not NULL.
    Count(usize),
    /// Their exact sum.
    Sum(usize),
    /// How many of them are true.
    Trues(usize),
    /// The exact sum of their squares.
    Squares(usize),
    /// The least or greatest of them.
    Extreme(ExtremeSlot),
    /// How many different ones there are.
    Different(usize, Index),
    /// The exact sum of the different ones.
    DifferentSum(usize, Index),
    /// Those at a percentile.
    Percentile(PercentileSlot),
    /// The first, the last or all of them in an order.
    Sequence(SequenceSlot),
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
    IntegerSquares(Vec<IntSquares>),
    FloatSquares(Vec<FloatSquares>),
    /// Encoded values; an empty row stands for none.
    Extreme(Vec<Row>),
    Percentile(Vec<Cursor>),
    /// Not kept in the group's row.
    Sequence(Vec<sequences::Values>),
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
                AggregateFunction::BoolAnd | AggregateFunction::BoolOr => {
                    slots.add(Slot::Count(place));
                    slots.add(Slot::Trues(place));
                }
                AggregateFunction::Variance(_) | AggregateFunction::Deviation(_) => {
                    slots.add(Slot::Count(place));
                    slots.add(Slot::Sum(place));
                    slots.add(Slot::Squares(place));
                }
                AggregateFunction::CountDistinct(index) => {
                    slots.add(Slot::Different(place, Index { relation: *index }));
                }
                AggregateFunction::SumDistinct(index) | AggregateFunction::AvgDistinct(index) => {
                    let index = Index { relation: *index };
                    slots.add(Slot::Different(place, index));
                    slots.add(Slot::DifferentSum(place, index));
                }
                AggregateFunction::Percentile(percentile, index) => {
                    slots.add(Slot::Count(place));
                    let count = count_slot(&slots.slots, place);
                    let index = Index { relation: *index };
                    slots.add(Slot::Percentile(PercentileSlot { place, percentile: *percentile, count, index }));
                }
                AggregateFunction::Min(extremes) => {
                    slots.add(Slot::Extreme(ExtremeSlot::new(place, false, extremes, column, source)));
                }
                AggregateFunction::Max(extremes) => {
                    slots.add(Slot::Extreme(ExtremeSlot::new(place, true, extremes, column, source)));
                }
                AggregateFunction::Sequence(sequence) => {
                    let place_of = |column| used.binary_search(&column).expect("used columns have a place");
                    let slot = SequenceSlot::new(place, sequence, &slots.schema, place_of);
                    slots.add(Slot::Sequence(slot));
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
        let floats = |place: &usize| self.schema.field(*place).data_type() == &DataType::Float64;
        let slots = self.slots.iter().map(|slot| match slot {
            Slot::Count(_) | Slot::Trues(_) | Slot::Different(..) => Accumulator::Count(vec![0; groups]),
            Slot::Sum(place) | Slot::DifferentSum(place, _) if floats(place) => {
                Accumulator::Floats(vec![FloatSum::default(); groups])
            }
            Slot::Sum(_) | Slot::DifferentSum(..) => Accumulator::Integers(vec![IntSum::default(); groups]),
            Slot::Squares(place) if floats(place) => Accumulator::FloatSquares(vec![FloatSquares::default(); groups]),
            Slot::Squares(_) => Accumulator::IntegerSquares(vec![IntSquares::default(); groups]),
            Slot::Extreme(_) => Accumulator::Extreme(vec![Row::new(&[]); groups]),
            Slot::Percentile(_) => Accumulator::Percentile(vec![Cursor::none(); groups]),
            Slot::Sequence(_) => Accumulator::Sequence(Vec::new()),
        });
        Accumulators { rows: vec![0; groups], slots: slots.collect() }
    }
}

impl Slot {
    fn same(&self, other: &Slot) -> bool {
        match (self, other) {
            (Slot::Count(left), Slot::Count(right))
            | (Slot::Sum(left), Slot::Sum(right))
            | (Slot::Trues(left), Slot::Trues(right))
            | (Slot::Squares(left), Slot::Squares(right))
            | (Slot::Different(left, _), Slot::Different(right, _))
            | (Slot::DifferentSum(left, _), Slot::DifferentSum(right, _)) => left == right,
            (Slot::Percentile(left), Slot::Percentile(right)) => {
                left.place == right.place && left.percentile == right.percentile
            }
            (Slot::Sequence(left), Slot::Sequence(right)) => left.same(right),
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

    /// Counts and sums an epoch's changes; what is kept of single values is settled apart.
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
                (Slot::Trues(place), Accumulator::Count(counts)) => {
                    let column = input.rows.column(*place).as_boolean();
                    for (row, (&group, diff)) in groups.of_row.iter().zip(&input.diffs).enumerate() {
                        let is_true = column.is_valid(row) && column.value(row);
                        counts[group as usize] += if is_true { *diff } else { 0 };
                    }
                }
                (Slot::Sum(place) | Slot::Squares(place), sums) => {
                    add_to_sums(input.rows.column(*place), &input.diffs, &groups.of_row, sums);
                }
                (Slot::Extreme(_) | Slot::Different(..) | Slot::DifferentSum(..), _)
                | (Slot::Percentile(_) | Slot::Sequence(_), _) => (),
                _ => unreachable!("accumulators are made from their slots"),
            }
        }
    }
}

/// Adds the values of a column, or their squares, to the sums of their groups.
pub(super) fn add_to_sums(column: &dyn Array, diffs: &[i64], groups: &[u32], sums: &mut Accumulator) {
    match sums {
        Accumulator::Integers(sums) => {
            each_integer(column, |row, value| sums[groups[row] as usize].add(value, diffs[row]));
        }
        Accumulator::IntegerSquares(sums) => {
            each_integer(column, |row, value| sums[groups[row] as usize].add(value, diffs[row]));
        }
        Accumulator::Floats(sums) => each_value(column.as_primitive::<Float64Type>(), |row, value| {
            sums[groups[row] as usize].add(value, diffs[row]);
        }),
        Accumulator::FloatSquares(sums) => each_value(column.as_primitive::<Float64Type>(), |row, value| {
            sums[groups[row] as usize].add(value, diffs[row]);
        }),
        _ => unreachable!("accumulators are made from their slots"),
    }
}

/// Every value of a column of integers or decimals that is not NULL, with its row.
fn each_integer(column: &dyn Array, mut each: impl FnMut(usize, i128)) {
    fn all<T: ArrowPrimitiveType<Native: Into<i128>>>(column: &dyn Array, each: &mut impl FnMut(usize, i128)) {
        each_value(column.as_primitive::<T>(), |row, value| each(row, value.into()));
    }
    match column.data_type() {
        DataType::Int8 => all::<Int8Type>(column, &mut each),
        DataType::Int16 => all::<Int16Type>(column, &mut each),
        DataType::Int32 => all::<Int32Type>(column, &mut each),
        DataType::Int64 => all::<Int64Type>(column, &mut each),
        DataType::UInt8 => all::<UInt8Type>(column, &mut each),
        DataType::UInt16 => all::<UInt16Type>(column, &mut each),
        DataType::UInt32 => all::<UInt32Type>(column, &mut each),
        DataType::UInt64 => all::<UInt64Type>(column, &mut each),
        DataType::Decimal128(..) => all::<Decimal128Type>(column, &mut each),
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
