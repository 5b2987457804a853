//! The rows of a join's side in a state table of the join's own, by the join columns.
//!
//! State: (join columns, the side's key) -> the other columns; where the side has no key, (join columns, all other columns)
//! -> how often. A change costs one put or delete, and one look-up where there is no key.

use arrow::datatypes::SchemaRef;

use super::lookup::reordered;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::operators::counted::counted;
use crate::operators::keyed::keyed;
use crate::relation::{RelationId, RelationSchema};
use crate::row::RowCodec;

/// An index and how its rows are made.
pub(crate) struct Index {
    state: RelationId,
    codec: RowCodec,
    /// The index's column `i` is the side's column `columns[i]`.
    columns: Vec<usize>,
    /// The side's column `i` is the index's column `places[i]`.
    places: Vec<usize>,
    side: SchemaRef,
}

impl Index {
    pub(crate) fn new(state: RelationId, schema: &RelationSchema, columns: &[usize], side: SchemaRef) -> Index {
        let place = |column| columns.iter().position(|&known| known == column).expect("an index has all columns");
        let places = (0..columns.len()).map(place).collect();
        Index { state, codec: RowCodec::new(schema), columns: columns.to_vec(), places, side }
    }

    /// Writes an epoch's changes of the side, of which no join column is NULL.
    pub(crate) fn write(&self, shared: &Shared, changes: &Changes) -> Result<(), EngineError> {
        let rows = vec![reordered(changes.clone(), &self.columns, self.codec.columns())];
        let (write, _) = match self.codec.counted() {
            true => counted(self.state, &self.codec, &*shared.state, rows)?,
            false => keyed(self.state, &self.codec, rows),
        };
        shared.write(write);
        Ok(())
    }

    /// Rows of the index as rows of the side.
    pub(crate) fn of_side(&self, changes: Changes) -> Changes {
        reordered(changes, &self.places, &self.side)
    }
}
