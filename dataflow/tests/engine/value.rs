//! Values of test rows, and their way to Arrow and back.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::*;

/// A value, ordered as the engine orders them: NULL last, NaN after every number.
#[derive(Clone, Debug)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Decimal(i128),
    Text(String),
    Time(i64),
    List(Vec<Value>),
    Null,
}

pub type Row = Vec<Value>;

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Value::Bool(_) => 0,
            Value::Int(_) => 1,
            Value::Float(_) => 2,
            Value::Decimal(_) => 3,
            Value::Text(_) => 4,
            Value::Time(_) => 5,
            Value::List(_) => 6,
            Value::Null => 7,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> std::cmp::Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
            (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::List(a), Value::List(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

/// The value of a column at a row.
pub fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => Value::Decimal(column.as_primitive::<Decimal128Type>().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).into()),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            Value::List((0..items.len()).map(|at| value(&items, at)).collect())
        }
        DataType::Timestamp(..) => Value::Time(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        other => panic!("{other} is not among the tested types"),
    }
}

/// A column of values.
pub fn array(data_type: &DataType, values: &[Value]) -> ArrayRef {
    macro_rules! collect {
        ($array:ty, $variant:path) => {
            values
                .iter()
                .map(|value| match value {
                    $variant(value) => Some(value.clone()),
                    Value::Null => None,
                    other => panic!("{other:?} in a column of {data_type}"),
                })
                .collect::<$array>()
        };
    }
    match data_type {
        DataType::Boolean => Arc::new(collect!(BooleanArray, Value::Bool)),
        DataType::Int64 => Arc::new(collect!(Int64Array, Value::Int)),
        DataType::Float64 => Arc::new(collect!(Float64Array, Value::Float)),
        DataType::Decimal128(..) => {
            Arc::new(collect!(Decimal128Array, Value::Decimal).with_data_type(data_type.clone()))
        }
        DataType::Utf8 => Arc::new(collect!(StringArray, Value::Text)),
        DataType::List(item) => {
            let items = |value: &Value| match value {
                Value::List(items) => items.clone(),
                Value::Null => vec![],
                other => panic!("{other:?} in a column of {data_type}"),
            };
            let all: Vec<Value> = values.iter().flat_map(items).collect();
            let offsets = OffsetBuffer::from_lengths(values.iter().map(|value| items(value).len()));
            let valid: Vec<bool> = values.iter().map(|value| *value != Value::Null).collect();
            Arc::new(ListArray::new(item.clone(), offsets, array(item.data_type(), &all), Some(valid.into())))
        }
        DataType::Timestamp(..) => {
            Arc::new(collect!(TimestampMicrosecondArray, Value::Time).with_data_type(data_type.clone()))
        }
        other => panic!("{other} is not among the tested types"),
    }
}

/// A batch of rows.
pub fn batch(schema: &SchemaRef, rows: &[Row]) -> RecordBatch {
    let column = |(index, field): (usize, &FieldRef)| {
        let values: Vec<Value> = rows.iter().map(|row| row[index].clone()).collect();
        array(field.data_type(), &values)
    };
    let columns = schema.fields().iter().enumerate().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).unwrap()
}

/// The rows of a batch.
pub fn rows(batch: &RecordBatch) -> Vec<Row> {
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| value(column, row)).collect()).collect()
}
