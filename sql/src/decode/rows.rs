//! Rows of cells on their way to Arrow.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder,
    Int64Builder, LargeBinaryBuilder, ListArray, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, FieldRef, SchemaRef, TimeUnit};

use super::Cell;

/// The cells of one column so far.
enum ColumnBuilder {
    Bool(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Json(LargeBinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    List(ListColumn),
}

/// Lists, their items end to end.
struct ListColumn {
    item: FieldRef,
    items: Box<ColumnBuilder>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

/// Collects whole rows, so that one that fails leaves nothing behind.
pub struct RowsBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    rows: usize,
}

impl RowsBuilder {
    /// Panics on a type that the row codec refuses.
    pub fn new(schema: SchemaRef) -> RowsBuilder {
        let columns = schema.fields().iter().map(|field| ColumnBuilder::new(field.data_type())).collect();
        RowsBuilder { schema, columns, rows: 0 }
    }

    /// Appends a row: one cell a column, each of its column's type.
    pub fn push(&mut self, cells: &[Cell<'_>]) {
        assert_eq!(cells.len(), self.columns.len(), "one cell a column");
        self.columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        self.rows += 1;
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows as one batch.
    pub fn finish(mut self) -> RecordBatch {
        let arrays = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(self.schema, arrays, &options).expect("cells fit their columns")
    }
}

impl ColumnBuilder {
    fn new(data_type: &DataType) -> ColumnBuilder {
        match data_type {
            DataType::Boolean => ColumnBuilder::Bool(BooleanBuilder::new()),
            DataType::Int32 => ColumnBuilder::Int32(Int32Builder::new()),
            DataType::Int64 => ColumnBuilder::Int64(Int64Builder::new()),
            DataType::Float64 => ColumnBuilder::Float(Float64Builder::new()),
            DataType::Decimal128(_, _) => {
                ColumnBuilder::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Utf8 => ColumnBuilder::Text(StringBuilder::new()),
            DataType::Binary => ColumnBuilder::Bytes(BinaryBuilder::new()),
            DataType::LargeBinary => ColumnBuilder::Json(LargeBinaryBuilder::new()),
            DataType::Date32 => ColumnBuilder::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                ColumnBuilder::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()))
            }
            DataType::List(item) => ColumnBuilder::List(ListColumn {
                item: item.clone(),
                items: Box::new(ColumnBuilder::new(item.data_type())),
                lengths: Vec::new(),
                valid: Vec::new(),
            }),
            other => panic!("a column of type {other} cannot be stored"),
        }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (ColumnBuilder::Bool(builder), Cell::Bool(value)) => builder.append_value(*value),
            (ColumnBuilder::Int32(builder), Cell::Int(value)) => {
                builder.append_value(i32::try_from(*value).expect("checked when decoded"));
            }
            (ColumnBuilder::Int64(builder), Cell::Int(value)) => builder.append_value(*value),
            (ColumnBuilder::Float(builder), Cell::Float(value)) => builder.append_value(*value),
            (ColumnBuilder::Decimal(builder), Cell::Decimal(value)) => builder.append_value(*value),
            (ColumnBuilder::Text(builder), Cell::Text(value)) => builder.append_value(value),
            (ColumnBuilder::Bytes(builder), Cell::Bytes(value)) => builder.append_value(value),
            (ColumnBuilder::Json(builder), Cell::Json(document)) => builder.append_value(document),
            (ColumnBuilder::Date(builder), Cell::Date(value)) => builder.append_value(*value),
            (ColumnBuilder::Timestamp(builder), Cell::Timestamp(value)) => builder.append_value(*value),
            (ColumnBuilder::List(lists), Cell::List(items)) => {
                items.iter().for_each(|item| lists.items.push(item));
                lists.lengths.push(items.len());
                lists.valid.push(true);
            }
            (builder, Cell::Null) => builder.push_null(),
            (_, cell) => panic!("{cell:?} in a column of another type"),
        }
    }

    fn push_null(&mut self) {
        match self {
            ColumnBuilder::Bool(builder) => builder.append_null(),
            ColumnBuilder::Int32(builder) => builder.append_null(),
            ColumnBuilder::Int64(builder) => builder.append_null(),
            ColumnBuilder::Float(builder) => builder.append_null(),
            ColumnBuilder::Decimal(builder) => builder.append_null(),
            ColumnBuilder::Text(builder) => builder.append_null(),
            ColumnBuilder::Bytes(builder) => builder.append_null(),
            ColumnBuilder::Json(builder) => builder.append_null(),
            ColumnBuilder::Date(builder) => builder.append_null(),
            ColumnBuilder::Timestamp(builder) => builder.append_null(),
            ColumnBuilder::List(lists) => {
                lists.lengths.push(0);
                lists.valid.push(false);
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            ColumnBuilder::Bool(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Int32(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Int64(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Float(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Decimal(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Text(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Bytes(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Json(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Date(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Timestamp(builder) => Arc::new(builder.finish()),
            ColumnBuilder::List(ListColumn { item, items, lengths, valid }) => {
                let offsets = OffsetBuffer::from_lengths(std::mem::take(lengths));
                let nulls = std::mem::take(valid).into();
                Arc::new(ListArray::new(item.clone(), offsets, items.finish(), Some(nulls)))
            }
        }
    }
}
