//! What a circuit did since the record before: means of what the chip measured, and the energy counter.

use crate::atm90e32::Phase;
use crate::record::Circuit;

/// An energy register's unit, 1 / 320,000 kWh, in eighths of a mWh: 3.125 mWh.
const ENERGY_UNIT: u64 = 25;

/// The chip's unit of power is 0.00032 W, so 0.01 W are 125 of 4 of them.
const POWER_UNITS: (i64, i64) = (4, 125);

/// Sums of one circuit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interval {
    polls: u32,
    voltage: u64,
    current: u64,
    power: i64,
    power_factor: i64,
    /// Since the counter began; what a record before says is where it goes on.
    energy: u64,
}

impl Interval {
    /// An interval whose counter goes on at `energy`, in eighths of a mWh.
    pub fn starting_at(energy: u64) -> Self {
        Interval { energy, ..Interval::default() }
    }

    pub fn add(&mut self, phase: &Phase, scale: u8) {
        let scale = i64::from(scale);
        self.polls += 1;
        self.voltage += u64::from(phase.voltage);
        self.current += u64::from(phase.current) * scale as u64;
        self.power += i64::from(phase.power) * scale;
        self.power_factor += i64::from(phase.power_factor);
    }

    /// Counts energy that was taken out of the chip.
    pub fn count(&mut self, energy: u16, scale: u8) {
        self.energy += u64::from(energy) * ENERGY_UNIT * u64::from(scale);
    }

    /// The counter, in eighths of a mWh.
    pub fn energy(&self) -> u64 {
        self.energy
    }

    /// What is recorded, and the next interval begins; nothing where the chip did not answer once.
    pub fn close(&mut self) -> Option<Circuit> {
        let polls = i64::from(self.polls);
        let circuit = (polls > 0).then(|| Circuit {
            voltage: mean(self.voltage as i64, polls) as u32,
            current: mean(self.current as i64, polls) as u32,
            power: mean(self.power * POWER_UNITS.0, polls * POWER_UNITS.1) as i32,
            power_factor: mean(self.power_factor, polls) as i16,
        });
        *self = Interval::starting_at(self.energy);
        circuit
    }
}

/// Rounded, halves away from zero.
fn mean(sum: i64, count: i64) -> i64 {
    (sum + sum.signum() * count / 2) / count
}
