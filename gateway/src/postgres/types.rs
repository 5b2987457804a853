//! PostgreSQL's types for Arrow's.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use sql::SqlError;
use sql::types::{JSON, Spoken, timestamptz};

/// A type as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Digits in all, and digits behind the point.
    Numeric {
        precision: u8,
        scale: i8,
    },
    Text,
    Bytea,
    Jsonb,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    /// Columns of the catalogue only: a number, a name, one letter.
    Oid,
    /// A transaction.
    Xid,
    /// A function: a number that is shown as a name.
    Regproc,
    Name,
    Char,
    /// An array of the catalogue that is written with blanks between its numbers.
    Vector {
        oid: u32,
        element: u32,
    },
    /// One-dimensional, by the object ids of the array and of its elements.
    Array {
        oid: u32,
        element: u32,
    },
}

/// Whether values are sent as text or in PostgreSQL's binary form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

impl Format {
    /// The format by the protocol's code.
    fn of(code: i16) -> Result<Format, SqlError> {
        match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            _ => Err(SqlError::new("22023", format!("unsupported format code: {code}"))),
        }
    }

    /// The format of each of `count` values: none given is text for all, one is for all, else one each.
    pub(super) fn each(codes: &[i16], count: usize) -> Result<Vec<Format>, SqlError> {
        match codes {
            [] => Ok(vec![Format::Text; count]),
            [code] => Ok(vec![Format::of(*code)?; count]),
            _ if codes.len() == count => codes.iter().map(|&code| Format::of(code)).collect(),
            _ => {
                let message = format!("{} formats are given for {count} values", codes.len());
                Err(super::error::protocol_violation(message))
            }
        }
    }

    pub(super) fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// Object ids of types as PostgreSQL's catalogue has them; clients know these by heart.
mod oid {
    pub(super) const BOOL: u32 = 16;
    pub(super) const BYTEA: u32 = 17;
    pub(super) const CHAR: u32 = 18;
    pub(super) const NAME: u32 = 19;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT2VECTOR: u32 = 22;
    pub(super) const INT4: u32 = 23;
    pub(super) const TEXT: u32 = 25;
    pub(super) const REGPROC: u32 = 24;
    pub(super) const OID: u32 = 26;
    pub(super) const XID: u32 = 28;
    pub(super) const OIDVECTOR: u32 = 30;
    pub(super) const JSON: u32 = 114;
    pub(super) const FLOAT4: u32 = 700;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const UNKNOWN: u32 = 705;
    pub(super) const BPCHAR: u32 = 1042;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const DATE: u32 = 1082;
    pub(super) const TIME: u32 = 1083;
    pub(super) const TIMESTAMP: u32 = 1114;
    pub(super) const TIMESTAMPTZ: u32 = 1184;
    pub(super) const INTERVAL: u32 = 1186;
    pub(super) const NUMERIC: u32 = 1700;
    pub(super) const JSONB: u32 = 3802;

    pub(super) const OIDS: u32 = 1028;

    /// Arrays and their elements.
    pub(super) const ARRAYS: [(u32, u32); 19] = [
        (1000, BOOL),
        (1001, BYTEA),
        (1002, CHAR),
        (1003, NAME),
        (1005, INT2),
        (1007, INT4),
        (1016, INT8),
        (1009, TEXT),
        (1015, VARCHAR),
        (OIDS, OID),
        (1021, FLOAT4),
        (1022, FLOAT8),
        (1182, DATE),
        (1183, TIME),
        (1115, TIMESTAMP),
        (1185, TIMESTAMPTZ),
        (1187, INTERVAL),
        (1231, NUMERIC),
        (3807, JSONB),
    ];
}

/// Numerics without a declared precision hold this much.
const NUMERIC_ANY: Type = Type::Numeric { precision: 38, scale: 0 };

