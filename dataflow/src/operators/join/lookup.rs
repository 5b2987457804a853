//! How a join finds the old rows of one of its sides.

use std::rc::Rc;

use arrow::datatypes::SchemaRef;

use super::index::Index;
use super::stored::Reader;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::residents::Resident;
use crate::operators::chain::Chain;
use crate::operators::groups::Groups;
use crate::operators::reduce::Reduce;
use crate::operators::rows::{batch, non_null};
use crate::plan::{Bound, Within};
use crate::relation::{RelationId, RelationSchema};
use crate::row::{Block, RowCodec};
use crate::state::{KeyRange, State, after_prefix};

/// How the old rows of a side are found. What is found may be more than what joins, never less.
pub(crate) enum Lookup {
    /// By a prefix of the key of a stored relation; the side's maps and filters are applied again.
    Stored {
        table: Keyed,
        chain: Chain,
    },
    Resident(Rc<Resident>),
    /// By the groups of a Reduce, whose state tells their rows; the maps and filters above it are applied again.
    Reduced {
        groups: Reduce,
        /// The columns of the OTHER side's rows.
        probe: Vec<usize>,
        chain: Chain,
    },
    /// By a prefix of the key of the join's own index.
    Indexed {
        table: Keyed,
        index: Index,
    },
}

/// A stored relation whose first key columns equal columns of the other side's rows.
pub(crate) struct Keyed {
    relation: RelationId,
    codec: RowCodec,
    /// The columns of the OTHER side's rows.
    probe: Vec<usize>,
    whole_key: bool,
    within: Option<Within>,
}

impl Keyed {
    pub(crate) fn new(
        relation: RelationId,
        schema: &RelationSchema,
        probe: Vec<usize>,
        within: Option<Within>,
    ) -> Keyed {
        let key_columns = if schema.counted { schema.columns.fields().len() } else { schema.key.len() };
        let whole_key = probe.len() == key_columns;
        Keyed { relation, codec: RowCodec::new(schema), probe, whole_key, within }
    }

    /// Hands over the rows with the key columns of some of the other side's.
    fn old_rows(
        &self,
        state: &dyn State,
        other: &Changes,
        each: &mut dyn FnMut(Changes) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut reader = Reader::new(state, self.relation, &self.codec, each);
        match &self.within {
            Some(within) => reader.scan_each(&self.ranges(other, within))?,
            None => {
                let keys = Groups::of(&self.prefixes(other, None)).keys;
                match self.whole_key {
                    true => reader.look_up(&keys)?,
                    false => reader.scan_each(&keys.iter().map(KeyRange::prefix).collect::<Vec<_>>())?,
                }
            }
        }
        reader.finish()
    }

    /// The first key columns that the other side's rows give, and perhaps one more.
    fn prefixes(&self, other: &Changes, more: Option<usize>) -> Block {
        let columns = self.probe.iter().copied().chain(more);
        let arrays: Vec<_> = columns.map(|column| other.rows.column(column).clone()).collect();
        self.codec.key_prefixes(&arrays, other.len())
    }

    /// The ranges of keys that the other side's rows bound, ascending and apart.
    fn ranges(&self, other: &Changes, within: &Within) -> Vec<KeyRange> {
        let bounds: Vec<usize> = [within.lower, within.upper].iter().flatten().map(|bound| bound.column).collect();
        let other = &non_null(other.clone(), &bounds);
        let prefixes = self.prefixes(other, None);
        let ends = [within.lower, within.upper]
            .map(|bound| bound.map(|Bound { column, inclusive }| (self.prefixes(other, Some(column)), inclusive)));
        let mut ranges: Vec<KeyRange> = (0..other.len())
            .filter_map(|row| {
                let whole = KeyRange::prefix(prefixes.get(row));
                let start = match &ends[0] {
                    Some((at, true)) => at.get(row).to_vec(),
                    Some((at, false)) => after_prefix(at.get(row))?,
                    None => whole.start,
                };
                let end = match &ends[1] {
                    Some((at, true)) => after_prefix(at.get(row)),
                    Some((at, false)) => Some(at.get(row).to_vec()),
                    None => whole.end,
                };
                end.as_ref().is_none_or(|end| start < *end).then_some(KeyRange { start, end })
            })
            .collect();
        ranges.sort_unstable_by(|left, right| left.start.cmp(&right.start));
        ranges.dedup_by(|next, last| {
            // What two rows ask for is read once.
            let meets = last.end.as_ref().is_none_or(|end| next.start <= *end);
            if meets && last.end.is_some() && next.end.as_ref().is_none_or(|end| Some(end) > last.end.as_ref()) {
                last.end = next.end.take();
            }
            meets
        });
        ranges
    }
}

impl Lookup {
    /// Hands over the old rows that may join rows of the other side, whose join columns are `on` and not NULL.
    pub(crate) fn old_rows(
        &self,
        state: &dyn State,
        other: &Changes,
        on: &[usize],
        each: &mut dyn FnMut(Changes) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        match self {
            Lookup::Stored { table, chain } => table.old_rows(state, other, &mut |rows| each(chain.apply(rows, None))),
            Lookup::Indexed { table, index } => table.old_rows(state, other, &mut |rows| each(index.of_side(rows))),
            Lookup::Reduced { groups, probe, chain } => {
                let columns: Vec<_> = probe.iter().map(|&column| other.rows.column(column).clone()).collect();
                each(chain.apply(groups.rows_of(state, &columns, other.len())?, None))
            }
            Lookup::Resident(resident) => {
                let mut arrangement = resident.arrangement.borrow_mut();
                let keys = Groups::of(&arrangement.encode(other, on)).keys;
                let (mut rows, mut counts) = (Block::default(), Vec::new());
                arrangement.look_up(&keys, |row, count| {
                    rows.push(row);
                    counts.push(count);
                });
                each(arrangement.decode(&rows, counts).expect("an arrangement holds what was encoded for it"))
            }
        }
    }
}

/// The columns of a batch in another order, under another schema.
pub(super) fn reordered(changes: Changes, columns: &[usize], schema: &SchemaRef) -> Changes {
    let arrays = columns.iter().map(|&column| changes.rows.column(column).clone()).collect();
    Changes::new(batch(schema, arrays, changes.diffs.len()), changes.diffs)
}
