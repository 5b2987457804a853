//! Parameters of Bind as values of the types that the statement was planned with.

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use sql::SqlError;
use sql::decode::binary;
use sql::functions::OwnCast;
use sql::functions::array::read as read_array;
use sql::functions::json as documents;
use sql::functions::session_zone;
use sql::functions::zone::Zone;
use sql::types::{Spoken, UTC, timestamptz};

use super::encode::{EPOCH_DAYS, EPOCH_MICROS, JSONB_VERSION};
use super::error::protocol_violation;
use super::frontend::Bind;
use super::numeric::{NotNumeric, Numeric};
use super::types::{Format, Type};

/// A parameter of a statement.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    /// How the client sends it.
    pub(super) wire: Type,
    /// What the statement was planned with.
    pub(super) planned: DataType,
}

impl Parameter {
    /// The parameters of a statement: `planned` by the planner, `known_as` where the statement says it, `named` by the client
    /// as far as it did.
    pub(super) fn of(
        planned: &[DataType],
        known_as: &[Option<Spoken>],
        named: &[Option<Type>],
    ) -> Result<Vec<Parameter>, SqlError> {
        let parameter = |(number, planned): (usize, &DataType)| {
            let known_as = || known_as.get(number).copied().flatten().and_then(Type::known_as);
            let wire = named.get(number).copied().flatten().or_else(known_as).or_else(|| match planned {
                DataType::Timestamp(_, None) => Some(Type::Timestamp),
                DataType::Timestamp(_, Some(_)) => Some(Type::Timestamptz),
                DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => Some(Type::Text),
                other => Type::of(other),
            });
            let wire = wire.ok_or_else(|| SqlError::unsupported(format!("a parameter of type {planned}")))?;
            Ok(Parameter { wire, planned: planned.clone() })
        };
        planned.iter().enumerate().map(parameter).collect()
    }
}

/// The values of a Bind message.
/// `zone`: what moments are of that say no offset, `None` for UTC.
pub(super) fn decode(bind: &Bind, parameters: &[Parameter], zone: Option<Zone>) -> Result<Vec<ScalarValue>, SqlError> {
    if bind.parameters.len() != parameters.len() {
        let (given, wanted) = (bind.parameters.len(), parameters.len());
        let message = format!("bind message supplies {given} parameters, but the statement requires {wanted}");
        return Err(protocol_violation(message));
    }
    let formats = Format::each(&bind.parameter_formats, parameters.len())?;
    let value = |((parameter, bytes), format): ((&Parameter, &Option<bytes::Bytes>), Format)| match bytes {
        None => ScalarValue::try_from(&parameter.planned).map_err(|error| out_of_range(&error)),
        Some(bytes) => match zone {
            Some(zone) if parameter.wire == Type::Timestamptz && format == Format::Text => {
                let micros = session_zone::read(utf8(bytes)?, zone)?;
                let moment = ScalarValue::TimestampMicrosecond(Some(micros), Some(UTC.into()));
                moment.cast_to(&parameter.planned).map_err(|error| out_of_range(&error))
            }
            _ => parameter.value(bytes, format),
        },
    };
    parameters.iter().zip(&bind.parameters).zip(formats).map(value).collect()
}

impl Parameter {
    fn value(&self, bytes: &[u8], format: Format) -> Result<ScalarValue, SqlError> {
        let value = match (self.wire, format) {
            (Type::Numeric { .. }, Format::Text) => return self.numeric(Numeric::parse(utf8(bytes)?), bytes),
            (Type::Numeric { .. }, Format::Binary) => return self.numeric(Numeric::from_binary(bytes), bytes),
            (Type::Text | Type::Name | Type::Char, _) => ScalarValue::Utf8(Some(utf8(bytes)?.to_owned())),
            (Type::Array { .. } | Type::Vector { .. }, format) => self.array(bytes, format)?,
            (wire, Format::Text) => from_text(wire, utf8(bytes)?)?,
            (wire, Format::Binary) => from_binary(wire, bytes)?,
        };
        match self.planned {
            DataType::Null => Ok(value),
            _ => value.cast_to(&self.planned).map_err(|error| out_of_range(&error)),
        }
    }

