//! What the benches share.
//!
//! Each bench is a binary of this crate. It compares the results of its sides before it times them, runs them in turn in one
//! process, prints a table and leaves the same figures as JSON in `target/benches/`.

pub mod cpu;
pub mod node;
pub mod report;
pub mod views;
