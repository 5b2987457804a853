//! Binary packets.
//!
//! | bytes | are |
//! |---|---|
//! | 3 | FE FF and the format |
//! | 2 | voltage, 0.1 V, high byte first |
//! | 5 for each channel | energy that flowed either way, Ws, low byte first; begins anew after 2^40 |
//! | 5 for each channel | of it what flowed back; NET formats only |
//! | 2, 1, 1 | serial number, high byte first; reserved; unit |
//! | 2 for each channel | current, 0.02 A, low byte first |
//! | 3 | seconds counter |
//! | 12, 16 | pulse counters, temperatures |
//! | 2 | nothing, in formats of 32 channels |
//! | 6 | year of the century, month, day, hour, minute, second, UTC; NET-TIME only |
//! | 3 | FF FE and the sum of all bytes before |

use chrono::NaiveDate;
use wire::Decimal;

use super::{Channel, Malformed, Packet, kwh};

pub const HEADER: [u8; 2] = [0xfe, 0xff];
const FOOTER: [u8; 2] = [0xff, 0xfe];

/// The longest packet, BIN48-NET-TIME.
pub const BYTES_MAX: usize = 625;

/// What a counter of five bytes begins anew at, as does the difference of two.
const COUNTER: u64 = 1 << 40;

/// A format's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    code: u8,
    channels: usize,
    is_net: bool,
    has_time: bool,
}

/// BIN48-NET, BIN48-NET-TIME, BIN48-ABS, BIN32-NET, BIN32-ABS. The first two have one code; the time's year is never FF, as the
/// footer is.
pub const FORMATS: [Format; 5] = [
    Format { code: 5, channels: 48, is_net: true, has_time: false },
    Format { code: 5, channels: 48, is_net: true, has_time: true },
    Format { code: 6, channels: 48, is_net: false, has_time: false },
    Format { code: 7, channels: 32, is_net: true, has_time: false },
    Format { code: 8, channels: 32, is_net: false, has_time: false },
];

impl Format {
    pub fn bytes(&self) -> usize {
        let energy = if self.is_net { 10 } else { 5 };
        let spare = if self.channels == 32 { 2 } else { 0 };
        let time = if self.has_time { 6 } else { 0 };
        5 + self.channels * (energy + 2) + 4 + 3 + 12 + 16 + spare + time + 3
    }

    pub fn code(&self) -> u8 {
        self.code
    }

    /// Reads a packet of this format.
    pub fn parse(&self, bytes: &[u8]) -> Result<Packet, Malformed> {
        if bytes.len() != self.bytes() {
            return Err(Malformed::Length { got: bytes.len(), expected: self.bytes() });
        }
        let (content, end) = bytes.split_at(bytes.len() - 3);
        if end[..2] != FOOTER {
            return Err(Malformed::Footer);
        }
        let sum = bytes[..bytes.len() - 1].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        if sum != end[2] {
            return Err(Malformed::Checksum);
        }
        Ok(self.read(&content[3..]))
    }

    /// Reads what is between header and footer.
    fn read(&self, content: &[u8]) -> Packet {
        let (voltage, rest) = content.split_at(2);
        let (flowed, rest) = rest.split_at(5 * self.channels);
        let (back, rest) = rest.split_at(if self.is_net { 5 * self.channels } else { 0 });
        let (identity, rest) = rest.split_at(4);
        let (currents, rest) = rest.split_at(2 * self.channels);
        let mut back = back.chunks_exact(5);
        let channels =
            flowed.chunks_exact(5).zip(currents.chunks_exact(2)).zip(1..).map(|((flowed, current), number)| {
                let back = back.next().map_or(0, low_first);
                Channel {
                    number,
                    current_a: Some(Decimal(low_first(current) as i64 * 20)),
                    power_w: None,
                    energy_kwh: Some(kwh(low_first(flowed).wrapping_sub(back) % COUNTER)),
                }
            });
        let channels = channels.collect();
        Packet {
            serial: format!("{:03}{:05}", identity[3], u16::from_be_bytes([identity[0], identity[1]])),
            at_ms: rest.last_chunk::<6>().filter(|_| self.has_time).and_then(time),
            voltage_v: Some(Decimal(i64::from(u16::from_be_bytes([voltage[0], voltage[1]])) * 100)),
            channels,
        }
    }
}

fn low_first(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// `None` where the device's clock was never set.
fn time([year, month, day, hour, minute, second]: &[u8; 6]) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(2_000 + i32::from(*year), u32::from(*month), u32::from(*day))?;
    let at = date.and_hms_opt(u32::from(*hour), u32::from(*minute), u32::from(*second))?;
    Some(at.and_utc().timestamp_millis())
}
