//! The rows that a Reduce makes of its groups, and how they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, UInt32Array, make_comparator,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::SortOptions;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};

use super::accumulators::{Accumulator, Accumulators, Slot, Slots};
use crate::changes::Changes;
use crate::engine::report::Reporter;
use crate::exact::{OutOfRange, Percentile, Spread};
use crate::limits::{SEQUENCE_BYTES_MAX, SEQUENCE_VALUES_MAX};
use crate::operators::batch::pieces;
use crate::operators::groups::Groups;
use crate::operators::map::Map;
use crate::operators::rows::{batch, take_rows, take_values, words};
use crate::operators::small::Row;
use crate::plan::{Aggregate, AggregateFunction, Taken};
use crate::row::{KeyDecoder, KeyEncoder, canonical_f64};
use crate::scalar::EvalError;

/// Stands for no row.
const NONE: u32 = u32::MAX;

/// How the rows of a Reduce are read out of what is kept of its groups.
pub(super) struct Output {
    operator: u32,
    /// The group's columns among the used ones of the input.
    group: Vec<usize>,
    columns: Vec<Column>,
    schema: SchemaRef,
    above: Option<Map>,
    /// No rows.
    empty: RecordBatch,
}

/// Where an aggregate is read from.
enum Column {
    Rows,
    Count(usize),
    Sum {
        sum: usize,
        count: usize,
    },
    /// `scale`: of the decimals averaged.
    Mean {
        sum: usize,
        count: usize,
        scale: i8,
    },
    /// Whether all, or else whether any, are true.
    Truth {
        trues: usize,
        count: usize,
        all: bool,
    },
    /// The variance, or its root. `scale`: of decimals.
    Variance {
        sum: usize,
        squares: usize,
        count: usize,
        scale: i8,
        of: Spread,
        root: bool,
    },
    Extreme {
        slot: usize,
        values: Values,
    },
    Percentile {
        slot: usize,
        count: usize,
        percentile: Percentile,
        values: Values,
    },
    Sequence {
        slot: usize,
        taken: Taken,
        values: Values,
    },
}

/// Encoded values of one type as a column; an empty one stands for NULL.
struct Values {
    decoder: KeyDecoder,
    null: Vec<u8>,
}

impl Values {
    fn new(data_type: &DataType) -> Values {
        let null = arrow::array::new_null_array(data_type, 1);
        let null = KeyEncoder::new(std::slice::from_ref(data_type)).encode_arrays(&[null], 1).get(0).to_vec();
        Values { decoder: KeyDecoder::new(std::slice::from_ref(data_type)), null }
    }

    fn column<'a>(&'a self, values: impl Iterator<Item = &'a Row>) -> ArrayRef {
        let keys = values.map(|value| if value.is_empty() { &self.null } else { value.bytes() });
        self.decoder.decode(keys).expect("values are what was encoded").remove(0)
    }
}

/// The rows of all groups, before or after an epoch.
pub(super) struct Side {
    /// The rows that there are, in the order of their groups.
    pub(super) rows: RecordBatch,
    /// The row of each group; `None` where every group has one.
    of_group: Option<Vec<u32>>,
    errors: Vec<GroupError>,
}

/// A group whose row is an error, ordered as the groups are.
#[derive(PartialEq, Eq)]
struct GroupError {
    group: usize,
    operator: u32,
    row: String,
    message: String,
}

impl Side {
    /// The position of a group's row.
    pub(super) fn row_of(&self, group: usize) -> Option<usize> {
        match &self.of_group {
            None => Some(group),
            Some(rows) => (rows[group] != NONE).then_some(rows[group] as usize),
        }
    }
}

impl Output {
    pub(super) fn new(
        operator: u32,
        group: Vec<usize>,
        aggregates: &[(Aggregate, Option<usize>)],
        slots: &Slots,
        schema: SchemaRef,
        above: Option<Map>,
    ) -> Output {
        let columns = aggregates.iter().map(|(aggregate, place)| Column::new(aggregate, *place, slots)).collect();
        let empty = RecordBatch::new_empty(above.as_ref().map_or(&schema, |map| &map.schema).clone());
        Output { operator, group, columns, schema, above, empty }
    }

