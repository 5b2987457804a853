//! What the tests across crates share.

pub mod clients;
pub mod fault;
pub mod tally;
