//! Join: the pairs of rows whose join columns are equal.
//!
//! State: none of its own. The old rows of a side are looked up by the join columns, in the side's stored relation or in its
//! resident arrangement. The changes of an epoch are dA with B's old, A's old with dB, and dA with dB: a change costs one
//! look-up in the other side, and each pair that it makes or unmakes.

pub(crate) mod arrangement;
mod flat;
pub(crate) mod stored;

use std::rc::Rc;

use arrow::array::UInt32Array;
use arrow::datatypes::{DataType, SchemaRef};

use self::stored::Reader;
use super::chain::Chain;
use super::groups::Groups;
use super::rows::{batch, concat, non_null, take_rows};
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::residents::Resident;
use crate::limits::{CHANGES_ROWS_MAX, STEP_ROWS_MAX};
use crate::relation::{RelationId, RelationSchema};
use crate::row::{Block, KeyEncoder, RowCodec};
use crate::state::{KeyRange, State};

/// How the old rows of a side are found.
pub(crate) enum Lookup {
    /// By a prefix of the key of a stored relation; the side's maps and filters are applied again.
    Stored {
        relation: RelationId,
        codec: RowCodec,
        /// The columns of the OTHER side's rows that equal the relation's first key columns.
        probe: Vec<usize>,
        whole_key: bool,
        chain: Chain,
    },
    Resident(Rc<Resident>),
}

impl Lookup {
    /// A stored side whose first key columns equal the columns `probe` of the other side's rows.
    pub(crate) fn stored(relation: RelationId, schema: &RelationSchema, probe: Vec<usize>, chain: Chain) -> Lookup {
        let key_columns = if schema.counted { schema.columns.fields().len() } else { schema.key.len() };
        let whole_key = probe.len() == key_columns;
        Lookup::Stored { relation, codec: RowCodec::new(schema), probe, whole_key, chain }
    }

