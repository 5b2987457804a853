//! One value of a random row: how it looks in SQL, in JSON and in Arrow.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, LargeBinaryArray,
    ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// The column types that histories are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellType {
    Bool,
    Int,
    /// An integer small enough that sums of a history cannot overflow.
    TameInt,
    BigInt,
    Float,
    Decimal,
    Text,
    Date,
    Timestamp,
    /// An array of text.
    Texts,
    Document,
}

/// A value, ordered and compared as the tables compare rows: bit by bit after NaN and -0.0 are made canonical.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    /// Bits of a canonical float.
    Float(u64),
    /// Units of the last decimal place.
    Decimal(i128),
    Text(String),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970; histories use whole milliseconds.
    Timestamp(i64),
    Texts(Vec<Option<String>>),
    /// As PostgreSQL writes a `jsonb`.
    Document(String),
}

/// Documents with parts in common, and of every kind.
const DOCUMENTS: [&str; 10] = [
    "{}",
    "[]",
    r#"{"a": 1, "b": [1, 2, "x"]}"#,
    r#"{"a": null, "b": [], "cc": {"a": "it's \"so\""}}"#,
    r#"{"a": "1", "b": ["x", null, {"a": 1}]}"#,
    r#"{"b": "ñ", "aa": -0.50}"#,
    r#"["a", ["b"], {"a": true}]"#,
    "1.50",
    "\"a\"",
    "false",
];

/// Digits and decimal places of every decimal column.
const DECIMAL: (u8, i8) = (18, 4);

impl CellType {
    /// The first time that rows have: 2026-01-31T23:58:00Z, so that bins of minutes, days and months are crossed.
    pub const TIMESTAMP_START_MICROS: i64 = 1_769_903_880_000_000;

    pub const ALL: [CellType; 11] = [
        CellType::Bool,
        CellType::Int,
        CellType::TameInt,
        CellType::BigInt,
        CellType::Float,
        CellType::Decimal,
        CellType::Text,
        CellType::Date,
        CellType::Timestamp,
        CellType::Texts,
        CellType::Document,
    ];

    /// The type's name in CREATE TABLE.
    pub fn sql(self) -> String {
        match self {
            CellType::Bool => "boolean".into(),
            CellType::Int => "integer".into(),
            CellType::TameInt | CellType::BigInt => "bigint".into(),
            CellType::Float => "double precision".into(),
            CellType::Decimal => format!("decimal({}, {})", DECIMAL.0, DECIMAL.1),
            CellType::Text => "text".into(),
            CellType::Date => "date".into(),
            CellType::Timestamp => "timestamptz".into(),
            CellType::Texts => "text[]".into(),
            CellType::Document => "jsonb".into(),
        }
    }

    pub fn arrow(self) -> DataType {
        match self {
            CellType::Bool => DataType::Boolean,
            CellType::Int => DataType::Int32,
            CellType::TameInt | CellType::BigInt => DataType::Int64,
            CellType::Float => DataType::Float64,
            CellType::Decimal => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
            CellType::Text => DataType::Utf8,
            CellType::Date => DataType::Date32,
            CellType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            CellType::Texts => DataType::new_list(DataType::Utf8, true),
            CellType::Document => DataType::LargeBinary,
        }
    }

    /// Whether sums of this type stay within their result type.
    pub fn summable(self) -> bool {
        matches!(self, CellType::Int | CellType::TameInt | CellType::Float | CellType::Decimal)
    }

