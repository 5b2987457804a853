//! CBOR as the JSON that says the same: what is not only about readings, so that any table takes either.
//!
//! A message is a map or an array of maps, an event each. An event's small integers for names are those of readings, with their
//! scales; other integers as names are their digits. Nothing is rounded: integers of any 64 bits, bignums of 128, decimal fractions (tag 4) and
//! floats are numbers in digits; floats that are no number are PostgreSQL's words for them, bytes are its `\x` and
//! hexadecimal digits; a time (tags 0 and 1) is a text as in RFC 3339. Other tags are passed over, but for numbers that have no digits of ten.

use core::fmt::{self, Write};

use chrono::DateTime;
use minicbor::data::Type;
use minicbor::{Decoder, decode};
use thiserror::Error;

use super::{decimal, integer, malformed};
use crate::Refused;

/// Arrays, maps and tags within each other.
const DEPTH_MAX: u32 = 32;

/// Tags (RFC 8949, section 3.4) whose content is something else than it looks like.
mod tags {
    pub(super) const EPOCH_TIME: u64 = 1;
    pub(super) const BIGNUM: u64 = 2;
    pub(super) const NEGATIVE_BIGNUM: u64 = 3;
    pub(super) const DECIMAL_FRACTION: u64 = 4;
    /// Numbers of two parts that have no exact decimal digits, or too many: bigfloats, rationals, and exponents beyond all bounds.
    pub(super) const OTHER_NUMBERS: [u64; 4] = [5, 30, 264, 265];
}

/// Why a message has no JSON.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoJson {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("there is more within each other than {DEPTH_MAX} deep at byte {at}")]
    Depth { at: usize },
    #[error("a name at byte {at} is neither a text nor an integer")]
    Name { at: usize },
    #[error("JSON has no word for the value at byte {at}")]
    Value { at: usize },
    #[error("its JSON would be too long")]
    TooLong,
}

/// It is the writer that has no room.
impl From<fmt::Error> for NoJson {
    fn from(_: fmt::Error) -> Self {
        NoJson::TooLong
    }
}

/// Writes a message as JSON. What was written before an error is of no use.
pub fn to_json(message: &[u8], out: impl Write) -> Result<(), NoJson> {
    let mut transcoder = Transcoder { from: Decoder::new(message), out };
    transcoder.value(Place::Message, 0)?;
    match transcoder.from.position() {
        at if at == message.len() => Ok(()),
        at => Err(Refused::Malformed { at }.into()),
    }
}

/// What a value is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Message,
    /// An element of the message's array.
    Event,
    Within,
}

impl Place {
    /// Of what an array here has.
    fn of_elements(self) -> Place {
        if self == Place::Message { Place::Event } else { Place::Within }
    }
}

struct Transcoder<'m, W> {
    from: Decoder<'m>,
    out: W,
}

