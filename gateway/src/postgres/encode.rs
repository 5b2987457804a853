//! Arrow batches as rows of the wire: each column is encoded as a whole, then the rows are put together.

pub(super) mod array;
mod interval;

use arrow::array::{Array, ArrayAccessor, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Schema, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use bytes::{BufMut, BytesMut};
use pgwire::messages::data::{FieldDescription, MESSAGE_TYPE_BYTE_DATA_ROW, RowDescription};
use sql::SqlError;
use sql::decode::float::{float4, float8};
use sql::functions::zone::Zone;
use sql::system::pg_catalog::function_name;

use super::numeric::Digits;
use super::text;
use super::types::{Format, Type, sent_as};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary dates begin.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// What the binary form of a jsonb begins with.
pub(super) const JSONB_VERSION: u8 = 1;
/// Bytes of NULL's length.
pub(super) const NULL_LENGTH: i32 = -1;

/// Encodes batches of one schema.
#[derive(Clone, Debug)]
pub(super) struct RowEncoder {
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    arrow: DataType,
    wire: Type,
    format: Format,
    /// Of arrays: how their elements are encoded.
    item: Option<Box<Column>>,
    /// What moments are shown in as text; `None` is UTC.
    zone: Option<Zone>,
}

impl RowEncoder {
    /// An encoder of batches of `schema`; `formats` are the protocol's codes as in Bind. A column that PostgreSQL has no
    /// type for is refused.
    pub(super) fn new(schema: &Schema, formats: &[i16]) -> Result<RowEncoder, SqlError> {
        let formats = Format::each(formats, schema.fields().len())?;
        let column = |(field, format): (&arrow::datatypes::FieldRef, Format)| {
            let arrow = sent_as(field)?;
            let wire = Type::of_column(field, &arrow).expect("every type that is sent has a type of PostgreSQL");
            Ok(Column::new(field.name(), arrow, wire, format))
        };
        let columns = schema.fields().iter().zip(formats).map(column).collect::<Result<_, SqlError>>()?;
        Ok(RowEncoder { columns })
    }

    /// The same, with moments as text in a zone.
    pub(super) fn in_zone(mut self, zone: Option<Zone>) -> RowEncoder {
        for column in &mut self.columns {
            column.zone = zone;
            column.item.iter_mut().for_each(|item| item.zone = zone);
        }
        self
    }

    /// What clients are told of the rows.
    pub(super) fn description(&self) -> RowDescription {
        let field = |column: &Column| {
            let (wire, format) = (column.wire, column.format.code());
            let name = column.name.replace('\0', "\u{fffd}");
            FieldDescription::new(name, 0, 0, wire.oid(), wire.size(), wire.modifier(), format)
        };
        RowDescription::new(self.columns.iter().map(field).collect())
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The encoded values, column by column.
    pub(super) fn columns(&self, rows: &RecordBatch) -> Result<Vec<Cells>, SqlError> {
        assert_eq!(rows.num_columns(), self.columns.len(), "batches have the columns of their schema");
        let encode = |(column, array): (&Column, &ArrayRef)| column.cells(array);
        self.columns.iter().zip(rows.columns()).map(encode).collect()
    }

    /// Appends a DataRow message for every row.
    pub(super) fn encode(&self, rows: &RecordBatch, out: &mut BytesMut) -> Result<(), SqlError> {
        let columns = self.columns(rows)?;
        for row in 0..rows.num_rows() {
            out.put_u8(MESSAGE_TYPE_BYTE_DATA_ROW);
            let length = 4 + 2 + columns.iter().map(|cells| 4 + cells.get(row).map_or(0, <[u8]>::len)).sum::<usize>();
            out.put_i32(i32::try_from(length).map_err(|_| too_large(length))?);
            put_row(columns.iter().map(|cells| cells.get(row)), out);
        }
        Ok(())
    }
}

/// Appends the number of cells, and each behind its length: a row of DataRow, and of COPY in binary.
pub(super) fn put_row<'a>(cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>, out: &mut BytesMut) {
    out.put_i16(cells.len() as i16);
    for cell in cells {
        match cell {
            None => out.put_i32(NULL_LENGTH),
            Some(cell) => {
                out.put_i32(cell.len() as i32);
                out.put_slice(cell);
            }
        }
    }
}

/// The encoded values of a column, end to end.
pub(super) struct Cells {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    nulls: Option<NullBuffer>,
}

impl Cells {
    /// The value in a row; `None` is NULL.
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        Some(&self.bytes[start..self.ends[row]])
    }
}

