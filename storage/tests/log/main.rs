//! What the embedded log promises.

mod append;
mod harness;