    /// An array; its elements are read as parameters of their own.
    fn array(&self, bytes: &[u8], format: Format) -> Result<ScalarValue, SqlError> {
        let wire = self.wire.item().ok_or_else(|| SqlError::unsupported("this type of array"))?;
        let planned = match &self.planned {
            DataType::List(item) => item.data_type().clone(),
            _ => wire.planned().unwrap_or(DataType::Utf8),
        };
        let item = Parameter { wire, planned: planned.clone() };
        let null = || ScalarValue::try_from(&planned).map_err(|error| out_of_range(&error));
        let items: Result<Vec<ScalarValue>, SqlError> = match format {
            Format::Text => {
                let written = read_array(utf8(bytes)?)?.into_iter();
                written.map(|text| text.map_or_else(null, |text| item.value(text.as_bytes(), format))).collect()
            }
            Format::Binary => {
                let items = array_items(bytes)?.into_iter();
                items.map(|bytes| bytes.map_or_else(null, |bytes| item.value(bytes, format))).collect()
            }
        };
        Ok(ScalarValue::List(ScalarValue::new_list(&items?, &planned, true)))
    }

    /// A numeric in the type planned; exact where that is a decimal.
    fn numeric(&self, read: Result<Numeric, NotNumeric>, bytes: &[u8]) -> Result<ScalarValue, SqlError> {
        let refuse = |why| match why {
            NotNumeric::Syntax => SqlError::syntax("numeric", &String::from_utf8_lossy(bytes)),
            NotNumeric::Range => SqlError::new("22003", format!("numeric parameter does not fit {}", self.planned)),
        };
        let numeric = read.map_err(refuse)?;
        match self.planned {
            DataType::Decimal128(precision, scale) => {
                let unscaled = numeric.unscaled(precision, scale).map_err(refuse)?;
                Ok(ScalarValue::Decimal128(Some(unscaled), precision, scale))
            }
            DataType::Float64 | DataType::Float32 | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                let text = ScalarValue::Utf8(Some(numeric.to_text()));
                text.cast_to(&self.planned).map_err(|error| out_of_range(&error))
            }
            _ => {
                let scale = i8::try_from(numeric.scale().min(38)).expect("38 fits");
                let unscaled = numeric.unscaled(38, scale).map_err(refuse)?;
                let exact = ScalarValue::Decimal128(Some(unscaled), 38, scale);
                exact.cast_to(&self.planned).map_err(|error| out_of_range(&error))
            }
        }
    }
}

fn from_text(wire: Type, text: &str) -> Result<ScalarValue, SqlError> {
    let trimmed = text.trim_ascii();
    Ok(match wire {
        Type::Bool => ScalarValue::Boolean(Some(boolean(trimmed).ok_or_else(|| SqlError::syntax("boolean", text))?)),
        Type::Int2 => ScalarValue::Int16(Some(integer(trimmed, "smallint")?)),
        Type::Int4 => ScalarValue::Int32(Some(integer(trimmed, "integer")?)),
        Type::Int8 => ScalarValue::Int64(Some(integer(trimmed, "bigint")?)),
        Type::Float4 => ScalarValue::Float32(Some(trimmed.parse().map_err(|_| SqlError::syntax("real", text))?)),
        Type::Float8 => {
            ScalarValue::Float64(Some(trimmed.parse().map_err(|_| SqlError::syntax("double precision", text))?))
        }
        Type::Bytea => {
            ScalarValue::Binary(Some(binary::from_postgresql(text).ok_or_else(|| SqlError::syntax("bytea", text))?))
        }
        Type::Jsonb => documents::parse(text)?,
        Type::Date => time(trimmed, &DataType::Date32, "date")?,
        Type::Timestamp => time(trimmed, &DataType::Timestamp(TimeUnit::Microsecond, None), "timestamp")?,
        Type::Timestamptz => time(trimmed, &timestamptz(), "timestamp with time zone")?,
        Type::Time => time(trimmed, &DataType::Time64(TimeUnit::Microsecond), "time")?,
        Type::Interval => time(trimmed, &DataType::Interval(IntervalUnit::MonthDayNano), "interval")?,
        Type::Oid | Type::Xid | Type::Regproc => ScalarValue::Int64(Some(integer::<u32>(trimmed, "oid")?.into())),
        Type::Text | Type::Name | Type::Char | Type::Numeric { .. } | Type::Array { .. } | Type::Vector { .. } => {
            unreachable!("read by the caller")
        }
    })
}