    /// The group columns of every group.
    pub(super) fn group_columns(&self, input: &Changes, groups: &Groups) -> Vec<ArrayRef> {
        let first = UInt32Array::from(groups.first_row.clone());
        self.group.iter().map(|place| take_values(input.rows.column(*place), &first)).collect()
    }

    /// The rows of the groups that are present.
    pub(super) fn side(&self, group: &[ArrayRef], kept: &Accumulators, present: &[bool]) -> Side {
        if present.iter().all(|present| !present) {
            return Side { rows: self.empty.clone(), of_group: Some(vec![NONE; present.len()]), errors: Vec::new() };
        }
        let mut columns = group.to_vec();
        let mut failures: Vec<(usize, EvalError)> = Vec::new();
        for (column, field) in self.columns.iter().zip(&self.schema.fields()[self.group.len()..]) {
            columns.push(column.read(kept, field.data_type(), &mut failures));
        }
        let mut live = present.to_vec();
        let mut errors = Vec::new();
        for (group, error) in failures {
            // The first failing aggregate of a group speaks for the group.
            if std::mem::replace(&mut live[group], false) {
                let row = self.group_words(&columns, group);
                errors.push(GroupError { group, operator: self.operator, row, message: error.0 });
            }
        }
        let mut side = self.living(columns, &live);
        side.errors = errors;
        match &self.above {
            Some(map) => above(map, side, &live),
            None => side,
        }
    }

    fn living(&self, columns: Vec<ArrayRef>, live: &[bool]) -> Side {
        if live.iter().all(|live| *live) {
            return Side { rows: batch(&self.schema, columns, live.len()), of_group: None, errors: Vec::new() };
        }
        let living: Vec<u32> = (0..live.len() as u32).filter(|&group| live[group as usize]).collect();
        let positions = UInt32Array::from(living);
        let columns = columns.iter().map(|column| take_values(column, &positions));
        let rows = batch(&self.schema, columns.collect(), positions.len());
        Side { rows, of_group: Some(numbered(live)), errors: Vec::new() }
    }

    fn group_words(&self, columns: &[ArrayRef], group: usize) -> String {
        let width = self.group.len();
        let schema = Arc::new(self.schema.project(&(0..width).collect::<Vec<_>>()).expect("the group's columns"));
        words(&batch(&schema, columns[..width].to_vec(), columns.first().map_or(1, |column| column.len())), group)
    }

    /// Reports the errors that began and those that ceased.
    pub(super) fn report(&self, reporter: &Reporter, old: &Side, new: &Side) {
        for (side, other, diff) in [(old, new, -1), (new, old, 1)] {
            let others: BTreeMap<usize, &GroupError> = other.errors.iter().map(|error| (error.group, error)).collect();
            for error in side.errors.iter().filter(|error| others.get(&error.group) != Some(error)) {
                reporter.error(error.operator, error.row.clone(), error.message.clone(), diff);
            }
        }
    }

    /// The retraction of every old row and the insertion of every new one, where they differ.
    pub(super) fn changes(&self, old: &Side, new: &Side, groups: usize) -> Vec<Changes> {
        let row = |side: &Side, group| side.row_of(group).map_or(NONE, |row| row as u32);
        let pairs: Vec<(u32, u32)> = (0..groups).map(|group| (row(old, group), row(new, group))).collect();
        let both: Vec<(u32, u32)> = pairs.iter().copied().filter(|pair| pair.0 != NONE && pair.1 != NONE).collect();
        let mut equal = equal_rows(old, new, &both).into_iter();
        let (mut retracted, mut inserted) = (Vec::new(), Vec::new());
        for (old, new) in pairs {
            if old != NONE && new != NONE && equal.next() == Some(true) {
                continue;
            }
            retracted.extend((old != NONE).then_some(old));
            inserted.extend((new != NONE).then_some(new));
        }
        let changes = |rows: &RecordBatch, positions: Vec<u32>, diff| {
            if positions.is_empty() {
                return Vec::new();
            }
            let diffs = vec![diff; positions.len()];
            pieces(Changes::new(take_rows(rows, &UInt32Array::from(positions)), diffs))
        };
        let mut all = changes(&old.rows, retracted, -1);
        all.extend(changes(&new.rows, inserted, 1));
        all
    }
}

