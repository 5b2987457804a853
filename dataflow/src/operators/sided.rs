//! How often a row occurs on each of two sides, and how often that makes it come out.
//!
//! The left side is rows; the right side is what counts against them: the pairs that a join finds for each, or the rows of
//! the other input of a set operation. State: row, or its key -> both counts. A changed row costs one look-up and one put.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, SchemaRef};

use super::groups::Groups;
use super::rows::{concat, take_rows};
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::relation::RelationId;
use crate::row::varint::{read_unsigned, write_unsigned};
use crate::row::{CorruptRow, KeyEncoder};
use crate::state::StateWrite;

/// The format byte of both counts as written today; two varints follow.
const FORMAT: u8 = 1;

/// How often a row occurs on the left and on the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) left: i64,
    pub(crate) right: i64,
}

/// The counts of all rows, and where they are kept.
pub(crate) struct Sided {
    state: RelationId,
    /// The columns that tell one row from another.
    key: Vec<usize>,
    keys: KeyEncoder,
}

/// The rows whose counts an epoch changes. Under one key a row may give way to another.
pub(crate) struct Turned {
    rows: RecordBatch,
    turns: Vec<Turn>,
}

struct Turn {
    /// The position of the row that was there and of the one that is.
    rows: [u32; 2],
    /// Its counts then and now.
    counts: [Counts; 2],
}

impl Sided {
    /// The counts of rows of this schema. `key`: columns whose values no two rows of the left side share at a time, else all.
    pub(crate) fn new(state: RelationId, schema: &SchemaRef, key: &[usize]) -> Sided {
        let types: Vec<DataType> = key.iter().map(|&at| schema.field(at).data_type().clone()).collect();
        Sided { state, key: key.to_vec(), keys: KeyEncoder::new(&types) }
    }

    /// Adds an epoch's changes to the counts.
    pub(crate) fn run(
        &self,
        shared: &Shared,
        left: Option<Changes>,
        right: Option<Changes>,
    ) -> Result<Option<Turned>, EngineError> {
        let lefts = left.as_ref().map_or(0, Changes::len);
        let Some(all) = concat(left.into_iter().chain(right).collect()) else {
            return Ok(None);
        };
        let net = Sided::net(&all, lefts);
        let positions = UInt32Array::from_iter_values(net.iter().map(|(row, _)| *row));
        let rows = take_rows(&all.rows, &positions);
        let groups = Groups::of(&self.keys.encode(&rows, &self.key));
        let found = shared.state.get_many(self.state, &groups.keys)?;
        let mut write = StateWrite::new(self.state);
        let (starts, members) = groups.rows();
        let mut turns = Vec::with_capacity(groups.len());
        let mut value = Vec::new();
        for (group, key) in groups.keys.iter().enumerate() {
            let members = &members[starts[group] as usize..starts[group + 1] as usize];
            let before = found.get(group).map_or(Ok(Counts::default()), |value| self.read(value))?;
            let mut after = before;
            let (mut went, mut came) = (None, None);
            for &member in members {
                let change = net[member as usize].1;
                after.left += change.left;
                after.right += change.right;
                match change.left {
                    0 => (),
                    ..0 => went = Some(member),
                    _ => came = Some(member),
                }
            }
            assert!(after.left >= 0 && after.right >= 0, "a row in {} would occur {after:?} times", self.state);
            if after == Counts::default() {
                write.delete(key);
            } else {
                value.clear();
                write_counts(after, &mut value);
                write.put(key, &value);
            }
            let same = members[0];
            turns.push(Turn { rows: [went.unwrap_or(same), came.unwrap_or(same)], counts: [before, after] });
        }
        shared.write(write);
        Ok(Some(Turned { rows, turns }))
    }

    /// Each different row whose counts change, by its position. The first `lefts` changes are those of the left side.
    fn net(all: &Changes, lefts: usize) -> Vec<(u32, Counts)> {
        let groups = Groups::of_rows(&all.rows);
        let mut counts = vec![Counts::default(); groups.len()];
        for (row, (&group, diff)) in groups.of_row.iter().zip(&all.diffs).enumerate() {
            let counts = &mut counts[group as usize];
            *if row < lefts { &mut counts.left } else { &mut counts.right } += diff;
        }
        let changed = groups.first_row.into_iter().zip(counts);
        changed.filter(|(_, counts)| *counts != Counts::default()).collect()
    }

    fn read(&self, value: &[u8]) -> Result<Counts, EngineError> {
        let counts = || {
            let (&FORMAT, mut rest) = value.split_first()? else { return None };
            let mut next = || i64::try_from(read_unsigned(&mut rest)?).ok();
            let counts = Counts { left: next()?, right: next()? };
            rest.is_empty().then_some(counts)
        };
        let source = || CorruptRow(format!("{value:x?} are not the counts of a row"));
        counts().ok_or_else(|| EngineError::Corrupt { relation: self.state, source: source() })
    }
}

impl Turned {
    /// The changes of rows that come out as often as `times` says.
    pub(crate) fn changes(&self, times: impl Fn(Counts) -> i64) -> Changes {
        let (mut rows, mut diffs) = (Vec::new(), Vec::new());
        let mut push = |row: u32, diff: i64| {
            if diff != 0 {
                rows.push(row);
                diffs.push(diff);
            }
        };
        for Turn { rows: [old, new], counts } in &self.turns {
            let [before, after] = counts.map(&times);
            if old == new {
                push(*new, after - before);
            } else {
                push(*old, -before);
                push(*new, after);
            }
        }
        Changes::new(take_rows(&self.rows, &UInt32Array::from(rows)), diffs)
    }
}

fn write_counts(counts: Counts, out: &mut Vec<u8>) {
    out.push(FORMAT);
    write_unsigned(counts.left as u64, out);
    write_unsigned(counts.right as u64, out);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn the_bytes_of_both_counts_stay_as_they_are() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let sided = Sided::new(RelationId(7), &schema, &[0]);
        let mut value = Vec::new();
        write_counts(Counts { left: 1, right: 300 }, &mut value);
        assert_eq!(value, [1, 1, 0xac, 0x02]);
        assert_eq!(sided.read(&value).unwrap(), Counts { left: 1, right: 300 });
        for bytes in [&[][..], &[1], &[1, 5], &[2, 5, 5], &[1, 5, 5, 0]] {
            assert!(
                matches!(sided.read(bytes), Err(EngineError::Corrupt { relation: RelationId(7), .. })),
                "{bytes:x?}"
            );
        }
    }
}
