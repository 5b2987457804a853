//! Rows of a declared relation: what is not said of a row has the neutral value of its type.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;

use crate::catalog::hidden;
use crate::functions::interval::INTERVAL;
use crate::system::declared;
use crate::types::{self, Spoken};

/// Which transaction wrote a row, not part of `SELECT *`. Clients read what came after one that they have seen; here
/// every row may have, see [`NEWEST`].
pub const WRITTEN_BY: &str = "xmin";

/// The number of a transaction that is as new as any: what is told of it, a client has not seen yet.
pub const NEWEST: i64 = 3;

/// A cell.
pub enum Value {
    Int(i64),
    Bool(bool),
    Text(String),
    /// Of an interval.
    Seconds(i64),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// Rows of one relation.
pub struct Rows {
    schema: SchemaRef,
    neutral: Vec<ScalarValue>,
    columns: Vec<Vec<ScalarValue>>,
    count: usize,
}

impl Rows {
    /// No rows of a declared relation.
    pub fn of(name: &str) -> Option<Rows> {
        let own = declared::PG_CATALOG.iter().find(|own| own.name == name)?;
        let columns = own.columns.iter();
        let mut fields: Vec<Field> = columns.clone().map(|(name, of_type)| field(name, of_type)).collect();
        let neutral = columns.zip(&fields).map(|((_, of_type), field)| neutral(of_type, field.data_type()));
        let mut neutral: Vec<ScalarValue> = neutral.collect();
        if !own.is_view() {
            fields.push(hidden(field(WRITTEN_BY, "xid")));
            neutral.push(ScalarValue::Int64(Some(NEWEST)));
            fields.push(hidden(field("tableoid", "oid")));
            neutral.push(ScalarValue::Int64(Some(own.oid)));
        }
        let columns = fields.iter().map(|_| Vec::new()).collect();
        Some(Rows { schema: Arc::new(Schema::new(fields)), neutral, columns, count: 0 })
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Adds a row of which these columns are known.
    pub fn push<const N: usize>(&mut self, known: [(&str, Value); N]) {
        self.columns.iter_mut().zip(&self.neutral).for_each(|(column, neutral)| column.push(neutral.clone()));
        for (name, value) in known {
            let at = self.schema.index_of(name).expect("the column is declared");
            let cell = scalar(value, self.schema.field(at).data_type());
            *self.columns[at].last_mut().expect("the row was just added") = cell;
        }
        self.count += 1;
    }

    pub fn finish(self) -> RecordBatch {
        let arrays = self.columns.into_iter().zip(self.schema.fields()).map(|(cells, field)| -> ArrayRef {
            match cells.is_empty() {
                true => arrow::array::new_empty_array(field.data_type()),
                false => ScalarValue::iter_to_array(cells).expect("the cells are of their column's type"),
            }
        });
        let options = RecordBatchOptions::new().with_row_count(Some(self.count));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays.collect(), &options).expect("a cell a column")
    }
}

fn field(name: &str, of_type: &str) -> Field {
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    let (data_type, spoken) = match of_type {
        "oid" => (DataType::Int64, Some(Spoken::Oid)),
        "regproc" => (DataType::Int64, Some(Spoken::Regproc)),
        "xid" => (DataType::Int64, Some(Spoken::Xid)),
        "name" => (DataType::Utf8, Some(Spoken::Name)),
        "char" => (DataType::Utf8, Some(Spoken::Char)),
        "int8" => (DataType::Int64, None),
        "int2" => (DataType::Int32, Some(Spoken::Int2)),
        "int4" => (DataType::Int32, None),
        "float4" | "float8" => (DataType::Float64, None),
        "bool" => (DataType::Boolean, None),
        "text" => (DataType::Utf8, None),
        "interval" => (INTERVAL, None),
        "bytea" => (DataType::Binary, None),
        "timestamptz" => (types::timestamptz(), None),
        "oid[]" => (list(DataType::Int64), Some(Spoken::OidArray)),
        "int2[]" => (list(DataType::Int64), Some(Spoken::Int2Array)),
        "int2vector" => (list(DataType::Int64), Some(Spoken::Int2Vector)),
        "oidvector" => (list(DataType::Int64), Some(Spoken::OidVector)),
        "text[]" => (list(DataType::Utf8), None),
        other => panic!("{name} is declared with the unknown type {other}"),
    };
    let field = Field::new(name, data_type, true);
    spoken.map_or(field.clone(), |spoken| spoken.on(field))
}

fn neutral(of_type: &str, data_type: &DataType) -> ScalarValue {
    match of_type {
        "oid" | "regproc" | "int8" => ScalarValue::Int64(Some(0)),
        "int2" | "int4" => ScalarValue::Int32(Some(0)),
        "bool" => ScalarValue::Boolean(Some(false)),
        "name" | "char" => ScalarValue::Utf8(Some(String::new())),
        _ => ScalarValue::try_from(data_type).expect("every type here has a NULL"),
    }
}

fn scalar(value: Value, data_type: &DataType) -> ScalarValue {
    let list =
        |values: Vec<ScalarValue>, item: DataType| ScalarValue::List(ScalarValue::new_list(&values, &item, true));
    match (value, data_type) {
        (Value::Int(number), DataType::Int32) => ScalarValue::Int32(Some(number as i32)),
        (Value::Int(number), DataType::Int64) => ScalarValue::Int64(Some(number)),
        (Value::Int(number), DataType::Float64) => ScalarValue::Float64(Some(number as f64)),
        (Value::Int(micros), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            ScalarValue::TimestampMicrosecond(Some(micros), zone.clone())
        }
        (Value::Bool(value), DataType::Boolean) => ScalarValue::Boolean(Some(value)),
        (Value::Text(text), DataType::Utf8) => ScalarValue::Utf8(Some(text)),
        (Value::Ints(numbers), DataType::List(_)) => {
            list(numbers.into_iter().map(|number| ScalarValue::Int64(Some(number))).collect(), DataType::Int64)
        }
        (Value::Texts(texts), DataType::List(_)) => {
            list(texts.into_iter().map(|text| ScalarValue::Utf8(Some(text))).collect(), DataType::Utf8)
        }
        (Value::Seconds(seconds), DataType::Interval(_)) => {
            let interval = IntervalMonthDayNano::new(0, 0, seconds * 1_000_000_000);
            ScalarValue::IntervalMonthDayNano(Some(interval))
        }
        (Value::Null, _) => ScalarValue::try_from(data_type).expect("every type here has a NULL"),
        (_, other) => panic!("a cell of type {other} was given another"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_relation_has_columns_of_known_types() {
        for own in declared::PG_CATALOG.iter() {
            let rows = Rows::of(own.name).unwrap();
            assert_eq!(rows.finish().num_rows(), 0, "{}", own.name);
        }
    }
}
