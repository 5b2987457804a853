//! Rows read back from a stored relation, in batches.

use std::ops::ControlFlow;

use crate::changes::Changes;
use crate::engine::EngineError;
use crate::limits::CHANGES_ROWS_MAX;
use crate::relation::RelationId;
use crate::row::{Block, RowCodec};
use crate::state::{KeyRange, State};

/// Gathers what look-ups and scans find and hands it over decoded, a batch at a time.
pub(crate) struct Reader<'a> {
    state: &'a dyn State,
    relation: RelationId,
    codec: &'a RowCodec,
    keys: Block,
    values: Block,
    each: &'a mut dyn FnMut(Changes) -> Result<(), EngineError>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        state: &'a dyn State,
        relation: RelationId,
        codec: &'a RowCodec,
        each: &'a mut dyn FnMut(Changes) -> Result<(), EngineError>,
    ) -> Reader<'a> {
        Reader { state, relation, codec, keys: Block::default(), values: Block::default(), each }
    }

    /// Reads the rows under these keys, which are ascending.
    pub(crate) fn look_up(&mut self, keys: &Block) -> Result<(), EngineError> {
        let found = self.state.get_many(self.relation, keys)?;
        for (index, key) in keys.iter().enumerate() {
            if let Some(value) = found.get(index) {
                self.push(key, value)?;
            }
        }
        Ok(())
    }

    /// Reads the rows of a range of keys.
    pub(crate) fn scan(&mut self, range: &KeyRange) -> Result<(), EngineError> {
        self.scan_each(std::slice::from_ref(range))
    }

    /// Reads the rows of ranges of keys, which are ascending and apart.
    pub(crate) fn scan_each(&mut self, ranges: &[KeyRange]) -> Result<(), EngineError> {
        let mut result = Ok(());
        self.state.scan_each(self.relation, ranges, &mut |key, value| {
            self.keys.push(key);
            self.values.push(value);
            if self.keys.len() >= CHANGES_ROWS_MAX {
                result = flush(self.relation, self.codec, &mut self.keys, &mut self.values, self.each);
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result
    }

    /// Hands over what is left.
    pub(crate) fn finish(mut self) -> Result<(), EngineError> {
        flush(self.relation, self.codec, &mut self.keys, &mut self.values, self.each)
    }

    fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.keys.push(key);
        self.values.push(value);
        if self.keys.len() < CHANGES_ROWS_MAX {
            return Ok(());
        }
        flush(self.relation, self.codec, &mut self.keys, &mut self.values, self.each)
    }
}

fn flush(
    relation: RelationId,
    codec: &RowCodec,
    keys: &mut Block,
    values: &mut Block,
    each: &mut dyn FnMut(Changes) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    if keys.is_empty() {
        return Ok(());
    }
    let decoded = codec
        .decode(keys.iter().zip(values.iter()), None)
        .map_err(|source| EngineError::Corrupt { relation, source })?;
    keys.clear();
    values.clear();
    each(Changes::new(decoded.rows, decoded.counts))
}
