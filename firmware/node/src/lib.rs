//! The meter: what runs on the microcontroller in a customer's breaker panel, whatever the microcontroller is.
//!
//! [`atm90e32`] reads the metering chips, [`interval`] adds up what they say until it is time for a [`record`]; the [`queue`]
//! keeps records on flash until they are acknowledged; the [`clock`] says when they were; [`upload`] makes messages of them;
//! [`provisioning`] is what a technician tells the device. [`Meter`] is all of it together. Whoever runs it brings an SPI
//! bus, flash, a monotonic clock, and a connection to the broker, and calls it when it is time.

#![no_std]

pub mod atm90e32;
pub mod clock;
pub mod interval;
pub mod limits;
mod meter;
pub mod provisioning;
pub mod queue;
pub mod record;
pub mod upload;

pub use meter::{Error, Meter};
pub use provisioning::Provisioning;
