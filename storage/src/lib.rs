//! What is durable: the log of events and the table store of what is derived from them.
//!
//! [`log`] takes events in and hands them out in order; [`table`] keeps rows, views and operator state, one commit an epoch.

mod disk;
pub mod limits;
pub mod log;
pub mod table;
pub mod turns;

pub use disk::{DiskSpace, disk_space};
pub use log::{Event, Fetched, LogError, LogHistory, LogHome, Position, Record, TopicPartition};
pub use table::{
    ChangeIter, Commit, Cursor, DEFAULT_TENANT, Extent, Pin, Pinned, Reader, Snapshot, Stats, Store, StoreError,
    StoreOptions, TenantScope, Trimmed, Written,
};