    /// A value from a domain small enough that values meet, with the type's extremes among them. Never NULL.
    pub fn random(self, rng: &mut impl Rng) -> Cell {
        let small = rng.random_range(-3i64..4);
        match self {
            CellType::Bool => Cell::Bool(small > 0),
            CellType::Int => {
                Cell::Int(*[small, small, small, i64::from(i32::MAX), i64::from(i32::MIN)].choose(rng).unwrap())
            }
            CellType::TameInt => Cell::Int(small * 1_000_000_007),
            CellType::BigInt => Cell::Int(*[small, small, small, i64::MAX, i64::MIN].choose(rng).unwrap()),
            CellType::Float => Cell::float(*float_domain(small).choose(rng).unwrap()),
            CellType::Decimal => Cell::Decimal(
                *[small.into(), i128::from(small) * 12_345, 999_999_999_999_999_999, -999_999_999_999_999_999]
                    .choose(rng)
                    .unwrap(),
            ),
            CellType::Text => Cell::Text(
                (*["", "a", "b", "ñ", "a\u{0}b", "z\u{10ffff}", "it's \"so\"\n"].choose(rng).unwrap()).into(),
            ),
            CellType::Date => Cell::Date(*[20_484 + small as i32, 0, -1].choose(rng).unwrap()),
            CellType::Texts => {
                let item = |rng: &mut _| match CellType::Text.random(rng) {
                    Cell::Text(text) if text != "b" => Some(text),
                    _ => None,
                };
                Cell::Texts((0..rng.random_range(0..4)).map(|_| item(rng)).collect())
            }
            CellType::Document => Cell::Document((*DOCUMENTS.choose(rng).unwrap()).into()),
            CellType::Timestamp => {
                Cell::Timestamp(CellType::TIMESTAMP_START_MICROS + rng.random_range(0..300) * 1_000_000)
            }
        }
    }

    /// The column of these cells.
    pub fn array<'a>(self, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
        match self {
            CellType::Bool => Arc::new(cells.map(Cell::as_bool).collect::<BooleanArray>()),
            CellType::Int => Arc::new(cells.map(|c| c.as_int().map(|i| i as i32)).collect::<Int32Array>()),
            CellType::TameInt | CellType::BigInt => Arc::new(cells.map(Cell::as_int).collect::<Int64Array>()),
            CellType::Float => Arc::new(cells.map(Cell::as_float).collect::<Float64Array>()),
            CellType::Decimal => Arc::new(
                cells
                    .map(Cell::as_decimal)
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(DECIMAL.0, DECIMAL.1)
                    .unwrap(),
            ),
            CellType::Text => Arc::new(cells.map(Cell::as_text).collect::<StringArray>()),
            CellType::Texts => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for cell in cells {
                    match cell {
                        Cell::Texts(items) => lists.append_value(items.iter().cloned()),
                        _ => lists.append_null(),
                    }
                }
                Arc::new(lists.finish())
            }
            CellType::Document => Arc::new(cells.map(Cell::as_document).collect::<LargeBinaryArray>()),
            CellType::Date => Arc::new(cells.map(Cell::as_date).collect::<Date32Array>()),
            CellType::Timestamp => {
                Arc::new(cells.map(Cell::as_timestamp).collect::<TimestampMicrosecondArray>().with_timezone("+00:00"))
            }
        }
    }
}

fn float_domain(small: i64) -> [f64; 10] {
    let small = small as f64;
    [
        small,
        small / 3.0,
        small * 1e100,
        -0.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE / 4.0,
        0.1,
    ]
}

impl Cell {
    /// A float with -0.0 and NaN made canonical.
    pub fn float(value: f64) -> Cell {
        let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
        Cell::Float(canonical.to_bits())
    }

    /// Makes it a value that PostgreSQL has too, and a float that may be summed in any order.
    pub fn share(&mut self) {
        match self {
            Cell::Text(text) => *text = text.replace('\0', ""),
            Cell::Texts(items) => {
                items.iter_mut().flatten().for_each(|text| *text = text.replace('\0', ""));
            }
            Cell::Float(bits) => {
                let value = f64::from_bits(*bits);
                if value.is_finite() && value != 0.0 && !(1e-6..1e6).contains(&value.abs()) {
                    *self = Cell::float(0.25);
                }
            }
            _ => {}
        }
    }

