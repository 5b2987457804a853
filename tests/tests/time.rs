//! What happens because time goes on, whether or not anything is sent: rows come and go by `now()`, minutes pass, old rows
//! are forgotten.

#[path = "time/clock.rs"]
mod clock;
#[path = "time/now.rs"]
mod now;
#[path = "time/retention.rs"]
mod retention;

use tests::clocked as harness;
