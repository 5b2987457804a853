//! What the benches share.
//!
//! Each bench is a binary of this crate. It compares the results of its sides before it times them, runs them in turn in one
//! process, prints a table and leaves the same figures as JSON in `target/benches/`.

pub mod cpu;
pub mod database;
pub mod node;
pub mod report;
pub mod views;

use tikv_jemallocator::Jemalloc;

/// The node's allocator, of both sides of every bench and of RocksDB.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;