    /// Hands over the old rows that may join rows of the other side, whose join columns are `on` and not NULL.
    fn old_rows(
        &self,
        state: &dyn State,
        other: &Changes,
        on: &[usize],
        each: &mut dyn FnMut(Changes) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        match self {
            Lookup::Stored { relation, codec, probe, whole_key, chain } => {
                let arrays: Vec<_> = probe.iter().map(|&column| other.rows.column(column).clone()).collect();
                let keys = Groups::of(&codec.key_prefixes(&arrays, other.len())).keys;
                let mut passed_on = |rows| each(chain.apply(rows, None));
                let mut reader = Reader::new(state, *relation, codec, &mut passed_on);
                if *whole_key {
                    reader.look_up(&keys)?;
                } else {
                    keys.iter().try_for_each(|key| reader.scan(&KeyRange::prefix(key)))?;
                }
                reader.finish()
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

/// An inner join on equal columns.
pub(crate) struct Join {
    left: Lookup,
    right: Lookup,
    left_on: Vec<usize>,
    right_on: Vec<usize>,
    keys: KeyEncoder,
    schema: SchemaRef,
    /// The view's name, for messages.
    view: String,
}

impl Join {
    pub(crate) fn new(
        left: Lookup,
        right: Lookup,
        left_on: Vec<usize>,
        right_on: Vec<usize>,
        schema: SchemaRef,
        view: String,
    ) -> Join {
        let types: Vec<DataType> = left_on.iter().map(|&column| schema.field(column).data_type().clone()).collect();
        Join { left, right, left_on, right_on, keys: KeyEncoder::new(&types), schema, view }
    }

    /// The changes of the pairs for the changes of both sides.
    pub(crate) fn run(
        &self,
        state: &dyn State,
        left: Vec<Changes>,
        right: Vec<Changes>,
    ) -> Result<Vec<Changes>, EngineError> {
        let left = concat(left).map(|changes| non_null(changes, &self.left_on)).filter(|changes| !changes.is_empty());
        let right =
            concat(right).map(|changes| non_null(changes, &self.right_on)).filter(|changes| !changes.is_empty());
        let mut pairs = Pairs { join: self, done: Vec::new(), rows: 0 };
        if let Some(left) = &left {
            let built = self.build(left, &self.left_on);
            self.right.old_rows(state, left, &self.left_on, &mut |old| pairs.with_right(&built, left, &old))?;
            if let Some(right) = &right {
                pairs.with_right(&built, left, right)?;
            }
        }
        if let Some(right) = &right {
            let built = self.build(right, &self.right_on);
            self.left.old_rows(state, right, &self.right_on, &mut |old| pairs.with_left(&built, right, &old))?;
        }
        Ok(pairs.done)
    }

    fn build(&self, changes: &Changes, on: &[usize]) -> Built {
        let groups = Groups::of(&self.keys.encode(&changes.rows, on));
        let (starts, rows) = groups.rows();
        Built { groups, starts, rows }
    }
}

/// Changes of one side, found by their join columns.
struct Built {
    groups: Groups,
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Built {
    /// The positions (here, there) of all pairs with these keys.
    fn pairs(
        &self,
        keys: &Block,
        mut each: impl FnMut(u32, u32) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        for (there, key) in keys.iter().enumerate() {
            if let Some(group) = self.groups.find(key) {
                let rows = self.starts[group] as usize..self.starts[group + 1] as usize;
                self.rows[rows].iter().try_for_each(|&here| each(here, there as u32))?;
            }
        }
        Ok(())
    }
}

/// The changes that a join makes.
struct Pairs<'a> {
    join: &'a Join,
    done: Vec<Changes>,
    rows: usize,
}

impl Pairs<'_> {
    /// Pairs the left rows that were built with rows of the right side.
    fn with_right(&mut self, built: &Built, left: &Changes, right: &Changes) -> Result<(), EngineError> {
        let keys = self.join.keys.encode(&right.rows, &self.join.right_on);
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        built.pairs(&keys, |here, there| {
            lefts.push(here);
            rights.push(there);
            self.full(left, right, &mut lefts, &mut rights)
        })?;
        self.flush(left, right, &mut lefts, &mut rights)
    }

    /// Pairs the right rows that were built with rows of the left side.
    fn with_left(&mut self, built: &Built, right: &Changes, left: &Changes) -> Result<(), EngineError> {
        let keys = self.join.keys.encode(&left.rows, &self.join.left_on);
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        built.pairs(&keys, |here, there| {
            lefts.push(there);
            rights.push(here);
            self.full(left, right, &mut lefts, &mut rights)
        })?;
        self.flush(left, right, &mut lefts, &mut rights)
    }

    fn full(
        &mut self,
        left: &Changes,
        right: &Changes,
        lefts: &mut Vec<u32>,
        rights: &mut Vec<u32>,
    ) -> Result<(), EngineError> {
        if lefts.len() < CHANGES_ROWS_MAX { Ok(()) } else { self.flush(left, right, lefts, rights) }
    }

    /// Makes rows of the pairs so far.
    fn flush(
        &mut self,
        left: &Changes,
        right: &Changes,
        lefts: &mut Vec<u32>,
        rights: &mut Vec<u32>,
    ) -> Result<(), EngineError> {
        if lefts.is_empty() {
            return Ok(());
        }
        self.rows += lefts.len();
        if self.rows > STEP_ROWS_MAX {
            return Err(EngineError::TooManyChanges { view: self.join.view.clone(), limit: STEP_ROWS_MAX });
        }
        let diffs = lefts.iter().zip(rights.iter()).map(|(&l, &r)| left.diffs[l as usize] * right.diffs[r as usize]);
        let diffs: Vec<i64> = diffs.collect();
        let (lefts, rights) = (UInt32Array::from(std::mem::take(lefts)), UInt32Array::from(std::mem::take(rights)));
        let mut columns = take_rows(&left.rows, &lefts).columns().to_vec();
        columns.extend_from_slice(take_rows(&right.rows, &rights).columns());
        self.done.push(Changes::new(batch(&self.join.schema, columns, diffs.len()), diffs));
        Ok(())
    }
}