/// The row number of each live group.
fn numbered(live: &[bool]) -> Vec<u32> {
    let mut living = 0..;
    live.iter().map(|live| if *live { living.next().expect("fewer groups than numbers") } else { NONE }).collect()
}

/// The Map above, evaluated on the rows of a Reduce.
fn above(map: &Map, side: Side, live: &[bool]) -> Side {
    let mapped = map.eval(&side.rows);
    let mut errors = side.errors;
    if mapped.failures.is_empty() {
        return Side { rows: mapped.rows, of_group: side.of_group, errors };
    }
    let groups: Vec<usize> = (0..live.len()).filter(|&group| live[group]).collect();
    let mut live = live.to_vec();
    for (row, error) in mapped.failures {
        let row_words = words(&side.rows, row);
        live[groups[row]] = false;
        errors.push(GroupError { group: groups[row], operator: map.operator, row: row_words, message: error.0 });
    }
    Side { rows: mapped.rows, of_group: Some(numbered(&live)), errors }
}

/// Whether the rows of each pair are equal.
fn equal_rows(old: &Side, new: &Side, pairs: &[(u32, u32)]) -> Vec<bool> {
    let olds = UInt32Array::from(pairs.iter().map(|pair| pair.0).collect::<Vec<u32>>());
    let news = UInt32Array::from(pairs.iter().map(|pair| pair.1).collect::<Vec<u32>>());
    let mut equal = vec![true; pairs.len()];
    if pairs.is_empty() {
        return equal;
    }
    for (left, right) in old.rows.columns().iter().zip(new.rows.columns()) {
        let (left, right) = (take_values(left, &olds), take_values(right, &news));
        if Arc::ptr_eq(&left, &right) {
            continue;
        }
        if left.data_type().is_nested() {
            let order = make_comparator(&left, &right, SortOptions::default()).expect("columns of one type");
            equal.iter_mut().enumerate().for_each(|(row, equal)| *equal &= order(row, row).is_eq());
            continue;
        }
        let same: BooleanArray = not_distinct(&left, &right).expect("columns of one type");
        equal.iter_mut().zip(same.values()).for_each(|(equal, same)| *equal &= same);
    }
    equal
}

impl Column {
    /// `place`: the aggregate's input among the used columns.
    fn new(aggregate: &Aggregate, place: Option<usize>, slots: &Slots) -> Column {
        let Some(place) = place else {
            return Column::Rows;
        };
        let data_type = slots.schema.field(place).data_type();
        let scale = if let DataType::Decimal128(_, scale) = data_type { *scale } else { 0 };
        let count = || slots.find(|slot| matches!(slot, Slot::Count(counted) if *counted == place));
        let sum = || slots.find(|slot| matches!(slot, Slot::Sum(summed) if *summed == place));
        let different = || slots.find(|slot| matches!(slot, Slot::Different(of, _) if *of == place));
        let different_sum = || slots.find(|slot| matches!(slot, Slot::DifferentSum(of, _) if *of == place));
        let trues = || slots.find(|slot| matches!(slot, Slot::Trues(of) if *of == place));
        let extreme = |max: bool| {
            let wanted = |slot: &Slot| matches!(slot, Slot::Extreme(slot) if slot.place == place && slot.max == max);
            Column::Extreme { slot: slots.find(wanted), values: Values::new(data_type) }
        };
        let variance = |of: Spread, root: bool| {
            let squares = slots.find(|slot| matches!(slot, Slot::Squares(of) if *of == place));
            Column::Variance { sum: sum(), squares, count: count(), scale, of, root }
        };
        match &aggregate.function {
            AggregateFunction::Count => Column::Count(count()),
            AggregateFunction::CountDistinct(_) => Column::Count(different()),
            AggregateFunction::Sum => Column::Sum { sum: sum(), count: count() },
            AggregateFunction::SumDistinct(_) => Column::Sum { sum: different_sum(), count: different() },
            AggregateFunction::Avg => Column::Mean { sum: sum(), count: count(), scale },
            AggregateFunction::AvgDistinct(_) => Column::Mean { sum: different_sum(), count: different(), scale },
            AggregateFunction::BoolAnd => Column::Truth { trues: trues(), count: count(), all: true },
            AggregateFunction::BoolOr => Column::Truth { trues: trues(), count: count(), all: false },
            AggregateFunction::Variance(of) => variance(*of, false),
            AggregateFunction::Deviation(of) => variance(*of, true),
            AggregateFunction::Min(_) => extreme(false),
            AggregateFunction::Max(_) => extreme(true),
            AggregateFunction::Percentile(percentile, _) => {
                let wanted = |slot: &Slot| matches!(slot, Slot::Percentile(slot) if slot.place == place && slot.percentile == *percentile);
                let (slot, values) = (slots.find(wanted), Values::new(data_type));
                Column::Percentile { slot, count: count(), percentile: *percentile, values }
            }
            AggregateFunction::Sequence(sequence) => {
                let wanted = |slot: &Slot| matches!(slot, Slot::Sequence(slot) if slot.serves(place, sequence));
                let (slot, values) = (slots.find(wanted), Values::new(data_type));
                Column::Sequence { slot, taken: sequence.taken.clone(), values }
            }
        }
    }

