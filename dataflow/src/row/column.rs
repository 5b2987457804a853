//! An Arrow column seen as plain slices, downcast once.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};

use super::list;
use super::native::canonical_f64;

/// Whether a column of this type can be stored and flow through the engine.
pub fn supported(data_type: &DataType) -> bool {
    Kind::of(data_type).is_some()
}

/// The same values with every float in its one canonical representation (see [`canonical_f64`]).
pub fn canonical(array: &ArrayRef) -> ArrayRef {
    if let Some(lists) = array.as_list_opt::<i32>() {
        return list::canonical_lists(lists).unwrap_or_else(|| array.clone());
    }
    let Some(floats) = array.as_primitive_opt::<Float64Type>() else { return array.clone() };
    if floats.values().iter().all(|&value| canonical_f64(value).to_bits() == value.to_bits()) {
        return array.clone();
    }
    let values = floats.values().iter().map(|&value| canonical_f64(value)).collect::<Vec<_>>();
    Arc::new(Float64Array::new(values.into(), floats.nulls().cloned()))
}

/// How a type's values lie in memory and in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    /// Int32, Date32.
    I32,
    /// Int64, Timestamp.
    I64,
    F64,
    /// Decimal128.
    I128,
    /// Utf8, Binary, LargeBinary, and lists of all these as [`list`] has them.
    Bytes,
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Option<Kind> {
        match data_type {
            DataType::Boolean => Some(Kind::Boolean),
            DataType::Int32 | DataType::Date32 => Some(Kind::I32),
            DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, None) => Some(Kind::I64),
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if matches!(&**zone, "UTC" | "+00:00") => {
                Some(Kind::I64)
            }
            DataType::Float64 => Some(Kind::F64),
            DataType::Decimal128(_, _) => Some(Kind::I128),
            DataType::Utf8 | DataType::Binary | DataType::LargeBinary => Some(Kind::Bytes),
            DataType::List(item) if matches!(item.data_type(), DataType::List(_)) => None,
            DataType::List(item) => Kind::of(item.data_type()).map(|_| Kind::Bytes),
            _ => None,
        }
    }

    /// Panics on a type that [`supported`] refuses.
    pub(super) fn expect(data_type: &DataType) -> Kind {
        Kind::of(data_type).unwrap_or_else(|| panic!("{data_type} cannot be stored in a row"))
    }

    /// Bytes of a value; `None` where they vary.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Kind::Boolean => Some(1),
            Kind::I32 => Some(4),
            Kind::I64 | Kind::F64 => Some(8),
            Kind::I128 => Some(16),
            Kind::Bytes => None,
        }
    }
}

/// A column's values.
#[derive(Clone)]
pub(super) enum Values<'a> {
    Boolean(&'a BooleanBuffer),
    I32(&'a [i32]),
    I64(&'a [i64]),
    F64(&'a [f64]),
    I128(&'a [i128]),
    Bytes(ByteValues),
}

/// Text or binary values: `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone)]
pub(super) struct ByteValues {
    pub(super) offsets: OffsetBuffer<i32>,
    pub(super) bytes: Buffer,
}

impl ByteValues {
    pub(super) fn get(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// The values of all rows, end to end.
    pub(super) fn all(&self) -> &[u8] {
        &self.bytes[self.offsets[0] as usize..self.offsets[self.offsets.len() - 1] as usize]
    }
}

/// A column of a supported type.
#[derive(Clone)]
pub(super) struct Column<'a> {
    pub(super) values: Values<'a>,
    /// `None` where no row is NULL.
    pub(super) nulls: Option<&'a NullBuffer>,
}

impl<'a> Column<'a> {
    /// Panics on a type that [`supported`] refuses.
    pub(super) fn new(array: &'a dyn Array) -> Column<'a> {
        let values = match array.data_type() {
            DataType::Boolean => Values::Boolean(array.as_boolean().values()),
            DataType::Int32 => Values::I32(array.as_primitive::<Int32Type>().values()),
            DataType::Date32 => Values::I32(array.as_primitive::<Date32Type>().values()),
            DataType::Int64 => Values::I64(array.as_primitive::<Int64Type>().values()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::I64(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::Float64 => Values::F64(array.as_primitive::<Float64Type>().values()),
            DataType::Decimal128(_, _) => Values::I128(array.as_primitive::<Decimal128Type>().values()),
            DataType::Utf8 => {
                let text = array.as_string::<i32>();
                Values::Bytes(ByteValues { offsets: text.offsets().clone(), bytes: text.values().clone() })
            }
            DataType::Binary => {
                let binary = array.as_binary::<i32>();
                Values::Bytes(ByteValues { offsets: binary.offsets().clone(), bytes: binary.values().clone() })
            }
            DataType::LargeBinary => {
                let binary = array.as_binary::<i64>();
                Values::Bytes(ByteValues { offsets: narrow(binary.offsets()), bytes: binary.values().clone() })
            }
            DataType::List(_) => Values::Bytes(list::encode(array.as_list::<i32>())),
            other => panic!("{other} cannot be stored in a row"),
        };
        Column { values, nulls: array.nulls().filter(|nulls| nulls.null_count() > 0) }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }
}

/// Evaluates one of two expressions on a column's values: `$fixed` with `$get` as the function from row to native value,
/// or `$variable` with `$bytes` as the text or binary values.
macro_rules! for_values {
    ($values:expr, $get:ident => $fixed:expr, $bytes:ident => $variable:expr) => {
        match &$values {
            $crate::row::column::Values::Boolean(values) => {
                let $get = |row: usize| values.value(row);
                $fixed
            }
            $crate::row::column::Values::I32(values) => {
                let $get = |row: usize| values[row];
                $fixed
            }
            $crate::row::column::Values::I64(values) => {
                let $get = |row: usize| values[row];
                $fixed
            }
            $crate::row::column::Values::F64(values) => {
                let $get = |row: usize| values[row];
                $fixed
            }
            $crate::row::column::Values::I128(values) => {
                let $get = |row: usize| values[row];
                $fixed
            }
            $crate::row::column::Values::Bytes($bytes) => $variable,
        }
    };
}
pub(super) use for_values;

/// Offsets of values that are less than 2 GiB in one batch.
fn narrow(offsets: &OffsetBuffer<i64>) -> OffsetBuffer<i32> {
    let narrow = |&offset: &i64| i32::try_from(offset).expect("less than 2 GiB of values in one batch");
    OffsetBuffer::new(offsets.iter().map(narrow).collect())
}