impl Column {
    fn new(name: &str, arrow: DataType, wire: Type, format: Format) -> Column {
        let item = match &arrow {
            DataType::List(item) => {
                let of = wire.own_item().or_else(|| Type::of(item.data_type()));
                let of = of.expect("an array that is sent has elements that are");
                Some(Box::new(Column::new(name, item.data_type().clone(), of, format)))
            }
            _ => None,
        };
        Column { name: name.to_owned(), arrow, wire, format, item, zone: None }
    }

    /// The array in the type that is sent.
    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef, SqlError> {
        let strict = CastOptions { safe: false, format_options: FormatOptions::default() };
        let cast = match array.data_type() {
            same if *same == self.arrow => return Ok(array.clone()),
            DataType::Duration(_) => interval::of_durations(array),
            _ => cast_with_options(array, &self.arrow, &strict),
        };
        cast.map_err(|error| not_sent(&self.name, error))
    }

    fn cells(&self, array: &ArrayRef) -> Result<Cells, SqlError> {
        use Format::{Binary, Text};
        let array = self.cast(array)?;
        let array = array.as_ref();
        Ok(match (&self.wire, self.format) {
            (Type::Bool, Text) => each(array.as_boolean(), text::boolean),
            (Type::Bool, Binary) => each(array.as_boolean(), |value, out| out.push(u8::from(value))),
            (Type::Int2, Text) => each(array.as_primitive::<Int16Type>(), text::integer),
            (Type::Int2, Binary) => each(array.as_primitive::<Int16Type>(), |value, out| put(value.to_be_bytes(), out)),
            (Type::Int4, Text) => each(array.as_primitive::<Int32Type>(), text::integer),
            (Type::Int4, Binary) => each(array.as_primitive::<Int32Type>(), |value, out| put(value.to_be_bytes(), out)),
            (Type::Int8, Text) => each(array.as_primitive::<Int64Type>(), text::integer),
            (Type::Int8, Binary) => each(array.as_primitive::<Int64Type>(), |value, out| put(value.to_be_bytes(), out)),
            (Type::Float4, Text) => each(array.as_primitive::<Float32Type>(), float4),
            (Type::Float4, Binary) => {
                each(array.as_primitive::<Float32Type>(), |value, out| put(value.to_be_bytes(), out))
            }
            (Type::Float8, Text) => each(array.as_primitive::<Float64Type>(), float8),
            (Type::Float8, Binary) => {
                each(array.as_primitive::<Float64Type>(), |value, out| put(value.to_be_bytes(), out))
            }
            (Type::Numeric { scale, .. }, format) => numerics(array, *scale, format),
            (Type::Oid | Type::Xid, Text) => each(array.as_primitive::<Int64Type>(), text::integer),
            (Type::Regproc, Text) => each(array.as_primitive::<Int64Type>(), |oid, out| {
                out.extend_from_slice(function_name(oid).as_bytes());
            }),
            (Type::Oid | Type::Xid | Type::Regproc, Binary) => {
                each(array.as_primitive::<Int64Type>(), |value, out| put((value as u32).to_be_bytes(), out))
            }
            (Type::Time, Text) => each(array.as_primitive::<Time64MicrosecondType>(), text::time),
            (Type::Time, Binary) => {
                each(array.as_primitive::<Time64MicrosecondType>(), |value, out| put(value.to_be_bytes(), out))
            }
            (Type::Interval, Text) => {
                each(array.as_primitive::<IntervalMonthDayNanoType>(), sql::decode::interval::write)
            }
            (Type::Interval, Binary) => each(array.as_primitive::<IntervalMonthDayNanoType>(), interval::binary),
            (Type::Array { element, .. }, format) => {
                let item = self.item.as_ref().expect("an array's column knows its elements");
                array::cells(array.as_list::<i32>(), item, *element, format, array::COMMAS)?
            }
            (Type::Vector { element, .. }, format) => {
                let item = self.item.as_ref().expect("an array's column knows its elements");
                array::cells(array.as_list::<i32>(), item, *element, format, array::BLANKS)?
            }
            (Type::Text | Type::Name | Type::Char, _) => {
                each(array.as_string::<i32>(), |value, out| out.extend_from_slice(value.as_bytes()))
            }
            (Type::Bytea, Text) => each(array.as_binary::<i32>(), text::bytea),
            (Type::Bytea, Binary) => each(array.as_binary::<i32>(), |value, out| out.extend_from_slice(value)),
            (Type::Jsonb, Text) => each(array.as_binary::<i64>(), |value, out| out.extend_from_slice(value)),
            (Type::Jsonb, Binary) => each(array.as_binary::<i64>(), |value, out| {
                out.push(JSONB_VERSION);
                out.extend_from_slice(value);
            }),
            (Type::Date, Text) => each(array.as_primitive::<Date32Type>(), text::date),
            (Type::Date, Binary) => {
                let days = array.as_primitive::<Date32Type>();
                let days = days.try_unary::<_, Date32Type, ArrowError>(|days| before(days.checked_sub(EPOCH_DAYS)));
                let days = days.map_err(|error| not_sent(&self.name, error))?;
                each(&days, |days, out| put(days.to_be_bytes(), out))
            }
            (Type::Timestamp, Text) => each(array.as_primitive::<TimestampMicrosecondType>(), text::timestamp),
            (Type::Timestamptz, Text) => each(array.as_primitive::<TimestampMicrosecondType>(), |micros, out| {
                text::timestamptz(micros, self.zone, out);
            }),
            (Type::Timestamp | Type::Timestamptz, Binary) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>();
                let since = |micros: i64| before(micros.checked_sub(EPOCH_MICROS));
                let micros = micros.try_unary::<_, Int64Type, ArrowError>(since);
                each(&micros.map_err(|error| not_sent(&self.name, error))?, |micros, out| {
                    put(micros.to_be_bytes(), out)
                })
            }
        })
    }
}

