//! What the embedded log promises.

mod administration;
mod append;
mod behind;
mod crash;
mod failing_disk;
mod golden;
mod harness;
mod history;
mod produce;
mod retention;
mod torn_tail;
