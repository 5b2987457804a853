//! Decoded values on their way to an Arrow column.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    LargeBinaryArray, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;

use super::codec::CorruptRow;
use super::column::Kind;
use super::list;

/// One column's values so far; where a row is NULL there is a default.
pub(super) enum ColumnBuilder {
    Boolean(Vec<bool>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    Bytes(BytesBuilder),
}

/// Text or binary values end to end.
pub(super) struct BytesBuilder {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl BytesBuilder {
    /// Appends to the value that is not ended yet.
    pub(super) fn extend(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Ends a value; panics when a batch would hold 2 GiB of one column.
    pub(super) fn end_value(&mut self) {
        self.offsets.push(i32::try_from(self.bytes.len()).expect("less than 2 GiB of text in one batch"));
    }
}

impl ColumnBuilder {
    pub(super) fn new(kind: Kind, rows: usize) -> ColumnBuilder {
        match kind {
            Kind::Boolean => ColumnBuilder::Boolean(Vec::with_capacity(rows)),
            Kind::I32 => ColumnBuilder::I32(Vec::with_capacity(rows)),
            Kind::I64 => ColumnBuilder::I64(Vec::with_capacity(rows)),
            Kind::F64 => ColumnBuilder::F64(Vec::with_capacity(rows)),
            Kind::I128 => ColumnBuilder::I128(Vec::with_capacity(rows)),
            Kind::Bytes => {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                ColumnBuilder::Bytes(BytesBuilder { offsets, bytes: Vec::new() })
            }
        }
    }

    /// The column, of a type that lies in memory as this builder's values do. `valid` is false where a row is NULL.
    pub(super) fn finish(self, data_type: &DataType, valid: &[bool]) -> Result<ArrayRef, CorruptRow> {
        let nulls = (!valid.iter().all(|&valid| valid)).then(|| NullBuffer::from(valid));
        Ok(match self {
            ColumnBuilder::Boolean(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            ColumnBuilder::I32(values) => match data_type {
                DataType::Date32 => Arc::new(Date32Array::new(values.into(), nulls)),
                _ => Arc::new(Int32Array::new(values.into(), nulls)),
            },
            ColumnBuilder::I64(values) => match data_type {
                DataType::Timestamp(_, zone) => {
                    let array = TimestampMicrosecondArray::new(values.into(), nulls);
                    Arc::new(array.with_timezone_opt(zone.clone()))
                }
                _ => Arc::new(Int64Array::new(values.into(), nulls)),
            },
            ColumnBuilder::F64(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            ColumnBuilder::I128(values) => {
                Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(data_type.clone()))
            }
            ColumnBuilder::Bytes(BytesBuilder { offsets, bytes }) => {
                let offsets = OffsetBuffer::new(offsets.into());
                match data_type {
                    DataType::List(item) => list::decode(&offsets, &bytes, item, nulls)?,
                    DataType::LargeBinary => {
                        let offsets = OffsetBuffer::new(offsets.iter().map(|&offset| i64::from(offset)).collect());
                        Arc::new(LargeBinaryArray::new(offsets, Buffer::from_vec(bytes), nulls))
                    }
                    DataType::Binary => Arc::new(BinaryArray::new(offsets, Buffer::from_vec(bytes), nulls)),
                    _ => {
                        let text = StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls);
                        Arc::new(text.map_err(|error| CorruptRow(format!("text is not UTF-8: {error}")))?)
                    }
                }
            }
        })
    }
}
