//! The ATM90E32AS as seen over SPI: its register file, and the energy that it counts by itself.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};
use meter::atm90e32::Gain;
use meter::atm90e32::registers::{self, Register};

use crate::load::Draw;
use crate::random;

/// The chip's units.
const VOLT: f64 = 100.0;
const AMPERE: f64 = 1_000.0;
const WATT: f64 = 1.0 / 0.00032;
const HERTZ: f64 = 100.0;
const PULSE_CONSTANT: f64 = 450e9;

/// Registers after a reset (datasheet, section 6): everything else is 0.
const DEFAULTS: [(Register, u16); 8] = [
    (registers::PULSE_HIGH, 0x0861),
    (registers::PULSE_LOW, 0xc468),
    (registers::MODE, 0x0087),
    (registers::VOLTAGE_GAIN, 0x8000),
    (registers::VOLTAGE_GAIN + registers::GAIN_STRIDE, 0x8000),
    (registers::VOLTAGE_GAIN + 2 * registers::GAIN_STRIDE, 0x8000),
    (registers::START_POWER, 0),
    (registers::PHASE_POWER, 0),
];

#[derive(Clone, Debug)]
pub struct Chip {
    file: Vec<u16>,
    /// The gains with which its clamps and transformer would be shown as they are.
    clamps: [Gain; 3],
    /// Energy below a register's unit.
    fractions: [f64; 3],
    /// Of each transfer, how likely the wire turns a bit.
    disturbed: f64,
    transfers: u64,
}

impl Chip {
    pub fn new(clamps: [Gain; 3]) -> Self {
        let mut chip = Chip { file: vec![0; 0x100], clamps, fractions: [0.0; 3], disturbed: 0.0, transfers: 0 };
        chip.reset();
        chip
    }

    pub fn disturb(&mut self, chance: f64) {
        self.disturbed = chance;
    }

    /// Power came, or the reset key.
    pub fn reset(&mut self) {
        self.file.fill(0);
        self.fractions = [0.0; 3];
        for (register, value) in DEFAULTS {
            self.file[usize::from(register)] = value;
        }
    }

    /// Measures for so many seconds.
    pub fn advance(&mut self, seconds: f64, voltage_v: f64, frequency_hz: f64, draws: &[Draw]) {
        if self.file[usize::from(registers::METER_ENABLE)] != 1 {
            return;
        }
        self.file[usize::from(registers::FREQUENCY)] = (frequency_hz * HERTZ).round() as u16;
        for (phase, draw) in draws.iter().enumerate().take(3) {
            self.advance_phase(phase, seconds, voltage_v, draw);
        }
    }

    fn advance_phase(&mut self, phase: usize, seconds: f64, voltage_v: f64, draw: &Draw) {
        let clamp = self.clamps[phase];
        let at = |register: Register| usize::from(register) + phase;
        let gain_at = |register: Register| usize::from(register) + phase * usize::from(registers::GAIN_STRIDE);
        let voltage_gain = f64::from(self.file[gain_at(registers::VOLTAGE_GAIN)]) / f64::from(clamp.voltage);
        let current_gain =
            f64::from(self.file[gain_at(registers::CURRENT_GAIN)]) / f64::from(clamp.current) / f64::from(clamp.scale);
        let apparent_va = draw.power_w.abs() / draw.power_factor.abs().max(0.05);
        let power = draw.power_w * voltage_gain * current_gain * WATT;
        let current = apparent_va / voltage_v * current_gain * AMPERE;
        self.file[at(registers::VOLTAGE)] = (voltage_v * voltage_gain * VOLT).round() as u16;
        self.file[at(registers::CURRENT)] = current.round() as u16;
        let power_factor = draw.power_factor.abs().copysign(draw.power_w);
        self.file[at(registers::POWER_FACTOR)] = (power_factor * 1_000.0).round() as i16 as u16;
        let word = power.round() as i32 as u32;
        self.file[at(registers::POWER)] = (word >> 16) as u16;
        self.file[at(registers::POWER_LOW)] = word as u16;
        if power > f64::from(self.file[usize::from(registers::PHASE_POWER)]) {
            let constant = f64::from(self.file[usize::from(registers::PULSE_HIGH)]) * 65_536.0
                + f64::from(self.file[usize::from(registers::PULSE_LOW)]);
            // Hundredths of a pulse; there are so many pulses in a kWh, 3.6 million Ws.
            let pulses_kwh = PULSE_CONSTANT / constant;
            self.fractions[phase] += power / WATT * seconds / 3.6e6 * pulses_kwh * 100.0;
            let whole = self.fractions[phase].floor();
            self.fractions[phase] -= whole;
            let energy = &mut self.file[at(registers::ENERGY_FORWARD)];
            *energy = energy.saturating_add(whole as u16);
        }
    }

    /// Four bytes in, four out.
    fn transfer(&mut self, frame: [u8; 4]) -> [u8; 4] {
        let address = u16::from_be_bytes([frame[0] & 0x03, frame[1]]);
        let register = usize::from(address) % self.file.len();
        let mut value = u16::from_be_bytes([frame[2], frame[3]]);
        if frame[0] & 0x80 != 0 {
            value = self.file[register];
            if (registers::ENERGY_FORWARD..registers::ENERGY_FORWARD + 3).contains(&address) {
                self.file[register] = 0;
            }
        } else if address == registers::SOFT_RESET && value == registers::RESET_KEY {
            self.reset();
        } else if address == registers::CONFIG_ACCESS
            || self.file[usize::from(registers::CONFIG_ACCESS)] == registers::ACCESS_KEY
        {
            self.file[register] = value;
        }
        self.file[usize::from(registers::LAST_SPI_DATA)] = value;
        self.transfers += 1;
        let chance = random::unit(0x5b1, self.transfers as i64);
        if chance < self.disturbed {
            value ^= 1 << (self.transfers % 16);
        }
        let [high, low] = value.to_be_bytes();
        [0, 0, high, low]
    }
}

/// A chip at the end of a bus; the firmware holds one end, the simulation the other.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Mutex<Chip>>);

impl Wire {
    pub fn to(chip: Chip) -> Self {
        Wire(Arc::new(Mutex::new(chip)))
    }

    pub fn chip(&self) -> MutexGuard<'_, Chip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ErrorType for Wire {
    type Error = Infallible;
}

impl SpiDevice for Wire {
    /// The chip is selected for four bytes, in whatever pieces they come.
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let mut chip = self.chip();
        if let [Operation::TransferInPlace(bytes)] = operations
            && let Ok(frame) = <[u8; 4]>::try_from(&bytes[..])
        {
            bytes.copy_from_slice(&chip.transfer(frame));
            return Ok(());
        }
        panic!("the chip is spoken to in frames of four bytes");
    }
}
