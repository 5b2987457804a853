//! Registers of the ATM90E32AS that the meter uses (datasheet, section 6). Those of phases A, B and C follow one another, but
//! for gains, which are four apart.

pub type Register = u16;

/// Metering enable.
pub const METER_ENABLE: Register = 0x00;
/// High and low word of PL_Constant: energy per pulse.
pub const PULSE_HIGH: Register = 0x31;
pub const PULSE_LOW: Register = 0x32;
/// Metering mode: line frequency, and how phases are wired.
pub const MODE: Register = 0x33;
/// Gains of the analogue inputs.
pub const INPUT_GAIN: Register = 0x34;
/// Power below which the chip as a whole does not count, in 0.00032 W.
pub const START_POWER: Register = 0x35;
/// Power below which a phase does not count, in 0.00032 W.
pub const PHASE_POWER: Register = 0x38;
/// UgainA, IgainA; B and C are [`GAIN_STRIDE`] further each.
pub const VOLTAGE_GAIN: Register = 0x61;
pub const CURRENT_GAIN: Register = 0x62;
pub const GAIN_STRIDE: Register = 4;

pub const SOFT_RESET: Register = 0x70;
pub const LAST_SPI_DATA: Register = 0x78;
/// CfgRegAccEn: configuration is taken after the key.
pub const CONFIG_ACCESS: Register = 0x7f;

/// APenergyA: active energy taken. Read, and cleared by it.
pub const ENERGY_FORWARD: Register = 0x81;
/// PmeanA, high word.
pub const POWER: Register = 0xb1;
/// PFmeanA.
pub const POWER_FACTOR: Register = 0xbd;
/// PmeanALSB, low word.
pub const POWER_LOW: Register = 0xc1;
/// UrmsA.
pub const VOLTAGE: Register = 0xd9;
/// IrmsA.
pub const CURRENT: Register = 0xdd;
pub const FREQUENCY: Register = 0xf8;

pub const RESET_KEY: u16 = 0x789a;
pub const ACCESS_KEY: u16 = 0x55aa;
