//! A record on flash: what all circuits did at one moment, in a few bytes each.
//!
//! Integers are written seven bits at a time, the lowest first, those with a sign folded (0, -1, 1, -2, ..). A record is
//! `kind, sequence, start, time`, and for a sample `frequency, the energy counter of each circuit, which circuits were measured`,
//! and for each of those `voltage, current, power, power factor`. The kinds are never given another meaning.

use heapless::Vec;
use wire::{Decimal, Reading};

use crate::limits::{CIRCUITS, RECORD_BYTES_MAX};

pub type Encoded = Vec<u8, RECORD_BYTES_MAX>;

const DATED: u8 = 1;
const UNDATED: u8 = 2;
const ANCHOR: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Goes up by one with each record, over restarts too: what is missing between two was overwritten.
    pub sequence: u32,
    /// Which start of the device it is of.
    pub start: u32,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Sample(Time, Sample),
    /// At this uptime the clock was first set in this start: samples of it that have no date have one by this.
    Anchor(Anchor),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub uptime_ms: u64,
    pub utc_ms: i64,
}

impl Anchor {
    pub fn utc_ms(&self, uptime_ms: u64) -> i64 {
        self.utc_ms + uptime_ms as i64 - self.uptime_ms as i64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    UtcMs(i64),
    /// Since the start, whose clock was not set yet.
    UptimeMs(u64),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// In 0.01 Hz.
    pub frequency: u16,
    /// Counters, in eighths of a mWh: also of circuits that were not measured this time, so that they go on after a restart.
    pub energy: [u64; CIRCUITS],
    pub circuits: [Option<Circuit>; CIRCUITS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// In 0.01 V.
    pub voltage: u32,
    /// In mA.
    pub current: u32,
    /// In 0.01 W.
    pub power: i32,
    /// In thousandths.
    pub power_factor: i16,
}

impl Sample {
    /// What a circuit's reading says on the wire.
    pub fn reading(&self, circuit: usize, at_ms: i64) -> Option<Reading> {
        let measured = self.circuits.get(circuit).copied().flatten()?;
        Some(Reading {
            at_ms,
            voltage_v: Some(Decimal(i64::from(measured.voltage) * 10)),
            current_a: Some(Decimal(i64::from(measured.current))),
            power_w: Some(Decimal(i64::from(measured.power) * 10)),
            power_factor: Some(Decimal(i64::from(measured.power_factor))),
            frequency_hz: Some(Decimal(i64::from(self.frequency) * 10)),
            energy_kwh: Some(Decimal((self.energy[circuit] / 8) as i64)),
        })
    }
}

impl Record {
    pub fn encode(&self) -> Encoded {
        let mut out = Encoded::new();
        let (kind, time) = match &self.content {
            Content::Sample(Time::UtcMs(utc_ms), _) => (DATED, folded(*utc_ms)),
            Content::Sample(Time::UptimeMs(uptime_ms), _) => (UNDATED, *uptime_ms),
            Content::Anchor(anchor) => (ANCHOR, anchor.uptime_ms),
        };
        push(&mut out, u64::from(kind));
        push(&mut out, u64::from(self.sequence));
        push(&mut out, u64::from(self.start));
        push(&mut out, time);
        match &self.content {
            Content::Anchor(anchor) => push(&mut out, folded(anchor.utc_ms)),
            Content::Sample(_, sample) => {
                let present =
                    sample.circuits.iter().rev().fold(0, |mask, circuit| mask << 1 | u64::from(circuit.is_some()));
                push(&mut out, u64::from(sample.frequency));
                sample.energy.iter().for_each(|energy| push(&mut out, *energy));
                push(&mut out, present);
                for circuit in sample.circuits.iter().flatten() {
                    push(&mut out, u64::from(circuit.voltage));
                    push(&mut out, u64::from(circuit.current));
                    push(&mut out, folded(i64::from(circuit.power)));
                    push(&mut out, folded(i64::from(circuit.power_factor)));
                }
            }
        }
        out
    }

    /// `None` for what no meter wrote; the queue's checksum keeps broken records away.
    pub fn decode(mut bytes: &[u8]) -> Option<Record> {
        let bytes = &mut bytes;
        let kind = u8::try_from(take(bytes)?).ok()?;
        let sequence = u32::try_from(take(bytes)?).ok()?;
        let start = u32::try_from(take(bytes)?).ok()?;
        let time = take(bytes)?;
        let content = match kind {
            DATED => Content::Sample(Time::UtcMs(unfolded(time)), sample(bytes)?),
            UNDATED => Content::Sample(Time::UptimeMs(time), sample(bytes)?),
            ANCHOR => Content::Anchor(Anchor { uptime_ms: time, utc_ms: unfolded(take(bytes)?) }),
            _ => return None,
        };
        bytes.is_empty().then_some(Record { sequence, start, content })
    }
}

fn sample(bytes: &mut &[u8]) -> Option<Sample> {
    let frequency = u16::try_from(take(bytes)?).ok()?;
    let mut sample = Sample { frequency, ..Sample::default() };
    for energy in &mut sample.energy {
        *energy = take(bytes)?;
    }
    let present = take(bytes)?;
    if present >> CIRCUITS != 0 {
        return None;
    }
    for (index, circuit) in sample.circuits.iter_mut().enumerate() {
        if present >> index & 1 == 1 {
            *circuit = Some(Circuit {
                voltage: u32::try_from(take(bytes)?).ok()?,
                current: u32::try_from(take(bytes)?).ok()?,
                power: i32::try_from(unfolded(take(bytes)?)).ok()?,
                power_factor: i16::try_from(unfolded(take(bytes)?)).ok()?,
            });
        }
    }
    Some(sample)
}

fn push(out: &mut Encoded, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        let more = if value == 0 { 0 } else { 0x80 };
        out.push(low | more).expect("a record's bound has room for every number at its longest");
        if value == 0 {
            return;
        }
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let low = u64::from(byte & 0x7f);
        if low << shift >> shift != low {
            return None;
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn folded(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unfolded(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