impl Type {
    /// The type that an Arrow column is sent as, after [`sent_as`].
    pub(super) fn of(data_type: &DataType) -> Option<Type> {
        Some(match data_type {
            DataType::Boolean => Type::Bool,
            DataType::Int16 => Type::Int2,
            DataType::Int32 => Type::Int4,
            DataType::Int64 => Type::Int8,
            DataType::Float32 => Type::Float4,
            DataType::Float64 => Type::Float8,
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                Type::Numeric { precision: *precision, scale: *scale }
            }
            DataType::Utf8 => Type::Text,
            DataType::Binary => Type::Bytea,
            DataType::LargeBinary => Type::Jsonb,
            DataType::Date32 => Type::Date,
            DataType::Time64(TimeUnit::Microsecond) => Type::Time,
            DataType::Timestamp(TimeUnit::Microsecond, None) => Type::Timestamp,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Type::Timestamptz,
            DataType::Interval(IntervalUnit::MonthDayNano) => Type::Interval,
            DataType::List(item) => {
                let element = Type::of(item.data_type()).filter(|of| !matches!(of, Type::Array { .. }))?.oid();
                let (oid, _) = oid::ARRAYS.iter().find(|(_, of)| *of == element)?;
                Type::Array { oid: *oid, element }
            }
            _ => return None,
        })
    }

    /// The type that a column is sent as: that of its values, unless the catalogue says it is another.
    pub(super) fn of_column(field: &Field, sent: &DataType) -> Option<Type> {
        Spoken::of(field).and_then(Type::known_as).or_else(|| Type::of(sent))
    }

    /// What clients know such values as; `None` where that is what the values are.
    pub(super) fn known_as(spoken: Spoken) -> Option<Type> {
        Some(match spoken {
            Spoken::Oid => Type::Oid,
            Spoken::Xid => Type::Xid,
            Spoken::Regproc => Type::Regproc,
            Spoken::Name => Type::Name,
            Spoken::Char => Type::Char,
            Spoken::Int2Vector => Type::Vector { oid: oid::INT2VECTOR, element: oid::INT2 },
            Spoken::OidVector => Type::Vector { oid: oid::OIDVECTOR, element: oid::OID },
            Spoken::OidArray => Type::Array { oid: oid::OIDS, element: oid::OID },
            Spoken::Int2 | Spoken::Int2Array => return None,
        })
    }

    /// The type that a client names; `None` where it leaves the choice to the server.
    pub(super) fn named(oid: u32) -> Result<Option<Type>, SqlError> {
        Ok(Some(match oid {
            0 | oid::UNKNOWN => return Ok(None),
            oid::BOOL => Type::Bool,
            oid::INT2 => Type::Int2,
            oid::INT4 => Type::Int4,
            oid::INT8 => Type::Int8,
            oid::FLOAT4 => Type::Float4,
            oid::FLOAT8 => Type::Float8,
            oid::NUMERIC => NUMERIC_ANY,
            oid::TEXT | oid::VARCHAR | oid::BPCHAR => Type::Text,
            oid::NAME => Type::Name,
            oid::CHAR => Type::Char,
            oid::OID => Type::Oid,
            oid::XID => Type::Xid,
            oid::BYTEA => Type::Bytea,
            oid::JSON | oid::JSONB => Type::Jsonb,
            oid::DATE => Type::Date,
            oid::TIME => Type::Time,
            oid::TIMESTAMP => Type::Timestamp,
            oid::TIMESTAMPTZ => Type::Timestamptz,
            oid::INTERVAL => Type::Interval,
            _ => {
                if let Some((oid, element)) = oid::ARRAYS.iter().find(|(array, _)| *array == oid) {
                    return Ok(Some(Type::Array { oid: *oid, element: *element }));
                }
                let refused = SqlError::unsupported(format!("a parameter of the type with object id {oid}"));
                return Err(refused.hint("send it as text, without a type"));
            }
        }))
    }

    /// What the planner is told of a parameter that the client says is of this type. A numeric's digits are for the planner
    /// to choose.
    pub(super) fn planned(self) -> Option<DataType> {
        Some(match self {
            Type::Bool => DataType::Boolean,
            Type::Int2 | Type::Int4 => DataType::Int32,
            Type::Int8 => DataType::Int64,
            Type::Float4 | Type::Float8 => DataType::Float64,
            Type::Numeric { .. } => return None,
            Type::Text | Type::Name | Type::Char => DataType::Utf8,
            Type::Oid | Type::Xid | Type::Regproc => DataType::Int64,
            Type::Bytea => DataType::Binary,
            Type::Jsonb => JSON,
            Type::Date => DataType::Date32,
            Type::Time => DataType::Time64(TimeUnit::Microsecond),
            Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Type::Timestamptz => timestamptz(),
            Type::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Type::Array { .. } | Type::Vector { .. } => {
                let item = self.item()?.planned()?;
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
        })
    }

    /// The type of an array's elements.
    pub(super) fn item(self) -> Option<Type> {
        match self {
            Type::Array { element, .. } | Type::Vector { element, .. } => Type::named(element).ok().flatten(),
            _ => None,
        }
    }

    /// The type of an array's elements where what they are sent as does not say it.
    pub(super) fn own_item(self) -> Option<Type> {
        matches!(self, Type::Array { element: oid::OID, .. } | Type::Vector { element: oid::OID, .. })
            .then_some(Type::Oid)
    }

    pub(super) fn oid(self) -> u32 {
        match self {
            Type::Bool => oid::BOOL,
            Type::Int2 => oid::INT2,
            Type::Int4 => oid::INT4,
            Type::Int8 => oid::INT8,
            Type::Float4 => oid::FLOAT4,
            Type::Float8 => oid::FLOAT8,
            Type::Numeric { .. } => oid::NUMERIC,
            Type::Text => oid::TEXT,
            Type::Bytea => oid::BYTEA,
            Type::Jsonb => oid::JSONB,
            Type::Date => oid::DATE,
            Type::Time => oid::TIME,
            Type::Timestamp => oid::TIMESTAMP,
            Type::Timestamptz => oid::TIMESTAMPTZ,
            Type::Interval => oid::INTERVAL,
            Type::Oid => oid::OID,
            Type::Xid => oid::XID,
            Type::Regproc => oid::REGPROC,
            Type::Name => oid::NAME,
            Type::Char => oid::CHAR,
            Type::Array { oid, .. } | Type::Vector { oid, .. } => oid,
        }
    }

    /// Bytes of every value; -1 where they differ.
    pub(super) fn size(self) -> i16 {
        match self {
            Type::Bool | Type::Char => 1,
            Type::Int2 => 2,
            Type::Int4 | Type::Float4 | Type::Date | Type::Oid | Type::Xid | Type::Regproc => 4,
            Type::Int8 | Type::Float8 | Type::Time | Type::Timestamp | Type::Timestamptz => 8,
            Type::Interval => 16,
            Type::Name => 64,
            Type::Numeric { .. }
            | Type::Text
            | Type::Bytea
            | Type::Jsonb
            | Type::Array { .. }
            | Type::Vector { .. } => -1,
        }
    }

    /// PostgreSQL's type modifier: a numeric's digits; -1 where there is none.
    pub(super) fn modifier(self) -> i32 {
        match self {
            Type::Numeric { precision, scale } => ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4,
            _ => -1,
        }
    }
}

