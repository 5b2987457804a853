//! The pairs that an epoch's changes of both sides make and unmake.

use arrow::array::UInt32Array;
use arrow::datatypes::{DataType, SchemaRef};

use crate::changes::Changes;
use crate::engine::EngineError;
use crate::limits::{CHANGES_ROWS_MAX, STEP_ROWS_MAX};
use crate::operators::groups::Groups;
use crate::operators::rows::{batch, take_rows};
use crate::row::{Block, KeyEncoder};

/// What makes a pair.
pub(crate) struct Pairing {
    pub(crate) left_on: Vec<usize>,
    pub(crate) right_on: Vec<usize>,
    keys: KeyEncoder,
    /// The left row's columns, then the right row's.
    pub(crate) schema: SchemaRef,
    /// The view's name, for messages.
    view: String,
}

/// Changes of one side, found by their join columns.
pub(crate) struct Built {
    groups: Groups,
    starts: Vec<u32>,
    rows: Vec<u32>,
}

/// The changes of pairs.
pub(crate) struct Pairs<'a> {
    pairing: &'a Pairing,
    pub(crate) done: Vec<Changes>,
    rows: usize,
}

impl Pairing {
    pub(crate) fn new(left_on: Vec<usize>, right_on: Vec<usize>, schema: SchemaRef, view: String) -> Pairing {
        let types: Vec<DataType> = left_on.iter().map(|&column| schema.field(column).data_type().clone()).collect();
        Pairing { left_on, right_on, keys: KeyEncoder::new(&types), schema, view }
    }

    pub(crate) fn build(&self, changes: &Changes, on: &[usize]) -> Built {
        let groups = Groups::of(&self.keys.encode(&changes.rows, on));
        let (starts, rows) = groups.rows();
        Built { groups, starts, rows }
    }

    pub(crate) fn none(&self) -> Pairs<'_> {
        Pairs { pairing: self, done: Vec::new(), rows: 0 }
    }
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

impl Pairs<'_> {
    /// Pairs the left rows that were built with rows of the right side.
    pub(crate) fn with_right(&mut self, built: &Built, left: &Changes, right: &Changes) -> Result<(), EngineError> {
        let keys = self.pairing.keys.encode(&right.rows, &self.pairing.right_on);
        self.with(built, &keys, left, right, |here, there| (here, there))
    }

    /// Pairs the right rows that were built with rows of the left side.
    pub(crate) fn with_left(&mut self, built: &Built, right: &Changes, left: &Changes) -> Result<(), EngineError> {
        let keys = self.pairing.keys.encode(&left.rows, &self.pairing.left_on);
        self.with(built, &keys, left, right, |here, there| (there, here))
    }

    /// Pairs the rows that were built, here, with those that have these keys, there. `sides`: which of a pair is left, which
    /// right.
    fn with(
        &mut self,
        built: &Built,
        keys: &Block,
        left: &Changes,
        right: &Changes,
        sides: impl Fn(u32, u32) -> (u32, u32),
    ) -> Result<(), EngineError> {
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        built.pairs(keys, |here, there| {
            let (l, r) = sides(here, there);
            lefts.push(l);
            rights.push(r);
            if lefts.len() < CHANGES_ROWS_MAX { Ok(()) } else { self.flush(left, right, &mut lefts, &mut rights) }
        })?;
        self.flush(left, right, &mut lefts, &mut rights)
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
            return Err(EngineError::TooManyChanges { view: self.pairing.view.clone(), limit: STEP_ROWS_MAX });
        }
        let diffs = lefts.iter().zip(rights.iter()).map(|(&l, &r)| left.diffs[l as usize] * right.diffs[r as usize]);
        let diffs: Vec<i64> = diffs.collect();
        let (lefts, rights) = (UInt32Array::from(std::mem::take(lefts)), UInt32Array::from(std::mem::take(rights)));
        let mut columns = take_rows(&left.rows, &lefts).columns().to_vec();
        columns.extend_from_slice(take_rows(&right.rows, &rights).columns());
        self.done.push(Changes::new(batch(&self.pairing.schema, columns, diffs.len()), diffs));
        Ok(())
    }
}
