//! What a meter says on the wire: readings, as JSON or CBOR, and the topic that they are published to.
//!
//! A message is one reading or an array of readings of one circuit. [`decode`] tells by the first byte which of the two
//! encodings it is in; a reading that is none is refused by itself, with its reason, and the others of its message are kept.
//! Numbers are exact: they are read from their text and kept as integers of a thousandth or a millionth, never as floats.
//! A gateway that keeps JSON reads CBOR by [`cbor::to_json`]. The gateway, the meter and the simulator share this crate; it needs
//! neither the standard library nor an allocator.

#![no_std]

pub mod cbor;
pub mod decimal;
pub mod json;
mod reading;
mod refused;
mod scanner;
pub mod status;
mod time;
mod topic;

pub use decimal::Decimal;
pub use reading::Reading;
pub use refused::Refused;
pub use topic::Topic;

/// The readings of a message. A message whose structure is broken is refused whole, before any reading is given out.
pub fn decode(message: &[u8]) -> Result<Readings<'_>, Refused> {
    match cbor::is_cbor(message) {
        true => cbor::decode(message).map(Readings::Cbor),
        false => json::decode(message).map(Readings::Json),
    }
}

/// Gives out the readings of a message, in its order.
#[derive(Clone, Debug)]
pub enum Readings<'m> {
    Json(json::Readings<'m>),
    Cbor(cbor::Readings<'m>),
}

impl Iterator for Readings<'_> {
    type Item = Result<Reading, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Readings::Json(readings) => readings.next(),
            Readings::Cbor(readings) => readings.next(),
        }
    }
}
