//! Why something is no reading, in words for the quarantine.

use thiserror::Error;

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    #[error("the message is not well formed at byte {at}")]
    Malformed { at: usize },
    #[error("a reading is an object")]
    NoObject,
    #[error("the field at is missing")]
    NoTime,
    #[error("at is neither milliseconds since 1970 nor a time as in RFC 3339")]
    Time,
    #[error("{field} is not a number")]
    NoNumber { field: &'static str },
    #[error("{field} is out of range")]
    Range { field: &'static str },
    #[error("neither power_w nor energy_kwh is there")]
    NothingMeasured,
}
