//! A relation's rows as keys and values, and back to Arrow.

use arrow::array::RecordBatch;

use super::{Block, Value};
use crate::relation::RelationSchema;

/// Encodes and decodes the rows of one relation.
#[derive(Clone, Debug)]
pub struct RowCodec {}

/// Rows read back.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The visible rows (of a bag, each once), in the order given, with the columns asked for.
    pub rows: RecordBatch,
    /// How often each row occurs: 1 but for a bag.
    pub counts: Vec<i64>,
}

impl RowCodec {
    /// The codec of a relation; panics on a type that [`super::supported`] refuses.
    pub fn new(_schema: &RelationSchema) -> RowCodec {
        todo!()
    }

    /// One key a row; `rows` has all the relation's columns.
    pub fn keys(&self, _rows: &RecordBatch) -> Block {
        todo!()
    }

    /// One value a row with an empty tail; key columns are not repeated in it.
    pub fn values(&self, _rows: &RecordBatch) -> Block {
        todo!()
    }

    /// Appends the visible value of row `index` to `out`; the caller may append a tail behind it.
    pub fn write_value(&self, _rows: &RecordBatch, _index: usize, _out: &mut Vec<u8>) {
        todo!()
    }

    /// Appends a value without a row to `out`: a tombstone, or the state of a group whose row is an error.
    pub fn write_hidden(&self, _out: &mut Vec<u8>) {
        todo!()
    }

    /// Takes a value apart. `Err` says what is wrong with the bytes.
    pub fn value<'a>(&self, _value: &'a [u8]) -> Result<Value<'a>, CorruptRow> {
        todo!()
    }

    /// Decodes (key, value) pairs to Arrow, hidden ones left out. `projection`: the columns wanted, `None` for all.
    pub fn decode<'a>(
        &self,
        _entries: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        _projection: Option<&[usize]>,
    ) -> Result<Decoded, CorruptRow> {
        todo!()
    }
}

/// Stored bytes that this version cannot read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("stored row cannot be read: {0}")]
pub struct CorruptRow(pub String);
