//! From rows to events: what INSERT and COPY write to the log is what any other sender would.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use bytes::Bytes;
use storage::Event;

use crate::catalog::default_json;
use crate::decode::{binary, number, text, time};

/// The source of events that SQL statements write.
pub const SQL_SOURCE: &str = "sql";

/// Numbers events that have no key, so that each is a row of its own.
#[derive(Debug)]
pub struct EventIds {
    /// Differs from one start of the node to the next.
    start: u64,
    next: AtomicU64,
}

impl Default for EventIds {
    fn default() -> EventIds {
        EventIds { start: RandomState::new().build_hasher().finish(), next: AtomicU64::new(0) }
    }
}

impl EventIds {
    /// An id that no other event of this source has.
    pub fn next(&self) -> String {
        format!("{:016x}-{}", self.start, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where rows go and how their events are keyed.
pub struct Encoder<'a> {
    pub topic: Arc<str>,
    /// Names and positions (in the rows given) of the key columns; empty where the table has no key.
    pub key: Vec<(String, usize)>,
    pub ids: &'a EventIds,
    pub now_ms: i64,
}

impl Encoder<'_> {
    /// An event a row, with every column that is not NULL.
    pub fn inserts(&self, rows: &RecordBatch) -> Vec<Event> {
        let schema = rows.schema();
        let columns: Vec<(&str, usize)> =
            schema.fields().iter().enumerate().map(|(at, field)| (field.name().as_str(), at)).collect();
        (0..rows.num_rows())
            .map(|row| self.event(self.record_key(rows, row), Some(object(rows, row, &columns))))
            .collect()
    }

    /// An event a row that deletes by key.
    pub fn deletes(&self, rows: &RecordBatch) -> Vec<Event> {
        (0..rows.num_rows()).map(|row| self.event(self.record_key(rows, row), None)).collect()
    }

    /// An event from cells that are JSON already: (column name, JSON) in the order of the object.
    pub fn cells(&self, cells: &[(&str, Option<Vec<u8>>)]) -> Event {
        let members = |names: &mut dyn Iterator<Item = &(&str, Option<Vec<u8>>)>| {
            let mut out = vec![b'{'];
            for (name, cell) in names {
                if let Some(cell) = cell {
                    write_name(name, &mut out);
                    out.extend_from_slice(cell);
                }
            }
            out.push(b'}');
            Bytes::from(out)
        };
        let key_cells: Option<Vec<_>> =
            self.key.iter().map(|(key, _)| cells.iter().find(|(name, cell)| name == key && cell.is_some())).collect();
        let key = key_cells.filter(|cells| !cells.is_empty()).map(|cells| members(&mut cells.into_iter()));
        self.event(key, Some(members(&mut cells.iter())))
    }

    fn record_key(&self, rows: &RecordBatch, row: usize) -> Option<Bytes> {
        let columns: Vec<(&str, usize)> = self.key.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        (!columns.is_empty()).then(|| object(rows, row, &columns))
    }

    fn event(&self, key: Option<Bytes>, value: Option<Bytes>) -> Event {
        let mut headers = Vec::new();
        if self.key.is_empty() {
            headers.push(("ce_id".to_owned(), Bytes::from(self.ids.next())));
            headers.push(("ce_source".to_owned(), Bytes::from_static(SQL_SOURCE.as_bytes())));
        }
        Event { topic: self.topic.clone(), key, value, headers, timestamp_ms: self.now_ms }
    }
}

/// A value as JSON; `None` where it is NULL.
pub fn value_json(array: &dyn Array, row: usize) -> Option<String> {
    let mut out = Vec::new();
    (!array.is_null(row)).then(|| write_value(array, row, &mut out))?;
    Some(String::from_utf8(out).expect("JSON is text"))
}

/// A JSON object of some columns of a row; NULL is left out, but where it would be taken for the default.
fn object(rows: &RecordBatch, row: usize, columns: &[(&str, usize)]) -> Bytes {
    let mut out = vec![b'{'];
    for (name, at) in columns {
        let array = rows.column(*at);
        if !array.is_null(row) {
            write_name(name, &mut out);
            write_value(array, row, &mut out);
        } else if default_json(rows.schema_ref().field(*at)).is_some() {
            write_name(name, &mut out);
            out.extend_from_slice(b"null");
        }
    }
    out.push(b'}');
    Bytes::from(out)
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    text::write_string(name, out);
    out.push(b':');
}

/// Appends a value that is not NULL as the JSON that decodes to it again.
fn write_value(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let quoted = |write: &dyn Fn(&mut Vec<u8>) -> bool, out: &mut Vec<u8>| {
        let before = out.len();
        out.push(b'"');
        let written = write(out);
        out.push(b'"');
        if !written {
            out.truncate(before);
        }
        written
    };
    match array.data_type() {
        DataType::Boolean => {
            out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
        }
        DataType::Int32 => out.extend_from_slice(array.as_primitive::<Int32Type>().value(row).to_string().as_bytes()),
        DataType::Int64 => out.extend_from_slice(array.as_primitive::<Int64Type>().value(row).to_string().as_bytes()),
        DataType::Float64 => write_float(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Decimal128(_, scale) => {
            number::write_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, out);
        }
        DataType::Utf8 => text::write_string(array.as_string::<i32>().value(row), out),
        DataType::Binary => text::write_string(&binary::printed(array.as_binary::<i32>().value(row)), out),
        DataType::LargeBinary => out.extend_from_slice(array.as_binary::<i64>().value(row)),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            if !quoted(&|out| time::write_date(days, out), out) {
                text::write_string(&format!("day {days} since 1970"), out);
            }
        }
        DataType::Timestamp(_, _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            if !quoted(&|out| time::write_timestamp(micros, out), out) {
                text::write_string(&format!("microsecond {micros} since 1970"), out);
            }
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push(b'[');
            for at in 0..items.len() {
                if at > 0 {
                    out.push(b',');
                }
                match items.is_null(at) {
                    true => out.extend_from_slice(b"null"),
                    false => write_value(&items, at, out),
                }
            }
            out.push(b']');
        }
        other => panic!("a column of type {other} cannot be stored"),
    }
}