impl<W: Write> Transcoder<'_, W> {
    fn value(&mut self, place: Place, depth: u32) -> Result<(), NoJson> {
        let at = self.from.position();
        if depth > DEPTH_MAX {
            return Err(NoJson::Depth { at });
        }
        match self.next_type()? {
            Type::Null | Type::Undefined => {
                self.from.set_position(at + 1);
                Ok(self.out.write_str("null")?)
            }
            Type::Bool => {
                let value = self.read(|from| from.bool())?;
                Ok(write!(self.out, "{value}")?)
            }
            Type::F16 => {
                let value = self.half()?;
                self.float(value)
            }
            Type::F32 => {
                let value = self.read(|from| from.f32())?;
                self.float(value.into())
            }
            Type::F64 => {
                let value = self.read(|from| from.f64())?;
                self.float(value)
            }
            Type::Bytes | Type::BytesIndef => self.bytes(),
            Type::String | Type::StringIndef => self.text(),
            Type::Array | Type::ArrayIndef => self.array(place, depth),
            Type::Map | Type::MapIndef => self.map(place, depth),
            Type::Tag => self.tagged(place, depth),
            kind if is_integer(kind) => {
                let value = self.read(|from| from.int())?;
                Ok(write!(self.out, "{value}")?)
            }
            _ => Err(NoJson::Value { at }),
        }
    }

    fn array(&mut self, place: Place, depth: u32) -> Result<(), NoJson> {
        let mut left = self.read(|from| from.array())?;
        let mut before = '[';
        while self.another(&mut left)? {
            self.out.write_char(before)?;
            self.value(place.of_elements(), depth + 1)?;
            before = ',';
        }
        Ok(self.out.write_str(if before == '[' { "[]" } else { "]" })?)
    }

    fn map(&mut self, place: Place, depth: u32) -> Result<(), NoJson> {
        let mut left = self.read(|from| from.map())?;
        let mut before = '{';
        while self.another(&mut left)? {
            self.out.write_char(before)?;
            self.member(place, depth)?;
            before = ',';
        }
        Ok(self.out.write_str(if before == '{' { "{}" } else { "}" })?)
    }

    fn member(&mut self, place: Place, depth: u32) -> Result<(), NoJson> {
        let at = self.from.position();
        match self.next_type()? {
            Type::String | Type::StringIndef => self.text()?,
            kind if is_integer(kind) => {
                let number = self.read(|from| from.int())?;
                let field = u8::try_from(number).ok().filter(|_| place != Place::Within);
                if let Some((number, name)) = field.and_then(|number| Some((number, super::name(number)?))) {
                    write!(self.out, "\"{name}\":")?;
                    return self.field(number, name);
                }
                write!(self.out, "\"{number}\"")?;
            }
            _ => return Err(NoJson::Name { at }),
        }
        self.out.write_char(':')?;
        self.value(Place::Within, depth + 1)
    }

    /// What a reading has under a number, in the unit that JSON has it in.
    fn field(&mut self, number: u8, name: &'static str) -> Result<(), NoJson> {
        let written = match number {
            super::AT => {
                integer(&mut self.from, Refused::Time, Refused::Time)?.map(|at_ms| write!(self.out, "{at_ms}"))
            }
            super::ENERGY => decimal::<6>(&mut self.from, name)?.map(|value| write!(self.out, "{value}")),
            _ => decimal::<3>(&mut self.from, name)?.map(|value| write!(self.out, "{value}")),
        };
        Ok(written.unwrap_or_else(|| self.out.write_str("null"))?)
    }

    fn tagged(&mut self, place: Place, depth: u32) -> Result<(), NoJson> {
        let at = self.from.position();
        match self.read(|from| from.tag())?.as_u64() {
            tags::EPOCH_TIME => self.time(),
            tag @ (tags::BIGNUM | tags::NEGATIVE_BIGNUM) => self.bignum(tag),
            tags::DECIMAL_FRACTION => self.decimal_fraction(),
            tag if tags::OTHER_NUMBERS.contains(&tag) => Err(NoJson::Value { at }),
            _ => self.value(place, depth + 1),
        }
    }

    /// Seconds since 1970.
    fn time(&mut self) -> Result<(), NoJson> {
        let at = self.from.position();
        let time = match self.next_type()? {
            kind if is_integer(kind) => {
                let seconds = self.read(|from| from.int())?;
                i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            }
            kind @ (Type::F16 | Type::F32 | Type::F64) => {
                let seconds = match kind {
                    Type::F16 => self.half()?,
                    Type::F32 => self.read(|from| from.f32())?.into(),
                    _ => self.read(|from| from.f64())?,
                };
                // A float of today has a quarter of a microsecond as its last place. NaN is out of the range too.
                (seconds.abs() < 1e12)
                    .then(|| (seconds * 1e6 + 0.5_f64.copysign(seconds)) as i64)
                    .and_then(DateTime::from_timestamp_micros)
            }
            _ => None,
        };
        // Only years of four digits are RFC 3339's.
        let time = time.map(|time| time.naive_utc()).ok_or(NoJson::Value { at })?;
        if !(0..10_000).contains(&chrono::Datelike::year(&time)) {
            return Err(NoJson::Value { at });
        }
        Ok(write!(self.out, "\"{time:?}Z\"")?)
    }

    /// An exponent of ten and the integer that it is for.
    fn decimal_fraction(&mut self) -> Result<(), NoJson> {
        let at = self.from.position();
        if !matches!(self.next_type()?, Type::Array) || self.read(|from| from.array())? != Some(2) {
            return Err(NoJson::Value { at });
        }
        let kind = self.next_type()?;
        let exponent = is_integer(kind).then(|| self.read(|from| from.int())).transpose()?;
        let exponent = exponent.and_then(|exponent| i64::try_from(exponent).ok()).ok_or(NoJson::Value { at })?;
        match self.next_type()? {
            Type::Tag => {
                let tag = self.read(|from| from.tag())?.as_u64();
                self.bignum(tag)?;
            }
            kind if is_integer(kind) => {
                let mantissa = self.read(|from| from.int())?;
                write!(self.out, "{mantissa}")?;
            }
            _ => return Err(NoJson::Value { at }),
        }
        match exponent {
            0 => Ok(()),
            exponent => Ok(write!(self.out, "e{exponent}")?),
        }
    }

    /// The bytes of an integer; a negative one is `-1 - n`.
    fn bignum(&mut self, tag: u64) -> Result<(), NoJson> {
        let at = self.from.position();
        let is_negative = match tag {
            tags::BIGNUM => false,
            tags::NEGATIVE_BIGNUM => true,
            _ => return Err(NoJson::Value { at }),
        };
        if !matches!(self.next_type()?, Type::Bytes) {
            return Err(NoJson::Value { at });
        }
        let bytes = self.read(|from| from.bytes())?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let digits = &bytes[zeros..];
        if digits.len() > size_of::<u128>() {
            return Err(NoJson::Value { at });
        }
        let size = digits.iter().fold(0_u128, |size, byte| size << 8 | u128::from(*byte));
        match is_negative {
            false => Ok(write!(self.out, "{size}")?),
            true => Ok(write!(self.out, "-{}", size.checked_add(1).ok_or(NoJson::Value { at })?)?),
        }
    }

    /// The shortest digits that are this float and no other.
    fn float(&mut self, value: f64) -> Result<(), NoJson> {
        let written = match value {
            _ if value.is_nan() => self.out.write_str("\"NaN\""),
            f64::INFINITY => self.out.write_str("\"Infinity\""),
            f64::NEG_INFINITY => self.out.write_str("\"-Infinity\""),
            _ if value == 0.0 || (1e-5..1e17).contains(&value.abs()) => write!(self.out, "{value}"),
            _ => write!(self.out, "{value:e}"),
        };
        Ok(written?)
    }

    fn half(&mut self) -> Result<f64, NoJson> {
        let at = self.from.position();
        let [high, low] = match self.from.input().get(at + 1..at + 3) {
            Some(&[high, low]) => [high, low],
            _ => return Err(Refused::Malformed { at }.into()),
        };
        self.from.set_position(at + 3);
        Ok(half(u16::from_be_bytes([high, low])))
    }

    fn bytes(&mut self) -> Result<(), NoJson> {
        self.out.write_str("\"\\\\x")?;
        let Self { from, out } = self;
        let start = from.position();
        for part in from.bytes_iter().map_err(|error| broken(start, &error))? {
            part.map_err(|error| broken(start, &error))?.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
        }
        Ok(self.out.write_char('"')?)
    }

    fn text(&mut self) -> Result<(), NoJson> {
        self.out.write_char('"')?;
        let Self { from, out } = self;
        let start = from.position();
        for part in from.str_iter().map_err(|error| broken(start, &error))? {
            escaped(part.map_err(|error| broken(start, &error))?, out)?;
        }
        Ok(self.out.write_char('"')?)
    }

    /// Whether another item follows, of so many or up to a break, which is taken.
    fn another(&mut self, left: &mut Option<u64>) -> Result<bool, NoJson> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None => {
                let is_over = self.next_type()? == Type::Break;
                if is_over {
                    self.from.set_position(self.from.position() + 1);
                }
                Ok(!is_over)
            }
        }
    }

    fn next_type(&self) -> Result<Type, NoJson> {
        self.from.datatype().map_err(|error| malformed(&self.from, &error).into())
    }
}

