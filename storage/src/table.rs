//! The table store: RocksDB under one commit an epoch and one snapshot an epoch.
//!
//! Read it in the order data flows: a [`Commit`] becomes one batch ([`commit`], [`head`], [`changelog`], [`key`]), [`store`]
//! writes it for the engine's look-ups ([`lookup`], [`cache`], [`ends`]) and, once synced, publishes it to readers ([`reader`]) and
//! workers ([`outbox`]). Below are RocksDB ([`rocks`], [`options`], [`held`]) and the directory it lives in ([`directory`]).

mod cache;
mod changelog;
mod commit;
mod directory;
mod ends;
mod error;
mod extent;
mod head;
mod held;
mod key;
mod lookup;
mod options;
mod outbox;
mod reader;
mod reclaim;
mod rocks;
mod stats;
mod store;

#[cfg(test)]
mod tests;

pub use changelog::ChangeIter;
pub use commit::{Commit, Pinned, Written};
pub use error::{StoreError, Trimmed};
pub use extent::Extent;
pub use key::DEFAULT_TENANT;
pub use options::StoreOptions;
pub use reader::{Cursor, Pin, Reader, Snapshot, TenantScope};
pub use stats::Stats;
pub use store::Store;
