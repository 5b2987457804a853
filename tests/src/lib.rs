//! What the tests across crates share: real clients, failing disks, and what a node has counted.

pub mod clients;
pub mod fault;
pub mod tally;
