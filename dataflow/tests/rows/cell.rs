//! Values written out by hand: made at random, ordered by a comparator of their own, turned into Arrow columns.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// One value of a row.
#[derive(Clone, Debug)]
pub enum Cell {
    Null,
    Boolean(bool),
    I32(i32),
    I64(i64),
    F64(f64),
    I128(i128),
    Text(String),
    Binary(Vec<u8>),
    List(Vec<Cell>),
}

/// Every supported type.
pub fn types() -> Vec<DataType> {
    let timestamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    vec![
        DataType::Boolean,
        DataType::Int32,
        DataType::Int64,
        DataType::Float64,
        DataType::Decimal128(38, 10),
        DataType::Decimal128(12, 2),
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        timestamp(None),
        timestamp(Some("UTC")),
        timestamp(Some("+00:00")),
        list(DataType::Int32),
        list(DataType::Float64),
        list(DataType::Utf8),
    ]
}

fn list(of: DataType) -> DataType {
    DataType::List(Field::new_list_field(of, true).into())
}

/// A value of the type, one in five NULL, the others from a few near each other and the extremes.
pub fn random_cell(data_type: &DataType, random: &mut ChaCha8Rng) -> Cell {
    if random.random_ratio(1, 5) {
        return Cell::Null;
    }
    match data_type {
        DataType::Boolean => Cell::Boolean(random.random()),
        DataType::Int32 | DataType::Date32 => Cell::I32(pick(random, &[i32::MIN, i32::MAX, -1, 0, 1, 255, 256])),
        DataType::Int64 | DataType::Timestamp(_, _) => {
            Cell::I64(pick(random, &[i64::MIN, i64::MAX, -1, 0, 1, 255, 256, 1 << 40]))
        }
        DataType::Decimal128(38, _) => {
            let largest = 10i128.pow(38) - 1;
            Cell::I128(pick(random, &[-largest, largest, -1, 0, 1, 1 << 64, -(1 << 64)]))
        }
        DataType::Decimal128(_, _) => Cell::I128(pick(random, &[-999_999_999_999, 999_999_999_999, -1, 0, 1])),
        DataType::Float64 => Cell::F64(random_float(random)),
        DataType::Utf8 => {
            let len = random.random_range(0..6);
            Cell::Text((0..len).map(|_| pick(random, &['\0', '\u{1}', 'a', 'b', 'ñ', '\u{7f}', '𝄞'])).collect())
        }
        DataType::Binary => {
            let len = random.random_range(0..6);
            Cell::Binary((0..len).map(|_| pick(random, &[0, 1, 2, 0x7f, 0x80, 0xfe, 0xff])).collect())
        }
        DataType::List(item) => {
            let len = random.random_range(0..4);
            Cell::List((0..len).map(|_| random_cell(item.data_type(), random)).collect())
        }
        other => panic!("no values of {other}"),
    }
}

fn random_float(random: &mut ChaCha8Rng) -> f64 {
    let some = [
        0.0,
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
        1.5,
        -1.5,
    ];
    if random.random() { pick(random, &some) } else { f64::from_bits(random.random()) }
}

fn pick<T: Copy>(random: &mut ChaCha8Rng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

/// NULLs last, false before true, NaN above all numbers and equal to itself, `-0.0` equal to `0.0`, text by its UTF-8 bytes.
pub fn compare(left: &Cell, right: &Cell) -> Ordering {
    match (left, right) {
        (Cell::Null, Cell::Null) => Ordering::Equal,
        (Cell::Null, _) => Ordering::Greater,
        (_, Cell::Null) => Ordering::Less,
        (Cell::Boolean(left), Cell::Boolean(right)) => left.cmp(right),
        (Cell::I32(left), Cell::I32(right)) => left.cmp(right),
        (Cell::I64(left), Cell::I64(right)) => left.cmp(right),
        (Cell::I128(left), Cell::I128(right)) => left.cmp(right),
        (Cell::F64(left), Cell::F64(right)) => match (left.is_nan(), right.is_nan()) {
            (false, false) => left.partial_cmp(right).unwrap(),
            (left, right) => left.cmp(&right),
        },
        (Cell::Text(left), Cell::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Cell::Binary(left), Cell::Binary(right)) => left.cmp(right),
        (Cell::List(left), Cell::List(right)) => compare_rows(left, right).then_with(|| left.len().cmp(&right.len())),
        (left, right) => panic!("{left:?} and {right:?} are not of one type"),
    }
}

/// Rows compared column by column.
pub fn compare_rows(left: &[Cell], right: &[Cell]) -> Ordering {
    left.iter().zip(right).map(|(left, right)| compare(left, right)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// A column of the cells.
pub fn array<'a>(data_type: &DataType, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    macro_rules! column {
        ($variant:ident, $array:ty) => {
            cells
                .map(|cell| match cell {
                    Cell::Null => None,
                    Cell::$variant(value) => Some(value.clone()),
                    other => panic!("{other:?} in a column of {data_type}"),
                })
                .collect::<$array>()
        };
    }
    match data_type {
        DataType::Boolean => Arc::new(column!(Boolean, BooleanArray)),
        DataType::Int32 => Arc::new(column!(I32, Int32Array)),
        DataType::Date32 => Arc::new(column!(I32, Date32Array)),
        DataType::Int64 => Arc::new(column!(I64, Int64Array)),
        DataType::Timestamp(_, zone) => {
            Arc::new(column!(I64, TimestampMicrosecondArray).with_timezone_opt(zone.clone()))
        }
        DataType::Float64 => Arc::new(column!(F64, Float64Array)),
        DataType::Decimal128(_, _) => Arc::new(column!(I128, Decimal128Array).with_data_type(data_type.clone())),
        DataType::Utf8 => Arc::new(column!(Text, StringArray)),
        DataType::Binary => {
            let values: Vec<Option<Vec<u8>>> = cells
                .map(|cell| match cell {
                    Cell::Null => None,
                    Cell::Binary(value) => Some(value.clone()),
                    other => panic!("{other:?} in a column of {data_type}"),
                })
                .collect();
            Arc::new(values.iter().map(|value| value.as_deref()).collect::<BinaryArray>())
        }
        DataType::List(item) => {
            let (mut items, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
            for cell in cells {
                let list = match cell {
                    Cell::Null => None,
                    Cell::List(list) => Some(list),
                    other => panic!("{other:?} in a column of {data_type}"),
                };
                items.extend(list.into_iter().flatten());
                lengths.push(list.map_or(0, Vec::len));
                valid.push(list.is_some());
            }
            let values = array(item.data_type(), items.into_iter());
            let offsets = OffsetBuffer::from_lengths(lengths);
            Arc::new(ListArray::new(item.clone(), offsets, values, Some(valid.into())))
        }
        other => panic!("no columns of {other}"),
    }
}

/// A batch of rows with columns `c0`, `c1`, ...
pub fn batch(types: &[DataType], rows: &[Vec<Cell>]) -> RecordBatch {
    let fields: Vec<Field> =
        types.iter().enumerate().map(|(i, data_type)| Field::new(format!("c{i}"), data_type.clone(), true)).collect();
    let columns = types.iter().enumerate().map(|(i, data_type)| array(data_type, rows.iter().map(|row| &row[i])));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect()).unwrap()
}