impl<'m, W> Transcoder<'m, W> {
    fn read<T>(&mut self, read: impl FnOnce(&mut Decoder<'m>) -> Result<T, decode::Error>) -> Result<T, NoJson> {
        let value = read(&mut self.from);
        value.map_err(|error| malformed(&self.from, &error).into())
    }
}

fn broken(start: usize, error: &decode::Error) -> NoJson {
    Refused::Malformed { at: error.position().unwrap_or(start) }.into()
}

fn is_integer(kind: Type) -> bool {
    use Type::{I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(kind, U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64 | Type::Int)
}

/// A float of sixteen bits: a sign, five bits of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let fraction = u64::from(bits & 0x3ff);
    let size = match bits >> 10 & 0x1f {
        0 => fraction as f64 / f64::from(1 << 24),
        0x1f if fraction == 0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => f64::from_bits((u64::from(exponent) + 1_023 - 15) << 52 | fraction << 42),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Writes a part of a text as it stands between the quotes of JSON.
fn escaped(text: &str, out: &mut impl Write) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(|sign: char| matches!(sign, '"' | '\\' | '\0'..='\x1f')) {
        out.write_str(&rest[..at])?;
        match rest.as_bytes()[at] {
            sign @ (b'"' | b'\\') => write!(out, "\\{}", char::from(sign))?,
            control => write!(out, "\\u{control:04x}")?,
        }
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
}