/// Encodes every value of an array.
fn each<A: ArrayAccessor>(array: A, mut write: impl FnMut(A::Item, &mut Vec<u8>)) -> Cells {
    let mut bytes = Vec::with_capacity(array.len() * 8);
    let mut ends = Vec::with_capacity(array.len());
    let nulls = array.logical_nulls();
    for row in 0..array.len() {
        if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            write(array.value(row), &mut bytes);
        }
        ends.push(bytes.len());
    }
    Cells { bytes, ends, nulls }
}

/// Encodes decimals of either width.
fn numerics(array: &dyn Array, scale: i8, format: Format) -> Cells {
    let write = |unscaled: String, out: &mut Vec<u8>| {
        let digits = Digits::of(&unscaled, scale);
        match format {
            Format::Text => digits.write_text(out),
            Format::Binary => digits.write_binary(out),
        }
    };
    match array.data_type() {
        DataType::Decimal256(..) => {
            each(array.as_primitive::<Decimal256Type>(), |value, out| write(value.to_string(), out))
        }
        _ => each(array.as_primitive::<Decimal128Type>(), |value, out| write(value.to_string(), out)),
    }
}

fn put<const N: usize>(bytes: [u8; N], out: &mut Vec<u8>) {
    out.extend_from_slice(&bytes);
}

/// A time that PostgreSQL's binary form does not reach back to.
fn before<T>(since_2000: Option<T>) -> Result<T, ArrowError> {
    since_2000.ok_or_else(|| ArrowError::ArithmeticOverflow("date out of range".to_owned()))
}

fn not_sent(column: &str, error: ArrowError) -> SqlError {
    SqlError::new("22003", format!("column {column} has a value that cannot be sent: {error}"))
}

