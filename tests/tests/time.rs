//! What happens because time goes on: rows come and go by `now()`, whether or not anything is sent.

#[path = "time/harness.rs"]
mod harness;
#[path = "time/now.rs"]
mod now;
