//! Readings as CBOR (RFC 8949): a map each, alone or in an array, with small integers for names and integers for decimals.
//!
//! | key | is | in |
//! |---|---|---|
//! | 0 | at | ms since 1970 |
//! | 1 | voltage_v | mV |
//! | 2 | current_a | mA |
//! | 3 | power_w | mW |
//! | 4 | power_factor | thousandths |
//! | 5 | frequency_hz | mHz |
//! | 6 | energy_kwh | mWh |
//!
//! Other keys are ignored, so that a later meter may say more; a number here is never given another meaning. An array or a map
//! that tells its length only by its end may be in others of that kind, not in one that tells its length at its start. [`to_json`]
//! makes JSON of these and of all other CBOR that has any.

mod to_json;

use minicbor::data::Type;
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decoder, decode::Error};

use crate::reading::names;
use crate::{Decimal, Reading, Refused};

pub use to_json::{NoJson, to_json};

/// Media type, as MQTT 5 and HTTP name it.
pub const MEDIA_TYPE: &str = "application/cbor";

/// The tag 55799, which says of what follows that it is CBOR.
const SELF_DESCRIBED: &[u8] = &[0xd9, 0xd9, 0xf7];

const AT: u8 = 0;
const VOLTAGE: u8 = 1;
const CURRENT: u8 = 2;
const POWER: u8 = 3;
const POWER_FACTOR: u8 = 4;
const FREQUENCY: u8 = 5;
const ENERGY: u8 = 6;

/// What the field under a number is called in JSON.
fn name(number: u8) -> Option<&'static str> {
    Some(match number {
        AT => names::AT,
        VOLTAGE => names::VOLTAGE,
        CURRENT => names::CURRENT,
        POWER => names::POWER,
        POWER_FACTOR => names::POWER_FACTOR,
        FREQUENCY => names::FREQUENCY,
        ENERGY => names::ENERGY,
        _ => return None,
    })
}

/// Whether a message is in CBOR, to go by its beginning: a map or an array. No JSON text begins so, nor would it be UTF-8.
pub fn is_cbor(message: &[u8]) -> bool {
    matches!(message.first(), Some(0x80..=0xbf)) || message.starts_with(SELF_DESCRIBED)
}

/// Writes readings as an array, or one by itself as a map.
pub fn encode<W: Write>(readings: &[Reading], out: W) -> Result<(), encode::Error<W::Error>> {
    let mut out = Encoder::new(out);
    if let [reading] = readings {
        return map(reading, &mut out);
    }
    out.array(readings.len() as u64)?;
    readings.iter().try_for_each(|reading| map(reading, &mut out))
}

fn map<W: Write>(reading: &Reading, out: &mut Encoder<W>) -> Result<(), encode::Error<W::Error>> {
    let fields = [
        (VOLTAGE, reading.voltage_v.map(|value| value.0)),
        (CURRENT, reading.current_a.map(|value| value.0)),
        (POWER, reading.power_w.map(|value| value.0)),
        (POWER_FACTOR, reading.power_factor.map(|value| value.0)),
        (FREQUENCY, reading.frequency_hz.map(|value| value.0)),
        (ENERGY, reading.energy_kwh.map(|value| value.0)),
    ];
    let present = fields.iter().filter(|(_, value)| value.is_some()).count();
    out.map(1 + present as u64)?.u8(AT)?.i64(reading.at_ms)?;
    for (key, value) in fields {
        if let Some(value) = value {
            out.u8(key)?.i64(value)?;
        }
    }
    Ok(())
}

/// The readings of a message.
pub fn decode(message: &[u8]) -> Result<Readings<'_>, Refused> {
    let mut whole = Decoder::new(message);
    if message.starts_with(SELF_DESCRIBED) {
        whole.set_position(SELF_DESCRIBED.len());
    }
    let mut rest = whole.clone();
    whole.skip().map_err(|error| malformed(&whole, &error))?;
    if whole.position() != message.len() {
        return Err(Refused::Malformed { at: whole.position() });
    }
    let left = match rest.datatype() {
        Ok(Type::Array | Type::ArrayIndef) => rest.array().map_err(|error| malformed(&rest, &error))?,
        _ => Some(1),
    };
    Ok(Readings { rest, left })
}

/// Gives out the readings of a message that is well formed.
#[derive(Clone, Debug)]
pub struct Readings<'m> {
    rest: Decoder<'m>,
    /// `None` where a break ends them.
    left: Option<u64>,
}

impl Iterator for Readings<'_> {
    type Item = Result<Reading, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        if !another(&mut self.rest, &mut self.left) {
            return None;
        }
        let mut item = self.rest.clone();
        if self.rest.skip().is_err() {
            self.left = Some(0);
        }
        Some(reading(&mut item))
    }
}

fn reading(item: &mut Decoder<'_>) -> Result<Reading, Refused> {
    if !matches!(item.datatype(), Ok(Type::Map | Type::MapIndef)) {
        return Err(Refused::NoObject);
    }
    let mut left = item.map().map_err(|error| malformed(item, &error))?;
    let (mut reading, mut at_ms) = (Reading::default(), None);
    while another(item, &mut left) {
        let key = match item.datatype() {
            Ok(Type::U8) => item.u8().ok(),
            _ => item.skip().map(|()| None).map_err(|error| malformed(item, &error))?,
        };
        match key {
            Some(AT) => at_ms = integer(item, Refused::Time, Refused::Time)?,
            Some(VOLTAGE) => reading.voltage_v = decimal(item, names::VOLTAGE)?,
            Some(CURRENT) => reading.current_a = decimal(item, names::CURRENT)?,
            Some(POWER) => reading.power_w = decimal(item, names::POWER)?,
            Some(POWER_FACTOR) => reading.power_factor = decimal(item, names::POWER_FACTOR)?,
            Some(FREQUENCY) => reading.frequency_hz = decimal(item, names::FREQUENCY)?,
            Some(ENERGY) => reading.energy_kwh = decimal(item, names::ENERGY)?,
            _ => item.skip().map_err(|error| malformed(item, &error))?,
        }
    }
    reading.at_ms = at_ms.ok_or(Refused::NoTime)?;
    reading.measured()
}

/// Whether another item follows, of so many or up to a break.
fn another(rest: &mut Decoder<'_>, left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => false,
        Some(count) => {
            *count -= 1;
            true
        }
        None => !matches!(rest.datatype(), Ok(Type::Break) | Err(_)),
    }
}

fn decimal<const PLACES: u32>(item: &mut Decoder<'_>, field: &'static str) -> Result<Option<Decimal<PLACES>>, Refused> {
    let value = integer(item, Refused::NoNumber { field }, Refused::Range { field })?;
    Ok(value.map(Decimal))
}

/// An integer, or nothing where there is null.
fn integer(item: &mut Decoder<'_>, other: Refused, range: Refused) -> Result<Option<i64>, Refused> {
    match item.datatype() {
        Err(error) => Err(malformed(item, &error)),
        Ok(Type::Null | Type::Undefined) => item.skip().map(|()| None).map_err(|error| malformed(item, &error)),
        Ok(Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int) => {
            item.i64().map(Some).map_err(|_| range)
        }
        _ => Err(other),
    }
}

fn malformed(item: &Decoder<'_>, error: &Error) -> Refused {
    Refused::Malformed { at: error.position().unwrap_or(item.position()) }
}
