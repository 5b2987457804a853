//! The key codec: byte order is row order.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;

use super::Block;

/// Whether a column of this type can be stored and flow through the engine.
pub fn supported(_data_type: &DataType) -> bool {
    todo!()
}

/// Encodes chosen columns of batches of one schema as keys.
#[derive(Clone, Debug)]
pub struct KeyEncoder {}

impl KeyEncoder {
    /// An encoder of columns of these types, in key order.
    pub fn new(_types: &[DataType]) -> KeyEncoder {
        todo!()
    }

    /// One key a row, from the columns at `columns` of `rows` (types as given to `new`).
    pub fn encode(&self, _rows: &RecordBatch, _columns: &[usize]) -> Block {
        todo!()
    }
}
