//! What JSON becomes a row, and what does not.

use arrow::datatypes::TimeUnit;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::types::JSON;

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.to_owned(), data_type, nullable: true, default: None }
}

fn decoder() -> RowDecoder {
    RowDecoder::new(vec![
        Column { name: "id".to_owned(), data_type: DataType::Int64, nullable: false, default: None },
        column("small", DataType::Int32),
        column("price", DataType::Decimal128(10, 2)),
        column("power_w", DataType::Float64),
        column("on", DataType::Boolean),
        column("name", DataType::Utf8),
        column("raw", DataType::Binary),
        column("doc", JSON),
        column("day", DataType::Date32),
        column("tags", DataType::new_list(DataType::Utf8, true)),
        column("prices", DataType::new_list(DataType::Decimal128(10, 2), true)),
        column("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
    ])
}

/// The cell of one field in an object that has the key as well.
fn one(field: &str, value: &str) -> Result<Cell<'static>, String> {
    let decoder = decoder();
    let payload = format!("{{\"id\": 1, \"{field}\": {value}}}");
    let cells = decoder.row(payload.as_bytes()).map_err(|reason| reason.0)?;
    Ok(cells[decoder.by_name[field]].clone().owned())
}

#[test]
fn an_array_becomes_one_value_by_value() {
    let text = |text: &'static str| Cell::Text(text.into());
    assert_eq!(one("tags", r#"["a", null, "b\n"]"#), Ok(Cell::List(vec![text("a"), Cell::Null, text("b\n")])));
    assert_eq!(one("tags", "[]"), Ok(Cell::List(vec![])));
    assert_eq!(one("tags", "null"), Ok(Cell::Null));
    assert_eq!(one("prices", "[0.1, 2]"), Ok(Cell::List(vec![Cell::Decimal(10), Cell::Decimal(200)])));
    assert!(one("tags", "\"a\"").unwrap_err().contains("column tags: expected an array"));
    assert!(one("tags", "[1]").unwrap_err().contains("column tags: expected text"));
    assert!(one("tags", "[[\"a\"]]").unwrap_err().contains("column tags: expected text"));
}

#[test]
fn a_value_becomes_its_columns_type() {
    assert_eq!(one("id", "9007199254740993"), Ok(Cell::Int(9_007_199_254_740_993)));
    assert_eq!(one("price", "0.1"), Ok(Cell::Decimal(10)));
    assert_eq!(one("price", "1e2"), Ok(Cell::Decimal(10_000)));
    assert_eq!(one("power_w", "-0.0").map(|cell| format!("{cell:?}")), Ok("Float(0.0)".to_owned()));
    assert_eq!(one("power_w", "\"-Infinity\""), Ok(Cell::Float(f64::NEG_INFINITY)));
    assert!(matches!(one("power_w", "\"NaN\""), Ok(Cell::Float(value)) if value.to_bits() == f64::NAN.to_bits()));
    assert_eq!(one("on", "true"), Ok(Cell::Bool(true)));
    assert_eq!(one("name", r#""a\nb\u00e9""#), Ok(Cell::Text("a\nbé".into())));
    assert_eq!(one("raw", r#""\\x01ff""#), Ok(Cell::Bytes(vec![1, 255])));
    assert_eq!(one("raw", r#""Af8=""#), Ok(Cell::Bytes(vec![1, 255])));
    assert_eq!(one("doc", r#"{"b":1e1,"a":[]}"#), Ok(Cell::Json(r#"{"a": [], "b": 10}"#.to_owned())));
    assert_eq!(one("doc", "\"x\""), Ok(Cell::Json("\"x\"".to_owned())));
    assert!(one("doc", r#""\u0000""#).unwrap_err().contains("column doc: "));
    assert_eq!(one("day", "\"1970-01-02\""), Ok(Cell::Date(1)));
    assert_eq!(one("at", "1500"), Ok(Cell::Timestamp(1_500_000)));
    assert_eq!(one("at", "\"1970-01-01T01:00:01+01:00\""), Ok(Cell::Timestamp(1_000_000)));
    assert_eq!(one("name", "null"), Ok(Cell::Null));
}

#[test]
fn a_wrong_value_is_named_with_its_column() {
    let wrong = |field, value, reason: &str| assert_eq!(one(field, value), Err(reason.to_owned()));
    wrong("power_w", "\"abc\"", "column power_w: expected a number, got \"abc\"");
    wrong("power_w", "1e999", "column power_w: 1e999 is out of range of double precision");
    wrong("id", "1.5", "column id: expected a whole number, got 1.5");
    wrong("id", "\"1\"", "column id: expected a whole number, got \"1\"");
    wrong("id", "null", "column id: must not be NULL or missing");
    wrong("id", "9223372036854775808", "column id: 9223372036854775808 is out of range of bigint");
    wrong("small", "2147483648", "column small: 2147483648 is out of range of integer");
    wrong("price", "123456789", "column price: 123456789 is out of range of decimal(10, 2)");
    wrong("on", "1", "column on: expected true or false, got 1");
    wrong("name", "{\"a\": 1}", "column name: expected text, got {\"a\": 1}");
    wrong("day", "\"tomorrow\"", "column day: expected a date as YYYY-MM-DD, got \"tomorrow\"");
    wrong("at", "1.5", "column at: expected a time as RFC 3339 or in whole milliseconds since 1970, got 1.5");
}

#[test]
fn a_payload_that_is_no_object_is_named() {
    let reason = |payload: &[u8]| decoder().row(payload).unwrap_err().0;
    assert_eq!(reason(b"[1]"), "expected a JSON object");
    assert_eq!(reason(b"7"), "expected a JSON object");
    assert_eq!(reason(b"\xff"), "not JSON: the payload is not UTF-8");
    assert!(reason(b"{\"id\": 1").starts_with("not JSON: EOF"), "{}", reason(b"{\"id\": 1"));
    assert!(reason(b"{\"id\": 1} x").starts_with("not JSON: trailing characters"));
    assert_eq!(reason(b"{}"), "column id: must not be NULL or missing");
}

#[test]
fn the_last_of_two_fields_with_a_name_counts_and_unknown_ones_are_ignored() {
    let decoder = decoder();
    let cells = decoder.row(br#"{"id": 1, "extra": {"id": [3]}, "id": 2, "\u0073mall": 5}"#).unwrap();
    assert_eq!(cells[..2], [Cell::Int(2), Cell::Int(5)]);
}

#[test]
fn a_record_key_is_an_object_or_for_one_column_its_value() {
    let of =
        |data_type| RowDecoder::new(vec![Column { name: "k".to_owned(), data_type, nullable: false, default: None }]);
    assert_eq!(of(DataType::Int64).key(b"7"), Ok(vec![Cell::Int(7)]));
    assert_eq!(of(DataType::Int64).key(b"{\"k\": 7}"), Ok(vec![Cell::Int(7)]));
    assert_eq!(of(DataType::Utf8).key(b"\"m 1\""), Ok(vec![Cell::Text("m 1".into())]));
    assert_eq!(of(DataType::Utf8).key(b"meter-1"), Ok(vec![Cell::Text("meter-1".into())]));
    assert!(of(DataType::Int64).key(b"meter-1").is_err());
    assert!(of(DataType::Int64).key(b"{}").is_err());
}

#[test]
fn no_bytes_make_it_panic() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let decoder = decoder();
    let sample = br#"{"id":1,"small":-7,"price":12.345e1,"power_w":"NaN","on":false,"name":"\ud83d\ude00\\","raw":"\\x0a","day":"2026-02-29","at":"2026-01-01T00:00:00.5+02"}"#;
    for _ in 0..50_000 {
        let mut payload = sample.to_vec();
        for _ in 0..random.random_range(0..6) {
            let at = random.random_range(0..payload.len());
            match random.random_range(0..3) {
                0 => payload[at] = (random.next_u32() & 0xff) as u8,
                1 => drop(payload.remove(at)),
                _ => payload.insert(at, b"\"\\{}[]:,0-9eE+. \xff"[random.random_range(0..16)]),
            }
        }
        let _ = decoder.row(&payload);
        let _ = decoder.key(&payload);
        let _ = payload_text(&payload, random.random_range(0..200));
    }
}