    /// The aggregate's values; groups that have none for it fail.
    fn read(&self, kept: &Accumulators, data_type: &DataType, failures: &mut Vec<(usize, EvalError)>) -> ArrayRef {
        match self {
            Column::Rows => Arc::new(Int64Array::from(kept.rows.clone())),
            Column::Count(slot) => Arc::new(Int64Array::from(kept.counts(*slot).to_vec())),
            Column::Sum { sum, count } => {
                let sums = &kept.slots[*sum];
                numbers(kept.counts(*count), data_type, failures, |group, _| match (sums, data_type) {
                    (Accumulator::Floats(sums), _) => Ok(Number::Float(sums[group].sum())),
                    (Accumulator::Integers(sums), DataType::Decimal128(precision, scale)) => {
                        sums[group].decimal_sum(*precision, *scale).map(Number::Decimal)
                    }
                    (Accumulator::Integers(sums), _) => sums[group].sum().map(Number::Int),
                    _ => unreachable!("a sum is in a sum's slot"),
                })
            }
            Column::Mean { sum, count, scale } => {
                let sums = &kept.slots[*sum];
                numbers(kept.counts(*count), data_type, failures, |group, count| match (sums, data_type) {
                    (Accumulator::Floats(sums), _) => Ok(Number::Float(sums[group].avg(count))),
                    (Accumulator::Integers(sums), DataType::Decimal128(precision, to)) => {
                        sums[group].decimal_avg(count, *scale, *precision, *to).map(Number::Decimal)
                    }
                    (Accumulator::Integers(sums), _) => Ok(Number::Float(sums[group].avg(count))),
                    _ => unreachable!("a sum is in a sum's slot"),
                })
            }
            Column::Truth { trues, count, all } => {
                let (trues, counts) = (kept.counts(*trues), kept.counts(*count));
                let truth = |(&trues, &count)| (count > 0).then_some(if *all { trues == count } else { trues > 0 });
                Arc::new(trues.iter().zip(counts).map(truth).collect::<BooleanArray>())
            }
            Column::Variance { sum, squares, count, scale, of, root } => {
                let (sums, squares) = (&kept.slots[*sum], &kept.slots[*squares]);
                let variance = |(group, &count): (usize, &i64)| {
                    let variance = (count >= of.least()).then(|| match (sums, squares) {
                        (Accumulator::Integers(sums), Accumulator::IntegerSquares(squares)) => {
                            squares[group].variance(&sums[group], count, *scale, *of)
                        }
                        (Accumulator::Floats(sums), Accumulator::FloatSquares(squares)) => {
                            squares[group].variance(&sums[group], count, *of)
                        }
                        _ => unreachable!("a sum is in a sum's slot"),
                    });
                    variance.map(|variance| if *root { canonical_f64(variance.sqrt()) } else { variance })
                };
                Arc::new(kept.counts(*count).iter().enumerate().map(variance).collect::<Float64Array>())
            }
            Column::Extreme { slot, values } => {
                let Accumulator::Extreme(extremes) = &kept.slots[*slot] else {
                    unreachable!("an extreme is in an extreme's slot");
                };
                values.column(extremes.iter())
            }
            Column::Percentile { slot, count, percentile, values } => {
                let Accumulator::Percentile(cursors) = &kept.slots[*slot] else {
                    unreachable!("a percentile is in a percentile's slot");
                };
                let low = values.column(cursors.iter().map(|cursor| &cursor.low));
                if !percentile.continuous {
                    return low;
                }
                let high = values.column(cursors.iter().map(|cursor| &cursor.high));
                let both = low.as_primitive::<Float64Type>().iter().zip(high.as_primitive::<Float64Type>());
                let between = |((low, high), &count): ((Option<f64>, Option<f64>), &i64)| {
                    Some(percentile.between(low?, high?, count as u64))
                };
                Arc::new(both.zip(kept.counts(*count)).map(between).collect::<Float64Array>())
            }
            Column::Sequence { slot, taken, values } => {
                let Accumulator::Sequence(sequences) = &kept.slots[*slot] else {
                    unreachable!("a sequence is in a sequence's slot");
                };
                let name = if let Taken::Text { .. } = taken { "string_agg" } else { "array_agg" };
                for (group, _) in sequences.iter().enumerate().filter(|(_, sequence)| sequence.over) {
                    let megabytes = SEQUENCE_BYTES_MAX >> 20;
                    let words = format!(
                        "{name} puts at most {SEQUENCE_VALUES_MAX} values of {megabytes} MiB together, and there are more"
                    );
                    failures.push((group, EvalError(words)));
                }
                let none = Row::new(&[]);
                if let Taken::First | Taken::Last = taken {
                    return values.column(sequences.iter().map(|sequence| sequence.values.first().unwrap_or(&none)));
                }
                let lengths = sequences.iter().map(|sequence| if sequence.over { 0 } else { sequence.values.len() });
                let lengths: Vec<usize> = lengths.collect();
                let shown = sequences.iter().filter(|sequence| !sequence.over);
                let all = values.column(shown.flat_map(|sequence| &sequence.values));
                match (taken, data_type) {
                    (Taken::Text { separator, .. }, _) => {
                        let mut all = all.as_string::<i32>().iter().flatten();
                        let text = |&len: &usize| {
                            let texts: Vec<&str> = all.by_ref().take(len).collect();
                            (len > 0).then(|| texts.join(separator))
                        };
                        Arc::new(lengths.iter().map(text).collect::<StringArray>())
                    }
                    (_, DataType::List(item)) => {
                        let nulls = lengths.iter().map(|&len| len > 0).collect::<Vec<bool>>();
                        let offsets = OffsetBuffer::from_lengths(lengths);
                        Arc::new(ListArray::new(item.clone(), offsets, all, Some(nulls.into())))
                    }
                    (taken, other) => unreachable!("{taken:?} of type {other}"),
                }
            }
        }
    }
}

