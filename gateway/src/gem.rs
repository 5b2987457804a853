//! Brultech's GreenEye Monitor (GEM), a meter of 32 or 48 channels: its packets become rows of a table.
//!
//! [`serve`] takes them over TCP, where a GEM is the client, and the HTTP door takes them in requests. [`binary`] and [`text`] read a
//! packet, [`stream`] finds packets among bytes, and [`keeping`] puts their readings into the log. The formats are those of Brultech's document GEM-PKT, version 2.1; what that
//! leaves open (which packets carry a time, which way polarised energy flows, how a serial number is written) is as in the
//! Python libraries greeneye-monitor and siobrultech-protocols, which Home Assistant uses, and weewx-brultech.

mod binary;
pub(crate) mod keeping;
pub(crate) mod stream;
mod tcp;
mod text;

pub use tcp::serve;

use thiserror::Error;
use wire::{Decimal, Reading};

/// A GEM counts energy in watt-seconds; 3.6 of them are a mWh.
const WATT_SECONDS: (u64, u64) = (10, 36);

/// What a GEM says at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Three digits of unit and five of serial number, as on its label.
    pub serial: String,
    /// The device's time, ms since 1970; few formats have it.
    pub at_ms: Option<i64>,
    pub voltage_v: Option<Decimal<3>>,
    pub channels: Vec<Channel>,
}

/// A channel by its number, from 1. Those that nothing is clamped to may hold anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    pub number: u8,
    pub current_a: Option<Decimal<3>>,
    pub power_w: Option<Decimal<3>>,
    /// Energy taken: all that flowed without what flowed back, where the format tells.
    pub energy_kwh: Option<Decimal<6>>,
}

/// Why bytes are no packet.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Malformed {
    #[error("the packet does not begin as one")]
    Header,
    #[error("the packet's format, {0:#04x}, is not known")]
    Format(u8),
    #[error("the packet has {got} bytes and not {expected}")]
    Length { got: usize, expected: usize },
    #[error("the packet does not end as one")]
    Footer,
    #[error("the packet's checksum is wrong")]
    Checksum,
    #[error("the packet has no serial number")]
    NoSerial,
    #[error("the line has no end")]
    Endless,
    #[error("the packet's field {0} is not a number that fits")]
    Number(String),
}

impl Channel {
    /// What it measured, if it did.
    pub fn reading(&self, packet: &Packet, arrived_ms: i64) -> Option<Reading> {
        let is_measured = self.power_w.is_some() || self.energy_kwh.is_some();
        is_measured.then(|| Reading {
            at_ms: packet.at_ms.unwrap_or(arrived_ms),
            voltage_v: packet.voltage_v,
            current_a: self.current_a,
            power_w: self.power_w,
            energy_kwh: self.energy_kwh,
            ..Reading::default()
        })
    }
}

/// Watt-seconds as kWh, rounded down, so that what grows does not fall.
fn kwh(watt_seconds: u64) -> Decimal<6> {
    Decimal((watt_seconds * WATT_SECONDS.0 / WATT_SECONDS.1) as i64)
}

#[cfg(test)]
mod tests;