fn write_float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        serde_json::to_writer(out, &value).expect("writing to memory cannot fail");
    } else {
        let word = if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        text::write_string(word, out);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatch;
    use arrow::datatypes::{Field, Schema, TimeUnit};
    use dataflow::row::canonical_f64;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::decode::{Cell, Column, RowDecoder, RowsBuilder};

    fn random_cell(data_type: &DataType, random: &mut impl RngExt) -> Cell<'static> {
        if random.random_ratio(1, 8) {
            return Cell::Null;
        }
        match data_type {
            DataType::Boolean => Cell::Bool(random.random()),
            DataType::Int32 => Cell::Int(i64::from(random.random::<i32>())),
            DataType::Int64 => Cell::Int(random.random()),
            DataType::Float64 => match random.random_range(0..5) {
                0 => Cell::Float(canonical_f64(f64::NAN)),
                1 => Cell::Float(f64::NEG_INFINITY),
                _ => Cell::Float(canonical_f64(f64::from_bits(random.random()))),
            },
            DataType::Decimal128(_, _) => Cell::Decimal(random.random_range(-10_i128.pow(20) + 1..10_i128.pow(20))),
            DataType::Utf8 => {
                let chars = (0..random.random_range(0..8)).map(|_| random.random::<char>());
                Cell::Text(chars.collect::<String>().into())
            }
            DataType::LargeBinary => {
                let documents = ["[]", "{\"a\": [1, \"ñ\"], \"bb\": null}", "-1.50", "\"x\"", "true"];
                Cell::Json(documents[random.random_range(0..documents.len())].to_owned())
            }
            DataType::Binary => Cell::Bytes((0..random.random_range(0..8)).map(|_| random.random()).collect()),
            DataType::List(item) => {
                Cell::List((0..random.random_range(0..4)).map(|_| random_cell(item.data_type(), random)).collect())
            }
            DataType::Date32 => Cell::Date(random.random_range(-700_000..2_000_000)),
            _ => Cell::Timestamp(random.random_range(-62_135_596_800_000_000..253_402_300_800_000_000)),
        }
    }

    fn columns() -> Vec<Column> {
        let types = [
            DataType::Boolean,
            DataType::Int32,
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal128(20, 4),
            DataType::Utf8,
            DataType::Binary,
            crate::types::JSON,
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            DataType::new_list(DataType::Float64, true),
            DataType::new_list(DataType::Utf8, true),
        ];
        let column = |(at, data_type)| Column { name: format!("c \"{at}\""), data_type, nullable: true, default: None };
        types.into_iter().enumerate().map(column).collect()
    }

    fn batch(columns: &[Column], rows: &[Vec<Cell<'_>>]) -> RecordBatch {
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true)).collect();
        let mut builder = RowsBuilder::new(Arc::new(Schema::new(fields)));
        rows.iter().for_each(|row| builder.push(row));
        builder.finish()
    }

    #[test]
    fn an_inserted_row_decodes_to_itself() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let columns = columns();
        let rows: Vec<Vec<Cell>> = (0..2_000)
            .map(|_| columns.iter().map(|column| random_cell(&column.data_type, &mut random)).collect())
            .collect();
        let batch_in = batch(&columns, &rows);
        let ids = EventIds::default();
        let encoder = Encoder { topic: "t".into(), key: vec![], ids: &ids, now_ms: 7 };
        let events = encoder.inserts(&batch_in);
        let decoder = RowDecoder::new(columns.clone());
        let payloads: Vec<Bytes> = events.iter().map(|event| event.value.clone().unwrap()).collect();
        let back: Vec<Vec<Cell>> = payloads.iter().map(|payload| decoder.row(payload).unwrap()).collect();
        // NaN is not equal to itself; Arrow compares its bits.
        assert_eq!(batch(&columns, &back), batch_in);
    }

    #[test]
    fn events_without_a_key_have_ids_of_their_own() {
        let columns = vec![Column { name: "a".to_owned(), data_type: DataType::Int64, nullable: true, default: None }];
        let rows = batch(&columns, &[vec![Cell::Int(1)], vec![Cell::Int(1)]]);
        let ids = EventIds::default();
        let events = Encoder { topic: "t".into(), key: vec![], ids: &ids, now_ms: 7 }.inserts(&rows);
        assert_ne!(events[0].headers, events[1].headers);
        assert_eq!(events[0].value.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(events[0].key, None);
        let keyed = Encoder { topic: "t".into(), key: vec![("a".to_owned(), 0)], ids: &ids, now_ms: 7 };
        assert_eq!(keyed.deletes(&rows)[0].key.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(keyed.cells(&[("a", Some(b"1".to_vec())), ("b", None)]).key.as_deref(), Some(&b"{\"a\":1}"[..]));
    }
}
