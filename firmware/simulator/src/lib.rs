//! Meters that are not there: the firmware's own logic over simulated chips, flash, clocks and houses, thousands at once.
//!
//! [`load`] is what appliances draw, [`site`] the panel that they are in; [`chip`] is the metering chip that measures it,
//! register by register, [`flash`] what the firmware keeps its queue on. [`device`] is a meter with all of these, which loses
//! power, network and time as [`faults`] say; [`fleet`] runs many against a broker, each over a [`link`] of its own, at a
//! [`pace`]. Everything but the network is decided by a seed.

pub mod chip;
pub mod device;
pub mod faults;
pub mod flash;
pub mod fleet;
pub mod link;
pub mod load;
pub mod pace;
pub mod random;
pub mod site;
