//! Meters that are not there: the firmware's own logic over simulated chips, flash, clocks and houses.
//!
//! [`load`] is what appliances draw, [`site`] the panel that they are in; [`chip`] is the metering chip that measures it,
//! register by register, [`flash`] what the firmware keeps its queue on. [`device`] is a meter with all of these. Everything is
//! decided by a seed.

pub mod chip;
pub mod device;
pub mod flash;
pub mod load;
pub mod random;
pub mod site;
