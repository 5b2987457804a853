//! Packets as fields of a form: the body of a POST, or the query of a GET.
//!
//! `n=01100603&m=16623&v=121.1&p_1=51.2&a_1=0.42&wh_1=867.68&..`: serial number, minutes counter, voltage, and for each channel power in W,
//! current in A, energy since the beginning in Wh. Other fields, such as temperatures, are ignored.

use std::collections::BTreeMap;

use wire::Decimal;

use super::{Channel, Malformed, Packet};

/// As on the label; zeros before it may be missing.
const SERIAL_DIGITS: usize = 8;

const CHANNELS: std::ops::RangeInclusive<u8> = 1..=48;

/// Reads a packet.
pub fn parse(form: &[u8]) -> Result<Packet, Malformed> {
    let mut channels = BTreeMap::new();
    let (mut serial, mut voltage_v) = (None, None);
    for (name, value) in form_urlencoded::parse(form) {
        match &*name {
            "n" => serial = Some(value.into_owned()),
            "v" => voltage_v = Some(number(&name, &value)?),
            name => {
                let Some((kind, channel)) = name.split_once('_') else { continue };
                let Some(channel) = channel.parse().ok().filter(|channel| CHANNELS.contains(channel)) else { continue };
                let entry = channels.entry(channel).or_insert(Channel { number: channel, ..Channel::default() });
                match kind {
                    "p" => entry.power_w = Some(number(name, &value)?),
                    "a" => entry.current_a = Some(number(name, &value)?),
                    // Thousandths of a Wh are millionths of a kWh.
                    "wh" => entry.energy_kwh = Some(Decimal(number::<3>(name, &value)?.0)),
                    _ => {}
                }
            }
        }
    }
    let is_serial = |serial: &String| {
        (1..=SERIAL_DIGITS).contains(&serial.len()) && serial.bytes().all(|byte| byte.is_ascii_digit())
    };
    let serial = serial.filter(is_serial).ok_or(Malformed::NoSerial)?;
    Ok(Packet {
        serial: format!("{serial:0>SERIAL_DIGITS$}"),
        at_ms: None,
        voltage_v,
        channels: channels.into_values().collect(),
    })
}

fn number<const PLACES: u32>(name: &str, value: &str) -> Result<Decimal<PLACES>, Malformed> {
    Decimal::parse(value).map_err(|_| Malformed::Number(name.to_string()))
}
