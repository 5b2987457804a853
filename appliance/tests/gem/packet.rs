//! A GreenEye Monitor's packets, built from the document of their format (Brultech, GEM-PKT "GEM Packet Format", version 2.1, "Binary
//! Packet Fields") and knowing nothing of what reads them. Where the document leaves it open, serial number and polarity are as
//! in the library siobrultech-protocols, which Home Assistant reads these meters with.

use chrono::{DateTime, Datelike, Timelike};

/// The formats: code in the header, channels, polarised energy, time, and the length in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Bin48NetTime,
    Bin48Net,
    Bin48Abs,
    Bin32Net,
    Bin32Abs,
}

pub const FORMATS: [Format; 5] =
    [Format::Bin48NetTime, Format::Bin48Net, Format::Bin48Abs, Format::Bin32Net, Format::Bin32Abs];

/// What a meter has measured.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The first three digits of what is on its label, and the other five.
    pub unit: u8,
    pub serial: u16,
    pub tenths_of_volts: u16,
    /// Of each channel: watt-seconds that flowed either way, of these what flowed back, and fiftieths of an ampere.
    pub channels: Vec<(u64, u64, u16)>,
}

impl Meter {
    pub fn new(unit: u8, serial: u16) -> Meter {
        Meter { unit, serial, tenths_of_volts: 1_203, channels: vec![(0, 0, 0); 48] }
    }

    /// As on its label.
    pub fn label(&self) -> String {
        format!("{:03}{:05}", self.unit, self.serial)
    }

    /// A packet; `at_ms` is in those that have the time.
    pub fn packet(&self, format: Format, at_ms: i64) -> Vec<u8> {
        let (code, channels, length) = match format {
            Format::Bin48NetTime => (5, 48, 625),
            Format::Bin48Net => (5, 48, 619),
            Format::Bin48Abs => (6, 48, 379),
            Format::Bin32Net => (7, 32, 429),
            Format::Bin32Abs => (8, 32, 269),
        };
        let channels = &self.channels[..channels];
        let five_low_first = |number: u64| number.to_le_bytes()[..5].to_vec();
        let mut packet = vec![0xfe, 0xff, code];
        packet.extend(self.tenths_of_volts.to_be_bytes());
        packet.extend(channels.iter().flat_map(|(absolute, ..)| five_low_first(*absolute)));
        if matches!(format, Format::Bin48NetTime | Format::Bin48Net | Format::Bin32Net) {
            packet.extend(channels.iter().flat_map(|(_, polarised, _)| five_low_first(*polarised)));
        }
        packet.extend(self.serial.to_be_bytes());
        packet.extend([0, self.unit]);
        packet.extend(channels.iter().flat_map(|(.., current)| current.to_le_bytes()));
        let (seconds, pulses, temperatures) = ([9, 8, 7], [0; 12], [0; 16]);
        packet.extend(seconds);
        packet.extend(pulses);
        packet.extend(temperatures);
        if channels.len() == 32 {
            packet.extend([0, 0]);
        }
        if format == Format::Bin48NetTime {
            let at = DateTime::from_timestamp_millis(at_ms).unwrap();
            let parts = [at.year() as u32 - 2000, at.month(), at.day(), at.hour(), at.minute(), at.second()];
            packet.extend(parts.map(|part| part as u8));
        }
        packet.extend([0xff, 0xfe]);
        let sum: u32 = packet.iter().map(|byte| u32::from(*byte)).sum();
        packet.push((sum % 256) as u8);
        assert_eq!(packet.len(), length, "{format:?}");
        packet
    }

    /// The fields of a request: of the first channels, power in W and energy in Wh.
    pub fn form(&self, powers: &[f64]) -> String {
        let (volts, tenths) = (self.tenths_of_volts / 10, self.tenths_of_volts % 10);
        let mut form = format!("n={}&m=17&v={volts}.{tenths}", self.label());
        for (channel, power) in (1..).zip(powers) {
            let watt_hours = self.channels[channel - 1].0 as f64 / 3_600.0;
            form += &format!("&p_{channel}={power}&wh_{channel}={watt_hours:.3}");
        }
        form
    }
}
