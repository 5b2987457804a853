//! SQL types, and the one Arrow type that each is kept as.
//!
//! | SQL | Arrow |
//! |---|---|
//! | boolean | Boolean |
//! | smallint, integer | Int32 |
//! | bigint | Int64 |
//! | real, double precision | Float64 |
//! | numeric(p, s) | Decimal128(p, s) |
//! | text, varchar, char | Utf8 |
//! | bytea | Binary |
//! | jsonb, json | LargeBinary: the text of [`crate::json`] |
//! | date | Date32 |
//! | timestamp, timestamptz | Timestamp(µs), without and with the zone `+00:00` |
//! | an array of one of these | List |
//!
//! Columns have these types only; inside an expression DataFusion may use others on the way.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, not_impl_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, ExactNumberInfo, TimezoneInfo};

/// The zone of every timestamp with one.
pub const UTC: &str = "+00:00";

/// The type of documents. It is a type of bytes, so that no function of text takes one; and of no other column.
pub const JSON: DataType = DataType::LargeBinary;

/// Precision and scale of `numeric` without any.
const NUMERIC_DEFAULT: (u8, i8) = (38, 10);

/// The type of moments, PostgreSQL's timestamptz.
pub fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// The type that a column of type `from` is kept as; `None` where there is none.
pub fn canonical(from: &DataType) -> Option<DataType> {
    Some(match from {
        DataType::Boolean => DataType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::LargeBinary => JSON,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => timestamptz(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let item = canonical(item.data_type()).filter(|item| !matches!(item, DataType::List(_)))?;
            DataType::List(Arc::new(Field::new_list_field(item, true)))
        }
        DataType::Dictionary(_, values) => return canonical(values),
        _ => return None,
    })
}

/// What a person calls the type.
pub fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Utf8 => "text".into(),
        DataType::Binary => "bytea".into(),
        DataType::LargeBinary => "jsonb".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".into(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".into(),
        DataType::Time32(_) | DataType::Time64(_) => "time".into(),
        DataType::List(item) | DataType::LargeList(item) => format!("{}[]", sql_name(item.data_type())),
        other => other.to_string(),
    }
}

/// How clients know a column's type where Arrow's does not say it: only columns of PostgreSQL's catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spoken {
    Oid,
    Name,
    /// One byte; not `character`.
    Char,
    Int2,
    /// Arrays that are written without braces and commas.
    Int2Vector,
    OidVector,
    /// A function, by its name.
    Regproc,
    /// A transaction.
    Xid,
    OidArray,
    Int2Array,
}

impl Spoken {
    /// Key of a field's metadata with the type's name.
    const KEY: &str = "caudal.spoken";
    const ALL: [(Spoken, &str, u32); 10] = [
        (Spoken::Oid, "oid", 26),
        (Spoken::Name, "name", 19),
        (Spoken::Char, "char", 18),
        (Spoken::Int2, "int2", 21),
        (Spoken::Int2Vector, "int2vector", 22),
        (Spoken::OidVector, "oidvector", 30),
        (Spoken::Regproc, "regproc", 24),
        (Spoken::Xid, "xid", 28),
        (Spoken::OidArray, "oid[]", 1028),
        (Spoken::Int2Array, "int2[]", 1005),
    ];

    /// The field, known by this type.
    pub fn on(self, field: Field) -> Field {
        let (_, name, _) = Spoken::ALL[self as usize];
        field.with_metadata([(Spoken::KEY.to_owned(), name.to_owned())].into())
    }

    pub fn of(field: &Field) -> Option<Spoken> {
        let name = field.metadata().get(Spoken::KEY)?;
        let spoken = Spoken::ALL.iter().find(|(_, known, _)| known == name).map(|(spoken, _, _)| *spoken);
        spoken.filter(|spoken| spoken.is_of(field.data_type()))
    }

    /// Whether values of an Arrow type may be known so: what became of a column may have kept what was said of it.
    fn is_of(self, data_type: &DataType) -> bool {
        match self {
            Spoken::Oid | Spoken::Regproc | Spoken::Xid => *data_type == DataType::Int64,
            Spoken::Name | Spoken::Char => {
                matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            }
            Spoken::Int2 => *data_type == DataType::Int32,
            Spoken::Int2Vector | Spoken::OidVector | Spoken::OidArray | Spoken::Int2Array => {
                matches!(data_type, DataType::List(item) if *item.data_type() == DataType::Int64)
            }
        }
    }

    /// What an array of such values is known as.
    pub fn array(self) -> Option<Spoken> {
        match self {
            Spoken::Oid => Some(Spoken::OidArray),
            _ => None,
        }
    }

    /// PostgreSQL's object id of the type.
    pub fn oid(self) -> u32 {
        Spoken::ALL[self as usize].2
    }
}

/// Gives DataFusion our reading of type names, in casts and in column definitions.
#[derive(Debug)]
pub struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            SqlType::Timestamp(_, zone) => {
                let zoned = matches!(zone, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone);
                DataType::Timestamp(TimeUnit::Microsecond, zoned.then(|| UTC.into()))
            }
            SqlType::Real | SqlType::Float4 => DataType::Float32,
            SqlType::Float(ExactNumberInfo::None) => DataType::Float64,
            SqlType::Numeric(number) | SqlType::Decimal(number) | SqlType::Dec(number) => numeric(number)?,
            SqlType::Character(_)
            | SqlType::CharacterVarying(_)
            | SqlType::CharVarying(_)
            | SqlType::Char(_)
            | SqlType::Varchar(_)
            | SqlType::Text => DataType::Utf8,
            SqlType::JSON | SqlType::JSONB => JSON,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

fn numeric(number: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match *number {
        ExactNumberInfo::None => return Ok(DataType::Decimal128(NUMERIC_DEFAULT.0, NUMERIC_DEFAULT.1)),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s)) if s >= 0 && s as u8 <= p => Ok(DataType::Decimal128(p, s)),
        _ => not_impl_err!("numeric({precision},{scale}): a precision above 38, or a scale outside 0 to the precision"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_canonical_type_is_its_own_and_can_be_stored() {
        for data_type in [
            DataType::Boolean,
            DataType::Int32,
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal128(12, 3),
            DataType::Utf8,
            DataType::Binary,
            JSON,
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, None),
            timestamptz(),
            DataType::new_list(DataType::Utf8, true),
        ] {
            assert_eq!(canonical(&data_type), Some(data_type.clone()));
            assert!(dataflow::row::supported(&data_type), "{data_type}");
        }
        assert_eq!(canonical(&DataType::UInt32), Some(DataType::Int64));
        assert_eq!(canonical(&DataType::Time64(TimeUnit::Microsecond)), None);
    }
}