/// The elements of an array of at most one dimension in binary.
pub(super) fn array_items(bytes: &[u8]) -> Result<Vec<Option<&[u8]>>, SqlError> {
    let malformed = || SqlError::new("22P03", "incorrect binary data format in bind parameter");
    let mut rest = bytes;
    let number = |rest: &mut &[u8]| {
        let (first, after) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
        *rest = after;
        Ok::<_, SqlError>(i32::from_be_bytes(*first))
    };
    let (dimensions, _nulls, _element) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
    match dimensions {
        0 => return Ok(Vec::new()),
        1 => {}
        _ => return Err(SqlError::unsupported("an array of arrays")),
    }
    let (count, _first) = (number(&mut rest)?, number(&mut rest)?);
    let mut items = Vec::new();
    for _ in 0..count {
        let length = number(&mut rest)?;
        items.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) => {
                let (item, after) = rest.split_at_checked(length).ok_or_else(malformed)?;
                rest = after;
                Some(item)
            }
        });
    }
    Ok(items)
}

fn from_binary(wire: Type, bytes: &[u8]) -> Result<ScalarValue, SqlError> {
    let beyond = || SqlError::new("22008", "date or timestamp out of range");
    Ok(match wire {
        Type::Bool => ScalarValue::Boolean(Some(fixed::<1>(bytes)? != [0])),
        Type::Int2 => ScalarValue::Int16(Some(i16::from_be_bytes(fixed(bytes)?))),
        Type::Int4 => ScalarValue::Int32(Some(i32::from_be_bytes(fixed(bytes)?))),
        Type::Int8 => ScalarValue::Int64(Some(i64::from_be_bytes(fixed(bytes)?))),
        Type::Float4 => ScalarValue::Float32(Some(f32::from_be_bytes(fixed(bytes)?))),
        Type::Float8 => ScalarValue::Float64(Some(f64::from_be_bytes(fixed(bytes)?))),
        Type::Bytea => ScalarValue::Binary(Some(bytes.to_vec())),
        // A json is sent without the version, which no document begins with.
        Type::Jsonb => documents::parse(utf8(bytes.strip_prefix(&[JSONB_VERSION]).unwrap_or(bytes))?)?,
        Type::Date => {
            let days = i32::from_be_bytes(fixed(bytes)?).checked_add(EPOCH_DAYS);
            ScalarValue::Date32(Some(days.ok_or_else(beyond)?))
        }
        Type::Timestamp | Type::Timestamptz => {
            // The last and the first of all numbers are PostgreSQL's infinity and -infinity.
            let micros = i64::from_be_bytes(fixed(bytes)?);
            let micros = micros.checked_add(EPOCH_MICROS).filter(|_| micros != i64::MIN).ok_or_else(beyond)?;
            let zone = (wire == Type::Timestamptz).then(|| UTC.into());
            ScalarValue::TimestampMicrosecond(Some(micros), zone)
        }
        Type::Time => ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(fixed(bytes)?))),
        Type::Interval => {
            let bytes: [u8; 16] = fixed(bytes)?;
            let (micros, rest) = bytes.split_first_chunk::<8>().expect("16 bytes have 8");
            let (days, months) = rest.split_first_chunk::<4>().expect("8 bytes have 4");
            let months = i32::from_be_bytes(fixed(months)?);
            let nanos = i64::from_be_bytes(*micros).checked_mul(1_000).ok_or_else(beyond)?;
            let value = IntervalMonthDayNano::new(months, i32::from_be_bytes(*days), nanos);
            ScalarValue::IntervalMonthDayNano(Some(value))
        }
        Type::Oid | Type::Xid | Type::Regproc => ScalarValue::Int64(Some(u32::from_be_bytes(fixed(bytes)?).into())),
        Type::Text | Type::Name | Type::Char | Type::Numeric { .. } | Type::Array { .. } | Type::Vector { .. } => {
            unreachable!("read by the caller")
        }
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], SqlError> {
    bytes.try_into().map_err(|_| SqlError::new("22P03", "incorrect binary data format in bind parameter"))
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, SqlError> {
    let refused = || SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\"");
    str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or_else(refused)
}

