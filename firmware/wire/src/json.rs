//! Readings as JSON: an object each, alone or in an array.
//!
//! `{"at": 1767225600000, "voltage_v": 119.8, "current_a": 1.07, "power_w": 128.4, "power_factor": 0.998, "frequency_hz": 60.01,
//! "energy_kwh": 512.345678}`. `at` may be text as in RFC 3339; a field that is null is absent; one that is not known is ignored;
//! of a name that comes twice the last counts.

use core::fmt::{self, Write};

use crate::decimal::Unfit;
use crate::reading::names;
use crate::scanner::Scanner;
use crate::{Decimal, Reading, Refused, time};

/// Writes readings as an array, or one by itself as an object.
pub fn encode(readings: &[Reading], out: &mut impl Write) -> fmt::Result {
    if let [reading] = readings {
        return object(reading, out);
    }
    for (index, reading) in readings.iter().enumerate() {
        out.write_str(if index == 0 { "[" } else { "," })?;
        object(reading, out)?;
    }
    out.write_str(if readings.is_empty() { "[]" } else { "]" })
}

fn object(reading: &Reading, out: &mut impl Write) -> fmt::Result {
    write!(out, "{{\"{}\":{}", names::AT, reading.at_ms)?;
    member(names::VOLTAGE, reading.voltage_v, out)?;
    member(names::CURRENT, reading.current_a, out)?;
    member(names::POWER, reading.power_w, out)?;
    member(names::POWER_FACTOR, reading.power_factor, out)?;
    member(names::FREQUENCY, reading.frequency_hz, out)?;
    member(names::ENERGY, reading.energy_kwh, out)?;
    out.write_str("}")
}

fn member<const PLACES: u32>(name: &str, value: Option<Decimal<PLACES>>, out: &mut impl Write) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(out, ",\"{name}\":{value}"))
}

/// The readings of a message.
pub fn decode(message: &[u8]) -> Result<Readings<'_>, Refused> {
    let text = str::from_utf8(message).map_err(|error| Refused::Malformed { at: error.valid_up_to() })?;
    let mut whole = Scanner::new(text);
    whole.value()?;
    if whole.peek().is_some() {
        return Err(whole.malformed());
    }
    let mut rest = Scanner::new(text);
    let is_array = rest.take(b'[');
    Ok(Readings { rest, is_array, ended: false })
}

/// Gives out the readings of a message that is well formed.
#[derive(Clone, Debug)]
pub struct Readings<'m> {
    rest: Scanner<'m>,
    is_array: bool,
    ended: bool,
}

impl Iterator for Readings<'_> {
    type Item = Result<Reading, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || (self.is_array && self.rest.take(b']')) {
            return None;
        }
        let value = self.rest.value();
        self.ended = !(self.is_array && self.rest.take(b','));
        Some(value.and_then(reading))
    }
}

fn reading(value: &str) -> Result<Reading, Refused> {
    let mut members = Scanner::new(value);
    if !members.take(b'{') {
        return Err(Refused::NoObject);
    }
    let (mut reading, mut at_ms) = (Reading::default(), None);
    while !members.take(b'}') {
        let key = members.key()?;
        let value = Some(members.value()?).filter(|value| *value != "null");
        members.take(b',');
        if is(key, names::AT) {
            at_ms = value.map(|value| time::parse(value).ok_or(Refused::Time)).transpose()?;
        } else if is(key, names::VOLTAGE) {
            reading.voltage_v = decimal(names::VOLTAGE, value)?;
        } else if is(key, names::CURRENT) {
            reading.current_a = decimal(names::CURRENT, value)?;
        } else if is(key, names::POWER) {
            reading.power_w = decimal(names::POWER, value)?;
        } else if is(key, names::POWER_FACTOR) {
            reading.power_factor = decimal(names::POWER_FACTOR, value)?;
        } else if is(key, names::FREQUENCY) {
            reading.frequency_hz = decimal(names::FREQUENCY, value)?;
        } else if is(key, names::ENERGY) {
            reading.energy_kwh = decimal(names::ENERGY, value)?;
        }
    }
    reading.at_ms = at_ms.ok_or(Refused::NoTime)?;
    reading.measured()
}

fn decimal<const PLACES: u32>(field: &'static str, value: Option<&str>) -> Result<Option<Decimal<PLACES>>, Refused> {
    value.map(Decimal::parse).transpose().map_err(|unfit| match unfit {
        Unfit::NoNumber => Refused::NoNumber { field },
        Unfit::Range => Refused::Range { field },
    })
}

/// Whether a member's name, as it stands between its quotes, is `name`. Names are of ASCII, so of the escapes just `\u00xx`
/// can be in them.
fn is(key: &str, name: &str) -> bool {
    let mut rest = key;
    for sign in name.chars() {
        rest = match rest.strip_prefix(sign) {
            Some(rest) => rest,
            None => {
                let Some((digits, rest)) = rest.strip_prefix("\\u").and_then(|rest| rest.split_at_checked(4)) else {
                    return false;
                };
                if u32::from_str_radix(digits, 16) != Ok(u32::from(sign)) {
                    return false;
                }
                rest
            }
        };
    }
    rest.is_empty()
}
