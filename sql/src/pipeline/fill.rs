//! A new view is filled from the rows that its sources have already, in bounded pieces, while ingestion waits.

use std::ops::ControlFlow;

use dataflow::limits::CHANGES_ROWS_MAX;
use dataflow::{Block, Changes, Direction, EngineError, KeyRange, RelationId, RowCodec, State, StateError};

use super::errors::ErrorChanges;
use super::owner::Owner;

impl Owner {
    /// Feeds every row of the view's sources to it. The view is not in the catalogue yet: `name` is what its errors say.
    pub(super) fn fill(&mut self, view: RelationId, name: &str) -> Result<ErrorChanges, EngineError> {
        let mut errors = ErrorChanges::default();
        self.fill_piece(view, name, vec![], &mut errors)?;
        for source in self.engine.fill_sources(view) {
            let mut from = KeyRange::all();
            while let Some(changes) = self.piece(source, &mut from)? {
                self.fill_piece(view, name, vec![(source, changes)], &mut errors)?;
            }
        }
        Ok(errors)
    }

    fn fill_piece(
        &mut self,
        view: RelationId,
        name: &str,
        rows: Vec<(RelationId, Changes)>,
        errors: &mut ErrorChanges,
    ) -> Result<(), EngineError> {
        let outcome = self.engine.fill(view, rows)?;
        errors.add(outcome.errors, |_| name.to_owned());
        let failed = |error: storage::StoreError| StateError { relation: view, reason: error.to_string() };
        Ok(self.shared.store.fill(outcome.state).map_err(failed)?)
    }

    /// The next rows of a relation; `None` at its end.
    fn piece(&self, source: RelationId, from: &mut KeyRange) -> Result<Option<Changes>, EngineError> {
        let (mut keys, mut values) = (Block::default(), Block::default());
        self.shared.store.scan(source, from, Direction::Ascending, &mut |key, value| {
            keys.push(key);
            values.push(value);
            if keys.len() < CHANGES_ROWS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if keys.is_empty() {
            return Ok(None);
        }
        // The first key after the last one.
        from.start = [keys.get(keys.len() - 1), &[0]].concat();
        let codec: &RowCodec = &self.codecs[&source];
        let decoded = codec.decode(keys.iter().zip(values.iter()), None);
        let decoded = decoded.map_err(|error| EngineError::Corrupt { relation: source, source: error })?;
        Ok(Some(Changes::new(decoded.rows, decoded.counts)))
    }
}
