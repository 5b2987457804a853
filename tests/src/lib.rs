//! What the promises in `tests/` share: generated histories with their model, real clients, and failing disks.

pub mod clients;
pub mod fault;
pub mod oracle;
pub mod tally;
