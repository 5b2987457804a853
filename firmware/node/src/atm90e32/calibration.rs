//! What makes a chip's registers volts and amperes: gains per channel, and the constants around them.

use minicbor::{Decode, Encode};
use thiserror::Error;

use super::registers::{self, Register};

/// PL_Constant for 3,200 pulses per kWh: 450,000,000,000 / 3,200. The datasheet's default, so that an energy register counts in
/// 1 / 320,000 kWh.
pub const PULSE_CONSTANT: u32 = 140_625_000;

/// MMode0: four wires, all three phases counted (ESPHome's value for 50 Hz); bit 12 says 60 Hz.
const MODE_50_HZ: u16 = 0x0087;
const MODE_60_HZ: u16 = MODE_50_HZ | 1 << 12;

/// MMode1: all current inputs with a gain of one, for clamps that give up to 720 mV over the boards' 22 ohm.
const INPUT_GAIN_ONE: u16 = 0x0000;

/// Thresholds of CircuitSetup's boards: 2.4 W for the chip, 0.24 W for a phase, in 0.00032 W.
const START_POWER: u16 = 0x1d4c;
const PHASE_POWER: u16 = 0x02ee;

/// Frequency of the grid.
#[derive(Clone, Copy, Debug, Decode, Encode, PartialEq, Eq)]
#[cbor(index_only)]
pub enum Line {
    #[n(0)]
    Hz50,
    #[n(1)]
    Hz60,
}

/// What one channel is multiplied by.
#[derive(Clone, Copy, Debug, Decode, Encode, PartialEq, Eq)]
pub struct Gain {
    #[n(0)]
    pub voltage: u16,
    #[n(1)]
    pub current: u16,
    /// Registers count currents and powers in multiples of this: 2 where a clamp's gain, or the current itself in mA, would
    /// not fit sixteen bits.
    #[n(2)]
    pub scale: u8,
}

/// CircuitSetup's gains for its six-channel board: the 9 V transformer that it names, and current clamps by their kind. A
/// technician refines them with [`Gain::calibrated`].
impl Gain {
    const TRANSFORMER_9_V: u16 = 7_305;
    /// 20 A to 25 mA.
    pub const SCT_006: Gain = Gain { voltage: Self::TRANSFORMER_9_V, current: 11_143, scale: 1 };
    /// 30 A to 1 V.
    pub const SCT_013_030: Gain = Gain { voltage: Self::TRANSFORMER_9_V, current: 8_650, scale: 1 };
    /// 100 A to 50 mA, which are more mA than a register holds.
    pub const SCT_013_000: Gain = Gain { voltage: Self::TRANSFORMER_9_V, current: 27_518 / 2, scale: 2 };

    /// The gain after which a channel shows what a better instrument does: `gain * reference / measured` (application note, 4.2).
    pub fn calibrated(gain: u16, measured: u32, reference: u32) -> Result<u16, UnfitGain> {
        let scaled =
            (u64::from(gain) * u64::from(reference) + u64::from(measured) / 2).checked_div(u64::from(measured));
        scaled.and_then(|gain| u16::try_from(gain).ok()).filter(|gain| *gain > 0).ok_or(UnfitGain)
    }
}

/// There is no gain that makes one of the other.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no gain makes the measured value the reference: is the clamp or transformer of another kind?")]
pub struct UnfitGain;

/// All that a chip is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    pub line: Line,
    pub gains: [Gain; 3],
}

impl Calibration {
    /// Registers and their values, in the order of writing.
    pub(super) fn registers(&self) -> [(Register, u16); 13] {
        let mode = match self.line {
            Line::Hz50 => MODE_50_HZ,
            Line::Hz60 => MODE_60_HZ,
        };
        let [a, b, c] = self.gains;
        let voltage = |index| registers::VOLTAGE_GAIN + index * registers::GAIN_STRIDE;
        let current = |index| registers::CURRENT_GAIN + index * registers::GAIN_STRIDE;
        [
            (registers::METER_ENABLE, 1),
            (registers::PULSE_HIGH, (PULSE_CONSTANT >> 16) as u16),
            (registers::PULSE_LOW, PULSE_CONSTANT as u16),
            (registers::MODE, mode),
            (registers::INPUT_GAIN, INPUT_GAIN_ONE),
            (registers::START_POWER, START_POWER),
            (registers::PHASE_POWER, PHASE_POWER),
            (voltage(0), a.voltage),
            (current(0), a.current),
            (voltage(1), b.voltage),
            (current(1), b.current),
            (voltage(2), c.voltage),
            (current(2), c.current),
        ]
    }
}
