//! A reading: what one circuit did at one moment.

use crate::{Decimal, Refused};

/// Fields are named as the columns of the table that they end in. What the meter cannot measure is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The device's time, milliseconds since 1970, UTC.
    pub at_ms: i64,
    pub voltage_v: Option<Decimal<3>>,
    pub current_a: Option<Decimal<3>>,
    /// Mean active power since the reading before; negative when it flows towards the grid.
    pub power_w: Option<Decimal<3>>,
    pub power_factor: Option<Decimal<3>>,
    pub frequency_hz: Option<Decimal<3>>,
    /// Active energy since the counter began. It never falls but to begin again.
    pub energy_kwh: Option<Decimal<6>>,
}

impl Reading {
    /// A reading as decoded, if it measures anything.
    pub(crate) fn measured(self) -> Result<Reading, Refused> {
        match (self.power_w, self.energy_kwh) {
            (None, None) => Err(Refused::NothingMeasured),
            _ => Ok(self),
        }
    }
}

/// The fields' names in JSON, for encoder, decoder and messages alike.
pub(crate) mod names {
    pub(crate) const AT: &str = "at";
    pub(crate) const VOLTAGE: &str = "voltage_v";
    pub(crate) const CURRENT: &str = "current_a";
    pub(crate) const POWER: &str = "power_w";
    pub(crate) const POWER_FACTOR: &str = "power_factor";
    pub(crate) const FREQUENCY: &str = "frequency_hz";
    pub(crate) const ENERGY: &str = "energy_kwh";
}