/// The Arrow type that a column is cast to before it is sent: DataFusion's functions return some that PostgreSQL has not.
pub(super) fn sent_as(field: &Field) -> Result<DataType, SqlError> {
    match Spoken::of(field) {
        Some(Spoken::Int2) => return Ok(DataType::Int16),
        Some(Spoken::Int2Vector | Spoken::Int2Array) => return Ok(DataType::new_list(DataType::Int16, true)),
        _ => {}
    }
    canonical(field.data_type()).ok_or_else(|| {
        SqlError::unsupported(format!("sending column {} of type {}", field.name(), field.data_type()))
            .hint("cast it to text")
    })
}

fn canonical(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Null | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::List(item) | DataType::LargeList(item) => {
            let list = DataType::List(Arc::new(Field::new_list_field(canonical(item.data_type())?, true)));
            return Type::of(&list).map(|_| list);
        }
        DataType::Dictionary(_, values) => return canonical(values),
        other => return Type::of(other).map(|_| other.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_postgresql_has_no_type_for_are_refused_by_name() {
        let pair = DataType::Struct(vec![Field::new("x", DataType::Int32, true)].into());
        let list = Field::new("parts", DataType::new_list(pair, true), true);
        let refused = sent_as(&list).unwrap_err();
        assert_eq!((refused.sqlstate, refused.hint.as_deref()), ("0A000", Some("cast it to text")));
        assert!(refused.message.contains("column parts"), "{refused}");
    }

    #[test]
    fn what_is_sent_always_has_a_type() {
        for data_type in [DataType::UInt64, DataType::Utf8View, DataType::Null, DataType::Decimal256(76, 10)] {
            let sent = sent_as(&Field::new("c", data_type.clone(), true)).unwrap();
            assert!(Type::of(&sent).is_some(), "{data_type}");
        }
    }

    #[test]
    fn numerics_tell_their_digits_as_postgresql_packs_them() {
        assert_eq!(Type::Numeric { precision: 18, scale: 6 }.modifier(), ((18 << 16) | 6) + 4);
        assert_eq!(Type::Numeric { precision: 5, scale: -2 }.modifier(), ((5 << 16) | 0x7fe) + 4);
    }

    #[test]
    fn formats_are_for_none_for_all_or_for_each() {
        use Format::{Binary, Text};
        assert_eq!(Format::each(&[], 2).unwrap(), [Text, Text]);
        assert_eq!(Format::each(&[1], 3).unwrap(), [Binary; 3]);
        assert_eq!(Format::each(&[0, 1], 2).unwrap(), [Text, Binary]);
        assert_eq!(Format::each(&[0, 1], 3).unwrap_err().sqlstate, "08P01");
        assert_eq!(Format::each(&[2], 1).unwrap_err().sqlstate, "22023");
    }
}