/// A number read out of a sum.
enum Number {
    Int(i64),
    Float(f64),
    Decimal(i128),
}

/// Numbers of a type: NULL for groups without values, a failure for those whose number does not fit the type.
fn numbers(
    counts: &[i64],
    data_type: &DataType,
    failures: &mut Vec<(usize, EvalError)>,
    number: impl Fn(usize, i64) -> Result<Number, OutOfRange>,
) -> ArrayRef {
    let numbers = counts.iter().enumerate().map(|(group, &count)| {
        if count == 0 {
            return None;
        }
        number(group, count).map_err(|error| failures.push((group, EvalError(error.to_string())))).ok()
    });
    match data_type {
        DataType::Int64 => {
            let ints = numbers.map(|number| number.map(Number::int));
            Arc::new(ints.collect::<Int64Array>())
        }
        DataType::Float64 => {
            let floats = numbers.map(|number| number.map(Number::float));
            Arc::new(floats.collect::<Float64Array>())
        }
        decimal => {
            let decimals: Decimal128Array = numbers.map(|number| number.map(Number::decimal)).collect();
            Arc::new(decimals.with_data_type(decimal.clone()))
        }
    }
}

impl Number {
    fn int(self) -> i64 {
        let Number::Int(int) = self else { panic!("an integer sum is an integer") };
        int
    }

    fn float(self) -> f64 {
        let Number::Float(float) = self else { panic!("a float sum is a float") };
        float
    }

    fn decimal(self) -> i128 {
        let Number::Decimal(decimal) = self else { panic!("a decimal sum is a decimal") };
        decimal
    }
}
