//! A group's values, read again from the stored relation that the group is a key range of.
//!
//! State: none of its own. A look costs the rows of the range.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};

use super::accumulators::Source;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::operators::chain::Chain;
use crate::operators::groups::Groups;
use crate::operators::join::stored::Reader;
use crate::operators::small::Row;
use crate::plan::Rescan;
use crate::relation::RelationId;
use crate::row::{KeyEncoder, RowCodec};
use crate::state::{KeyRange, State};

/// Values with how often each occurs; a value may come more than once.
pub(super) type Values = Vec<(Row, i64)>;

/// Scans the key ranges of groups.
pub(super) struct Rescanner {
    relation: RelationId,
    codec: RowCodec,
    /// The maps and filters between the relation and the Reduce.
    chain: Chain,
    /// Columns of the Reduce's input that equal the relation's first key columns, then the start of the window.
    prefix: Vec<usize>,
    window: Option<(usize, i64)>,
    /// Columns of the Reduce's input that make the key of its state.
    key: Vec<usize>,
    keys: KeyEncoder,
    column: usize,
    values: KeyEncoder,
    /// Positions of the input's columns among the used ones.
    used: Vec<usize>,
}

impl Rescanner {
    pub(super) fn new(rescan: &Rescan, column: usize, source: &Source) -> Rescanner {
        let schema = source.input.schema();
        let types = |columns: &[usize]| -> Vec<DataType> {
            columns.iter().map(|&column| schema.field(column).data_type().clone()).collect()
        };
        Rescanner {
            relation: rescan.relation,
            codec: RowCodec::new(&rescan.schema),
            chain: Chain::over_get(source.input, 0, rescan.relation),
            prefix: rescan.prefix.iter().map(|&position| source.group[position]).collect(),
            window: rescan.window.map(|(position, width)| (source.group[position], width)),
            key: source.key.to_vec(),
            keys: KeyEncoder::new(&types(source.key)),
            column,
            values: KeyEncoder::new(&types(&[column])),
            used: source.used.to_vec(),
        }
    }

    /// The stored values of each of the `wanted` groups, which are ascending.
    pub(super) fn values(
        &self,
        state: &dyn State,
        input: &Changes,
        groups: &Groups,
        wanted: &[u32],
    ) -> Result<Vec<Values>, EngineError> {
        let mut values: Vec<Values> = vec![Vec::new(); wanted.len()];
        let mut each = |rows: Changes| {
            let rows = self.chain.apply(rows, None);
            let keys = self.keys.encode(&rows.rows, &self.key);
            let column = rows.rows.column(self.column);
            let encoded = self.values.encode(&rows.rows, &[self.column]);
            for (row, key) in keys.iter().enumerate().filter(|(row, _)| column.is_valid(*row)) {
                let group = groups.find(key).and_then(|group| wanted.binary_search(&(group as u32)).ok());
                if let Some(group) = group {
                    values[group].push((Row::new(encoded.get(row)), rows.diffs[row]));
                }
            }
            Ok(())
        };
        let mut reader = Reader::new(state, self.relation, &self.codec, &mut each);
        for range in disjoint(self.ranges(input, groups, wanted)) {
            reader.scan(&range)?;
        }
        reader.finish()?;
        Ok(values)
    }

    /// The key range of each group.
    fn ranges(&self, input: &Changes, groups: &Groups, wanted: &[u32]) -> Vec<KeyRange> {
        let rows = wanted.iter().map(|&group| groups.first_row[group as usize]);
        let rows = UInt32Array::from(rows.collect::<Vec<u32>>());
        let of_groups = |column: usize| -> ArrayRef {
            let place = self.used.binary_search(&column).expect("group columns are used");
            take(input.rows.column(place), &rows, None).expect("positions within the rows")
        };
        let mut columns: Vec<ArrayRef> = self.prefix.iter().map(|&column| of_groups(column)).collect();
        let prefixes = self.codec.key_prefixes(&columns, rows.len());
        let Some((column, width_micros)) = self.window else {
            return prefixes.iter().map(KeyRange::prefix).collect();
        };
        let start = of_groups(column);
        columns.push(start.clone());
        let starts = self.codec.key_prefixes(&columns, rows.len());
        *columns.last_mut().expect("it was just pushed") = later(&start, width_micros);
        let ends = self.codec.key_prefixes(&columns, rows.len());
        let range = |group: usize| match start.is_null(group) {
            true => KeyRange::prefix(prefixes.get(group)),
            false => KeyRange { start: starts.get(group).to_vec(), end: Some(ends.get(group).to_vec()) },
        };
        (0..rows.len()).map(range).collect()
    }
}

/// The same keys in ranges that do not overlap: groups that differ in further columns share a range, which is read once.
fn disjoint(mut ranges: Vec<KeyRange>) -> Vec<KeyRange> {
    ranges.sort_unstable_by(|left, right| left.start.cmp(&right.start));
    let mut disjoint: Vec<KeyRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match disjoint.last_mut() {
            Some(last) if last.end.as_ref().is_none_or(|end| range.start < *end) => {
                let further = last.end.is_some() && range.end.as_ref().is_none_or(|end| Some(end) > last.end.as_ref());
                if further {
                    last.end = range.end;
                }
            }
            _ => disjoint.push(range),
        }
    }
    disjoint
}

/// Timestamps moved by a width.
fn later(times: &ArrayRef, width_micros: i64) -> ArrayRef {
    let width = match times.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => width_micros / 1_000_000,
        DataType::Timestamp(TimeUnit::Millisecond, _) => width_micros / 1_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => width_micros,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => width_micros.saturating_mul(1_000),
        other => panic!("the window of a group is over timestamps, not {other}"),
    };
    let ticks = cast(times, &DataType::Int64).expect("timestamps are integers");
    let ticks: Int64Array = ticks.as_primitive::<Int64Type>().unary(|tick| tick.saturating_add(width));
    cast(&ticks, times.data_type()).expect("timestamps are integers")
}
