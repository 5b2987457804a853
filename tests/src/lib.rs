//! What the tests across crates share: a node with its doors, real clients, failing disks, and what a node has counted.

pub mod clients;
pub mod fault;
pub mod node;
pub mod tally;
