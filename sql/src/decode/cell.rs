//! One value of a column, and why there is none.

use std::borrow::Cow;

use arrow::datatypes::DataType;

use crate::limits::REASON_QUOTE_CHARS_MAX;

/// A value that fits its column. Text is borrowed from the event where it has no escapes.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    /// Every integer width; checked against the column's.
    Int(i64),
    /// Canonical: no -0.0, and one NaN.
    Float(f64),
    /// Unscaled, in the column's scale.
    Decimal(i128),
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
    /// The text of its value (see [`crate::json`]).
    Json(String),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970.
    Timestamp(i64),
    List(Vec<Cell<'a>>),
}

impl Cell<'_> {
    /// The same cell, borrowing nothing.
    pub fn owned(self) -> Cell<'static> {
        match self {
            Cell::Null => Cell::Null,
            Cell::Bool(value) => Cell::Bool(value),
            Cell::Int(value) => Cell::Int(value),
            Cell::Float(value) => Cell::Float(value),
            Cell::Decimal(value) => Cell::Decimal(value),
            Cell::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Cell::Bytes(bytes) => Cell::Bytes(bytes),
            Cell::Json(document) => Cell::Json(document),
            Cell::Date(days) => Cell::Date(days),
            Cell::Timestamp(micros) => Cell::Timestamp(micros),
            Cell::List(items) => Cell::List(items.into_iter().map(Cell::owned).collect()),
        }
    }
}

impl Cell<'static> {
    /// A moment, in milliseconds since 1970.
    pub fn at_ms(ms: i64) -> Cell<'static> {
        Cell::Timestamp(ms.saturating_mul(1_000))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Cell<'a> {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Cell::Text(text.into())
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Cell::Int(number)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Cell<'a> {
        value.map_or(Cell::Null, T::into)
    }
}

/// What an event must have for a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// What it is where the event has no such field.
    pub default: Option<Cell<'static>>,
}

/// Why an event is not a row, in words for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{0}")]
pub struct Reason(pub String);

impl Reason {
    /// The event has a field that says something else than the topic that it was published to.
    pub fn contradicts(column: &str, got: &str, said: &str) -> Reason {
        Reason(format!("field {column} is {}, and the topic says {}: the topic decides", quoted(got), quoted(said)))
    }

    /// The column has a value of another type.
    pub fn expected(column: &str, what: &str, got: &str) -> Reason {
        Reason(format!("column {column}: expected {what}, got {}", quoted(got)))
    }

    /// The value is of the right type and does not fit.
    pub fn out_of_range(column: &str, what: &str, got: &str) -> Reason {
        Reason(format!("column {column}: {} is out of range of {what}", quoted(got)))
    }

    /// The column is NOT NULL and the event has no value for it.
    pub fn missing(column: &str) -> Reason {
        Reason(format!("column {column}: must not be NULL or missing"))
    }
}

/// A value as a reason quotes it: on one line and short.
pub fn quoted(text: &str) -> String {
    let mut cut: String =
        text.chars().take(REASON_QUOTE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cut.len() < text.len() && text.chars().count() > REASON_QUOTE_CHARS_MAX {
        cut.push_str("...");
    }
    cut
}
