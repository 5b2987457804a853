//! Why the store could not do what was asked.

use dataflow::Epoch;

/// A failure of the store. `dir` is its directory.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{dir} is in use by another node: stop it, or choose another data directory")]
    InUse { dir: String },
    #[error("{dir} was written by a newer version (format {found}, this one reads up to {known}): use that version")]
    Newer { dir: String, found: u32, known: u32 },
    #[error(
        "the store at {dir} cannot be written: {reason}; reads go on, and it can be written again once it is reopened"
    )]
    Stopped { dir: String, reason: String },
    #[error("the store at {dir}: {reason}")]
    Failed { dir: String, reason: String },
}

/// The changelog no longer reaches back to the epoch asked for: take a snapshot and go on from it.
#[derive(Debug, thiserror::Error)]
pub enum Trimmed {
    #[error("changes are kept from epoch {0} on")]
    Before(Epoch),
    #[error(transparent)]
    Store(#[from] StoreError),
}