/// PostgreSQL takes every unambiguous beginning of its words.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |words: &[&str], least: usize| text.len() >= least && words.iter().any(|word| word.starts_with(&text));
    match text.as_str() {
        "1" | "on" => Some(true),
        "0" => Some(false),
        _ if begins(&["true", "yes"], 1) => Some(true),
        _ if begins(&["false", "no"], 1) || begins(&["off"], 2) => Some(false),
        _ => None,
    }
}

fn integer<T: TryFrom<i128>>(text: &str, name: &str) -> Result<T, SqlError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SqlError::syntax(name, text));
    }
    let value = text.parse().ok().and_then(|value: i128| T::try_from(value).ok());
    value.ok_or_else(|| SqlError::new("22003", format!("value \"{text}\" is out of range for type {name}")))
}

fn time(text: &str, data_type: &DataType, name: &str) -> Result<ScalarValue, SqlError> {
    let written = ScalarValue::Utf8(Some(text.to_owned()));
    let value = match OwnCast::between(&DataType::Utf8, data_type, false) {
        Some(cast) => written
            .to_array()
            .and_then(|array| cast.cast(&array))
            .and_then(|array| ScalarValue::try_from_array(&array, 0)),
        None => written.cast_to(data_type),
    };
    value.map_err(|_| SqlError::new("22007", format!("invalid input syntax for type {name}: \"{text}\"")))
}

