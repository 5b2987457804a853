//! The pipeline: from the log to published epochs.
//!
//! One thread owns the engine. It takes what arrived in the log while the last epoch was computed, decodes it, applies it to
//! the tables' current rows and steps the engine, all while the log syncs those events; once they are durable it writes one
//! commit. A second thread makes commits durable and publishes them, while the first computes the next epoch.

mod bridges;
pub mod checks;
mod define;
mod errors;
mod fill;
mod filling;
pub mod forget;
pub mod input;
mod interest;
mod minutes;
mod new_table;
mod new_view;
mod owner;
mod past;
mod progress;
mod publisher;
mod quarantine;
mod removal;
mod resume;
mod schemas;
mod shared;
mod sorted;
mod stream;
mod table;

pub use bridges::{BridgeRemoval, NewBridge};
pub use define::{BEGINNING, Change, Defined, Remark};
pub use interest::{Interest, Interests};
pub use new_table::{NewColumns, NewTable};
pub use new_view::NewView;
pub use owner::{Command, joined, start};
pub use progress::{Fills, Phase, Progress, withheld};
pub use removal::Removal;
pub use schemas::{NewSchema, PackedSchema, SchemaRemoval};
pub use shared::{Shared, disk_code};
pub use table::Verdict;
