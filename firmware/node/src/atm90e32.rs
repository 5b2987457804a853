//! The ATM90E32AS, a metering chip of three phases: one voltage and one current channel each.
//!
//! Every transaction is four bytes: a read flag with ten bits of address, then sixteen bits of value, either way. The chip keeps
//! the value that it last sent or took in LastSPIData; each access is compared with it, so that a disturbed wire is noticed, and
//! a read of an energy register, which clears it, loses nothing to one.
//!
//! Figures are of Microchip's (formerly Atmel's) M90E32AS datasheet, Atmel-46003, and application note, Atmel-46103; where they
//! were taken by way of a driver that is in use, it is ESPHome's `atm90e32` component and CircuitSetup's library, whose boards these are.

mod calibration;
pub mod registers;

use embedded_hal::delay::DelayNs;
use embedded_hal::spi::SpiDevice;
use thiserror::Error;

pub use calibration::{Calibration, Gain, Line, UnfitGain};
use registers::Register;

/// A chip that is configured and measures.
pub struct Atm90e32<S> {
    spi: S,
}

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Error<E> {
    #[error("the SPI bus failed")]
    Spi(E),
    #[error("register {0:#04x} is read differently each time: the wires to the chip are disturbed or loose")]
    Disturbed(u16),
    #[error("register {0:#04x} does not keep what is written: this is no ATM90E32, or it has no power")]
    NotThere(u16),
}

/// What a phase did, in the chip's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phase {
    /// In 0.01 V.
    pub voltage: u16,
    /// In mA, of the current clamp's scale.
    pub current: u16,
    /// In 0.00032 W, complement of two, of the clamp's scale.
    pub power: i32,
    /// In thousandths, with the sign of the power.
    pub power_factor: i16,
}

/// What a chip measures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    pub phases: [Phase; 3],
    /// In 0.01 Hz.
    pub frequency: u16,
}

/// Attempts to read a register undisturbed.
const ATTEMPTS: usize = 10;

/// The chip takes 5 ms after a reset (ESPHome waits 6).
const RESET_MS: u32 = 6;

const READ: u8 = 0x80;

impl<S: SpiDevice> Atm90e32<S> {
    /// Configures a chip. One that is configured so already is left alone: it went on counting energy while the microcontroller
    /// was reset.
    pub fn start(spi: S, delay: &mut impl DelayNs, calibration: &Calibration) -> Result<Self, Error<S::Error>> {
        let mut chip = Atm90e32 { spi };
        if !chip.is_configured(calibration)? {
            chip.write(registers::SOFT_RESET, registers::RESET_KEY)?;
            delay.delay_ms(RESET_MS);
            chip.write(registers::CONFIG_ACCESS, registers::ACCESS_KEY)?;
            for (register, value) in calibration.registers() {
                chip.write(register, value)?;
            }
            if let Some(register) = chip.differing(calibration)? {
                return Err(Error::NotThere(register));
            }
            chip.write(registers::CONFIG_ACCESS, 0)?;
        }
        Ok(chip)
    }

    fn is_configured(&mut self, calibration: &Calibration) -> Result<bool, Error<S::Error>> {
        Ok(self.differing(calibration)?.is_none())
    }

    fn differing(&mut self, calibration: &Calibration) -> Result<Option<Register>, Error<S::Error>> {
        for (register, value) in calibration.registers() {
            if self.read(register)? != value {
                return Ok(Some(register));
            }
        }
        Ok(None)
    }

    /// Reads what the chip measures.
    pub fn measure(&mut self) -> Result<Measured, Error<S::Error>> {
        let mut measured = Measured { frequency: self.read(registers::FREQUENCY)?, ..Measured::default() };
        for (index, phase) in (0..).zip(&mut measured.phases) {
            phase.voltage = self.read(registers::VOLTAGE + index)?;
            phase.current = self.read(registers::CURRENT + index)?;
            let high = self.read(registers::POWER + index)?;
            let low = self.read(registers::POWER_LOW + index)?;
            phase.power = (u32::from(high) << 16 | u32::from(low)) as i32;
            phase.power_factor = self.read(registers::POWER_FACTOR + index)? as i16;
        }
        Ok(measured)
    }

    /// Takes each phase's energy out of the chip, in hundredths of a pulse (CF) of 3,200 to the kWh: 3.125 mWh each.
    ///
    /// A phase that cannot be asked keeps its energy; what the others gave is not lost with it.
    pub fn take_energy(&mut self) -> [Result<u16, Error<S::Error>>; 3] {
        [0, 1, 2].map(|index| self.read(registers::ENERGY_FORWARD + index))
    }

    /// The value that the chip sent. A read is repeated from LastSPIData until two agree: the register itself is asked just
    /// once, as asking may clear it.
    fn read(&mut self, register: Register) -> Result<u16, Error<S::Error>> {
        let mut value = self.transfer(register, None)?;
        for _ in 0..ATTEMPTS {
            let sent = self.transfer(registers::LAST_SPI_DATA, None)?;
            if sent == value {
                return Ok(value);
            }
            value = sent;
        }
        Err(Error::Disturbed(register))
    }

    fn write(&mut self, register: Register, value: u16) -> Result<(), Error<S::Error>> {
        self.transfer(register, Some(value)).map(drop)
    }

    fn transfer(&mut self, register: Register, value: Option<u16>) -> Result<u16, Error<S::Error>> {
        let [high, low] = register.to_be_bytes();
        let [first, second] = value.unwrap_or(0).to_be_bytes();
        let mut frame = [high | if value.is_none() { READ } else { 0 }, low, first, second];
        self.spi.transfer_in_place(&mut frame).map_err(Error::Spi)?;
        Ok(u16::from_be_bytes([frame[2], frame[3]]))
    }
}