    /// The value as JSON text, as an event carries it: a decimal with all its digits.
    pub fn json(&self) -> String {
        match self {
            Cell::Null => "null".into(),
            Cell::Bool(value) => value.to_string(),
            Cell::Int(value) => value.to_string(),
            Cell::Float(bits) => float_json(f64::from_bits(*bits)),
            Cell::Decimal(units) => decimal_text(*units),
            Cell::Text(value) => serde_json::Value::from(value.as_str()).to_string(),
            Cell::Texts(items) => serde_json::Value::from(items.clone()).to_string(),
            Cell::Document(document) => document.clone(),
            Cell::Date(days) => format!("\"{}\"", date_text(*days)),
            Cell::Timestamp(micros) => (micros / 1000).to_string(),
        }
    }

    /// The value as a SQL literal of its column's type. Never NULL.
    pub fn literal(&self, cell_type: CellType) -> String {
        let cast = |text: &str| format!("CAST('{text}' AS {})", cell_type.sql());
        match self {
            Cell::Null => panic!("NULL is not compared with"),
            Cell::Bool(value) => value.to_string(),
            Cell::Int(value) if *value == i64::MIN => "(-9223372036854775807 - 1)".into(),
            Cell::Int(value) => value.to_string(),
            Cell::Float(bits) => cast(float_json(f64::from_bits(*bits)).trim_matches('"')),
            Cell::Decimal(units) => cast(&decimal_text(*units)),
            // A literal cannot hold the zero character.
            Cell::Text(value) => format!("'{}'", value.replace('\'', "''").replace('\0', "")),
            Cell::Texts(items) => {
                let item = |item: &Option<String>| {
                    item.as_ref().map_or("NULL".to_owned(), |text| Cell::Text(text.clone()).literal(CellType::Text))
                };
                format!("CAST(ARRAY[{}] AS text[])", items.iter().map(item).collect::<Vec<_>>().join(", "))
            }
            Cell::Document(document) => cast(&document.replace('\'', "''")),
            Cell::Date(days) => cast(&date_text(*days)),
            Cell::Timestamp(micros) => format!("TIMESTAMPTZ '{}'", rfc3339(*micros)),
        }
    }

    fn as_bool(&self) -> Option<bool> {
        if let Cell::Bool(value) = self { Some(*value) } else { None }
    }

    fn as_int(&self) -> Option<i64> {
        if let Cell::Int(value) = self { Some(*value) } else { None }
    }

    fn as_float(&self) -> Option<f64> {
        if let Cell::Float(bits) = self { Some(f64::from_bits(*bits)) } else { None }
    }

    fn as_decimal(&self) -> Option<i128> {
        if let Cell::Decimal(units) = self { Some(*units) } else { None }
    }

    fn as_text(&self) -> Option<&str> {
        if let Cell::Text(value) = self { Some(value) } else { None }
    }

    fn as_document(&self) -> Option<&[u8]> {
        if let Cell::Document(document) = self { Some(document.as_bytes()) } else { None }
    }

    fn as_date(&self) -> Option<i32> {
        if let Cell::Date(days) = self { Some(*days) } else { None }
    }

    fn as_timestamp(&self) -> Option<i64> {
        if let Cell::Timestamp(micros) = self { Some(*micros) } else { None }
    }
}

/// JSON has no words for what is not finite; PostgreSQL's are used, in a string.
fn float_json(value: f64) -> String {
    match value {
        value if value.is_finite() => format!("{value:?}"),
        value if value.is_nan() => "\"NaN\"".into(),
        value if value > 0.0 => "\"Infinity\"".into(),
        _ => "\"-Infinity\"".into(),
    }
}

fn decimal_text(units: i128) -> String {
    let scale = 10i128.pow(DECIMAL.1 as u32);
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}.{:0>4}", units.abs() / scale, units.abs() % scale)
}

fn date_text(days: i32) -> String {
    arrow::temporal_conversions::date32_to_datetime(days).unwrap().format("%Y-%m-%d").to_string()
}

fn rfc3339(micros: i64) -> String {
    let time = arrow::temporal_conversions::timestamp_us_to_datetime(micros).unwrap();
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