fn out_of_range(error: &datafusion::error::DataFusionError) -> SqlError {
    SqlError::new("22003", error.strip_backtrace())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(planned: DataType, bytes: &[u8], format: i16) -> Result<ScalarValue, SqlError> {
        read_as(None, planned, bytes, format)
    }

    fn read_as(named: Option<u32>, planned: DataType, bytes: &[u8], format: i16) -> Result<ScalarValue, SqlError> {
        let named = named.map(|oid| Type::named(oid).unwrap().unwrap());
        let parameters = Parameter::of(&[planned], &[], &[named]).unwrap();
        let bind = Bind {
            portal: String::new(),
            statement: String::new(),
            parameter_formats: vec![format],
            parameters: vec![Some(Bytes::copy_from_slice(bytes))],
            result_formats: vec![],
        };
        decode(&bind, &parameters, None).map(|mut values| values.pop().unwrap())
    }

    #[test]
    fn decimals_are_exact_in_both_formats() {
        let planned = DataType::Decimal128(18, 6);
        let exact = ScalarValue::Decimal128(Some(-1_500_001), 18, 6);
        assert_eq!(read(planned.clone(), b"-1.500001", 0).unwrap(), exact);
        assert_eq!(read(planned.clone(), &[0, 2, 0, 0, 0x40, 0, 0, 6, 0, 1, 0x13, 0x88], 1).unwrap(), {
            ScalarValue::Decimal128(Some(-1_500_000), 18, 6)
        });
        assert_eq!(read(planned.clone(), b"1e13", 0).unwrap_err().sqlstate, "22003");
        assert_eq!(read(planned, b"1,5", 0).unwrap_err().sqlstate, "22P02");
    }

    #[test]
    fn a_type_that_the_client_names_is_read_and_turned_into_the_one_planned() {
        assert_eq!(read_as(Some(21), DataType::Int64, &[0xff, 0xfe], 1).unwrap(), ScalarValue::Int64(Some(-2)));
        assert_eq!(read_as(Some(1700), DataType::Int64, b"12", 0).unwrap(), ScalarValue::Int64(Some(12)));
        assert_eq!(read_as(Some(1700), DataType::Float64, b"0.1", 0).unwrap(), ScalarValue::Float64(Some(0.1)));
        assert_eq!(read_as(Some(20), DataType::Int32, &[0, 0, 0, 1, 0, 0, 0, 0], 1).unwrap_err().sqlstate, "22003");
        assert_eq!(read(DataType::Int32, &[0, 0], 1).unwrap_err().sqlstate, "22P03");
    }

    #[test]
    fn times_are_read_as_microseconds() {
        let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
        let expected = ScalarValue::TimestampMicrosecond(Some(1_767_323_045_678_000), Some("+00:00".into()));
        for text in ["2026-01-02 03:04:05.678+00", "2026-01-02T05:04:05.678+02:00", "2026-01-02 03:04:05.678"] {
            assert_eq!(read(zone.clone(), text.as_bytes(), 0).unwrap(), expected, "{text}");
        }
        let binary = (1_767_323_045_678_000 - EPOCH_MICROS).to_be_bytes();
        assert_eq!(read(zone.clone(), &binary, 1).unwrap(), expected);
        assert_eq!(read(zone.clone(), &i64::MAX.to_be_bytes(), 1).unwrap_err().sqlstate, "22008");
        assert_eq!(read(zone, b"yesterday", 0).unwrap_err().sqlstate, "22007");
        assert_eq!(read(DataType::Date32, b"2000-01-02", 0).unwrap(), ScalarValue::Date32(Some(EPOCH_DAYS + 1)));
    }

    #[test]
    fn booleans_and_bytes_are_read_as_postgresql_reads_them() {
        for (text, value) in [("t", true), ("YES", true), ("on", true), ("of", false), ("0", false), ("fal", false)] {
            assert_eq!(
                read(DataType::Boolean, text.as_bytes(), 0).unwrap(),
                ScalarValue::Boolean(Some(value)),
                "{text}"
            );
        }
        assert_eq!(read(DataType::Boolean, b"o", 0).unwrap_err().sqlstate, "22P02");
        for text in ["\\x00Ff 5c", "\\000\\377\\\\"] {
            let bytes = read(DataType::Binary, text.as_bytes(), 0).unwrap();
            assert_eq!(bytes, ScalarValue::Binary(Some(vec![0, 0xff, 0x5c])), "{text}");
        }
        assert_eq!(read(DataType::Binary, b"\\x0", 0).unwrap_err().sqlstate, "22P02");
    }

    #[test]
    fn text_is_utf8_without_zero_bytes() {
        assert_eq!(read(DataType::Utf8, "añö".as_bytes(), 1).unwrap(), ScalarValue::Utf8(Some("añö".to_owned())));
        assert_eq!(read(DataType::Utf8, b"\xff", 0).unwrap_err().sqlstate, "22021");
        assert_eq!(read(DataType::Utf8, b"a\0b", 1).unwrap_err().sqlstate, "22021");
    }

    #[test]
    fn as_many_values_as_parameters_are_expected() {
        let parameters = Parameter::of(&[DataType::Int32], &[], &[]).unwrap();
        let bind = Bind {
            portal: String::new(),
            statement: String::new(),
            parameter_formats: vec![],
            parameters: vec![],
            result_formats: vec![],
        };
        assert_eq!(decode(&bind, &parameters, None).unwrap_err().sqlstate, "08P01");
    }
}
