//! An epoch's changes of one view as bytes, for those who follow it.
//!
//! `format u8 | changes u32`, then for each change `diff i64 | key length u32 | key | value length u32 | value`, numbers
//! little-endian, key and value in the row codecs.

use bytes::Bytes;
use dataflow::{Changes, RowCodec};

/// The format written today. Pinned by golden bytes; a change of it is a new number.
const FORMAT: u8 = 1;

/// Encodes the changes of a relation with this codec.
pub fn encode(codec: &RowCodec, changes: &[Changes]) -> Bytes {
    let rows: usize = changes.iter().map(Changes::len).sum();
    let mut out = vec![FORMAT];
    out.extend_from_slice(&(rows as u32).to_le_bytes());
    for changes in changes {
        let (keys, values) = (codec.keys(&changes.rows), codec.values(&changes.rows));
        for (at, diff) in changes.diffs.iter().enumerate() {
            out.extend_from_slice(&diff.to_le_bytes());
            for part in [keys.get(at), values.get(at)] {
                out.extend_from_slice(&(part.len() as u32).to_le_bytes());
                out.extend_from_slice(part);
            }
        }
    }
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use dataflow::RelationSchema;

    use super::*;

    #[test]
    fn changes_are_written_as_they_always_were() {
        let fields = vec![Field::new("k", DataType::Int64, false), Field::new("v", DataType::Int64, true)];
        let columns = Arc::new(Schema::new(fields));
        let codec = RowCodec::new(&RelationSchema { columns: columns.clone(), key: vec![0], counted: false });
        let arrays: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 1])), Arc::new(Int64Array::from(vec![Some(2), None]))];
        let rows = RecordBatch::try_new(columns, arrays).unwrap();
        let encoded = encode(&codec, &[Changes::new(rows.clone(), vec![-1, 1])]);
        let mut expected = vec![1, 2, 0, 0, 0];
        for (at, diff) in [-1_i64, 1].into_iter().enumerate() {
            expected.extend_from_slice(&diff.to_le_bytes());
            for part in [codec.keys(&rows).get(at), codec.values(&rows).get(at)] {
                expected.extend_from_slice(&[part.len() as u8, 0, 0, 0]);
                expected.extend_from_slice(part);
            }
        }
        assert_eq!(&encoded[..], expected);
    }
}
