//! Rows that an expression of a view fails on, kept in `caudal.errors` with how often they occur.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use dataflow::row::KeyEncoder;
use dataflow::{Block, Direction, ErrorChange, KeyRange, MemoryState, RelationId, RowCodec, State, StateWrite};

use super::table::TableError;
use crate::decode::{Cell, RowsBuilder};
use crate::system;

/// Error rows and how much their counts change: (view, operator, row, message).
#[derive(Debug, Default)]
pub struct ErrorChanges {
    counts: BTreeMap<(String, u32, String, String), i64>,
}

impl ErrorChanges {
    /// Adds what an epoch, or a part of a fill, says.
    pub fn add(&mut self, changes: Vec<ErrorChange>, name: impl Fn(RelationId) -> String) {
        for change in changes {
            *self.counts.entry((name(change.view), change.operator, change.row, change.message)).or_default() +=
                change.diff;
        }
    }

    /// The rows of `caudal.errors` that change. `stale`: a view whose error rows there are go, whatever comes.
    pub fn writes(
        self,
        codec: &RowCodec,
        state: &dyn State,
        stale: Option<&str>,
    ) -> Result<Option<StateWrite>, TableError> {
        let Some(stale) = stale else { return self.added(codec, state) };
        let mut entries = BTreeMap::new();
        let gone = forget(state, &[stale])?;
        entries.extend(gone.iter().flat_map(StateWrite::iter).map(|(key, _)| (key.to_vec(), None)));
        // Nothing is there to add to: what is of this view goes, and nobody else's rows have its name.
        let new = self.added(codec, &MemoryState::default())?;
        let puts = new.iter().flat_map(StateWrite::iter);
        entries.extend(puts.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))));
        let mut write = StateWrite::new(system::ERRORS);
        for (key, value) in entries {
            match value {
                Some(value) => write.put(&key, &value),
                None => write.delete(&key),
            }
        }
        Ok((!write.is_empty()).then_some(write))
    }

    fn added(self, codec: &RowCodec, state: &dyn State) -> Result<Option<StateWrite>, TableError> {
        let changed: Vec<_> = self.counts.into_iter().filter(|(_, diff)| *diff != 0).collect();
        if changed.is_empty() {
            return Ok(None);
        }
        let rows = |count: &dyn Fn(usize) -> i64| {
            let mut rows = RowsBuilder::new(system::errors());
            for (at, ((view, operator, row, message), _)) in changed.iter().enumerate() {
                rows.push(&[
                    view.as_str().into(),
                    Cell::Int(i64::from(*operator)),
                    row.as_str().into(),
                    message.as_str().into(),
                    Cell::Int(count(at)),
                ]);
            }
            rows.finish()
        };
        let keys = codec.keys(&rows(&|_| 0));
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|&at| keys.get(at));
        let mut sorted = Block::default();
        order.iter().for_each(|&at| sorted.push(keys.get(at)));
        let found = state.get_many(system::ERRORS, &sorted)?;

        let mut counts = vec![0; changed.len()];
        let present: Vec<usize> = (0..sorted.len()).filter(|&at| found.present[at]).collect();
        let entries = present.iter().map(|&at| (sorted.get(at), found.values.get(at)));
        let corrupt = |source| TableError::Corrupt { relation: system::ERRORS, source };
        let before = codec.decode(entries, Some(&[4])).map_err(corrupt)?.rows;
        for (&at, count) in present.iter().zip(before.column(0).as_primitive::<Int64Type>().values()) {
            counts[order[at]] = *count;
        }
        counts.iter_mut().zip(&changed).for_each(|(count, (_, diff))| *count += diff);
        let values = codec.values(&rows(&|at| counts[at]));
        let mut write = StateWrite::new(system::ERRORS);
        for &at in &order {
            match counts[at] {
                0 => write.delete(keys.get(at)),
                _ => write.put(keys.get(at), values.get(at)),
            }
        }
        Ok(Some(write))
    }
}

/// Takes away all error rows of some views.
pub fn forget(state: &dyn State, views: &[&str]) -> Result<Option<StateWrite>, TableError> {
    let names: ArrayRef = Arc::new(StringArray::from(views.to_vec()));
    let encoded = KeyEncoder::new(&[DataType::Utf8]).encode_arrays(&[names], views.len());
    let mut prefixes: Vec<&[u8]> = encoded.iter().collect();
    prefixes.sort_unstable();
    let mut write = StateWrite::new(system::ERRORS);
    for prefix in prefixes {
        state.scan(system::ERRORS, &KeyRange::prefix(prefix), Direction::Ascending, &mut |key, _| {
            write.delete(key);
            ControlFlow::Continue(())
        })?;
    }
    Ok((!write.is_empty()).then_some(write))
}