fn too_large(bytes: usize) -> SqlError {
    SqlError::new("54000", format!("a row of {bytes} bytes is too large to be sent"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::datatypes::{Field, TimeUnit, i256};

    use super::*;

    fn field(name: &str, array: &ArrayRef) -> Field {
        Field::new(name, array.data_type().clone(), true)
    }

    /// The cells of one column in a format.
    fn cells(array: ArrayRef, format: i16) -> Vec<Option<Vec<u8>>> {
        let schema = Arc::new(Schema::new(vec![field("c", &array)]));
        let encoder = RowEncoder::new(&schema, &[format]).unwrap();
        let mut out = BytesMut::new();
        encoder.encode(&RecordBatch::try_new(schema, vec![array]).unwrap(), &mut out).unwrap();
        let mut cells = Vec::new();
        let mut rest = &out[..];
        while !rest.is_empty() {
            let length = 1 + i32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            let (message, next) = rest.split_at(length);
            assert_eq!((message[0], &message[5..7]), (b'D', &[0, 1][..]));
            let size = i32::from_be_bytes(message[7..11].try_into().unwrap());
            assert_eq!(size.max(0) as usize, length - 11, "the cell fills the row");
            cells.push((size >= 0).then(|| message[11..].to_vec()));
            rest = next;
        }
        cells
    }

    fn text_of(array: ArrayRef) -> Vec<Option<String>> {
        cells(array, 0).into_iter().map(|cell| cell.map(|cell| String::from_utf8(cell).unwrap())).collect()
    }

    #[test]
    fn null_is_a_length_of_its_own_in_both_formats() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(-1)]));
        assert_eq!(cells(array.clone(), 0), [Some(b"7".to_vec()), None, Some(b"-1".to_vec())]);
        assert_eq!(cells(array, 1), [Some(vec![0, 0, 0, 7]), None, Some(vec![0xff; 4])]);
        assert_eq!(cells(Arc::new(NullArray::new(2)), 0), [None, None]);
    }

    #[test]
    fn a_slice_sends_its_own_rows() {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c"), Some("d")]));
        assert_eq!(text_of(array.slice(1, 2)), [None, Some("c".to_owned())]);
    }

    #[test]
    fn times_in_binary_count_from_2000() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![EPOCH_DAYS, EPOCH_DAYS + 1]));
        assert_eq!(cells(days, 1), [Some(vec![0; 4]), Some(vec![0, 0, 0, 1])]);
        let micros = TimestampMicrosecondArray::from(vec![EPOCH_MICROS + 1]).with_timezone("UTC");
        assert_eq!(cells(Arc::new(micros), 1), [Some(vec![0, 0, 0, 0, 0, 0, 0, 1])]);
    }

    #[test]
    fn times_of_other_units_are_sent_as_microseconds() {
        let millis = TimestampMillisecondArray::from(vec![1_767_323_045_678]).with_timezone("+00:00");
        assert_eq!(text_of(Arc::new(millis)), [Some("2026-01-02 03:04:05.678+00".to_owned())]);
        let nanos = TimestampNanosecondArray::from(vec![1_000]);
        assert_eq!(text_of(Arc::new(nanos)), [Some("1970-01-01 00:00:00.000001".to_owned())]);
    }

    #[test]
    fn a_time_that_does_not_fit_is_an_error_and_not_null() {
        let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
        let schema = Arc::new(Schema::new(vec![field("at", &seconds)]));
        let encoder = RowEncoder::new(&schema, &[]).unwrap();
        let refused = encoder.encode(&RecordBatch::try_new(schema, vec![seconds]).unwrap(), &mut BytesMut::new());
        assert!(refused.unwrap_err().message.contains("column at"));
    }

    #[test]
    fn decimals_of_both_widths_have_their_scale() {
        let narrow = Decimal128Array::from(vec![1, -250]).with_precision_and_scale(10, 2).unwrap();
        assert_eq!(text_of(Arc::new(narrow)), [Some("0.01".to_owned()), Some("-2.50".to_owned())]);
        let wide = Decimal256Array::from(vec![i256::MAX]).with_precision_and_scale(76, 0).unwrap();
        assert_eq!(text_of(Arc::new(wide)), [Some(i256::MAX.to_string())]);
    }

    #[test]
    fn types_of_functions_are_sent_as_their_nearest() {
        assert_eq!(text_of(Arc::new(UInt64Array::from(vec![u64::MAX]))), [Some(u64::MAX.to_string())]);
        assert_eq!(text_of(Arc::new(StringViewArray::from(vec!["view"]))), [Some("view".to_owned())]);
        assert_eq!(text_of(Arc::new(Int8Array::from(vec![-3]))), [Some("-3".to_owned())]);
    }

    #[test]
    fn the_description_says_type_size_and_format() {
        let at = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let schema =
            Schema::new(vec![Field::new("kwh", DataType::Decimal128(18, 6), true), Field::new("at", at, true)]);
        let description = RowEncoder::new(&schema, &[0, 1]).unwrap().description();
        let told: Vec<_> =
            description.fields.iter().map(|f| (f.name.as_str(), f.type_id, f.type_size, f.format_code)).collect();
        assert_eq!(told, [("kwh", 1700, -1, 0), ("at", 1184, 8, 1)]);
    }
}
