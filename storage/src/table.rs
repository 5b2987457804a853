//! The table store: RocksDB under one commit an epoch and one snapshot an epoch.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dataflow::{Block, Direction, Epoch, Found, KeyRange, RelationId, State, StateError, StateWrite};

use crate::log::Position;

/// Budgets and periods of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes for cached blocks and values together.
    pub cache_bytes: usize,
    /// Bytes of the changelog that are kept for those who resume.
    pub changelog_bytes: u64,
}

/// Everything that one epoch changes; written as one.
#[derive(Debug, Default)]
pub struct Commit {
    pub epoch: Epoch,
    /// The clock reading that was this epoch's `now()`.
    pub now_ms: i64,
    /// Where to read on in the log. Partitions not named stay where they are.
    pub positions: Vec<Position>,
    /// Rows of tables and views, operator state, error and quarantine rows: at most one entry a relation.
    pub writes: Vec<StateWrite>,
    /// The epoch's changes of a relation, encoded, for those who follow it.
    pub changes: Vec<(RelationId, Bytes)>,
    /// Effects to deliver: each gets the next number of the outbox.
    pub outbox: Vec<Bytes>,
    /// Catalogue entries: put, or deleted where `None`.
    pub catalog: Vec<(String, Option<Bytes>)>,
}

/// A commit that look-ups of the engine see, and readers do not yet.
pub struct Written {}

/// What the last durable commit left.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    pub epoch: Epoch,
    pub now_ms: i64,
    pub positions: Vec<Position>,
    /// Catalogue entries in name order.
    pub catalog: Vec<(String, Bytes)>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{dir} is in use by another node: stop it, or choose another data directory")]
    InUse { dir: String },
    #[error("{dir} was written by a newer version (format {found}, this one reads up to {known}): use that version")]
    Newer { dir: String, found: u32, known: u32 },
    #[error("the store at {dir} cannot be written: {reason}")]
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

/// Whose rows a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantScope {
    /// One tenant's; 1 is the default tenant.
    One(u32),
}

/// (epoch, encoded changes) of one relation, ascending.
pub struct ChangeIter {}

/// The store. Shared by the engine's thread, the syncing thread and all readers.
#[derive(Clone)]
pub struct Store {}

/// A published epoch, for reading. Cheap to clone; holds its version of the data until dropped.
#[derive(Clone)]
pub struct Snapshot {}

/// One tenant's rows in a snapshot.
#[derive(Clone)]
pub struct Reader {}

impl Store {
    /// Opens or makes the store in `dir`.
    pub fn open(_dir: &Path, _options: StoreOptions) -> Result<Store, StoreError> {
        todo!()
    }

    /// The last durable commit, as found at open and as synced since.
    pub fn last(&self) -> Pinned {
        todo!()
    }

    /// Writes a commit: seen by the engine's look-ups from here on, durable and seen by readers once synced.
    pub fn write(&self, _commit: Commit) -> Result<Written, StoreError> {
        todo!()
    }

    /// Makes a commit and all before it durable and publishes it to readers.
    pub fn sync(&self, _written: Written) -> Result<Epoch, StoreError> {
        todo!()
    }

    /// The published epoch.
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }

    /// Changes of a relation in published epochs after `after`.
    pub fn changes(&self, _relation: RelationId, _after: Epoch) -> Result<ChangeIter, Trimmed> {
        todo!()
    }

    /// Writes rows and state of a view under construction, outside any epoch.
    pub fn fill(&self, _writes: Vec<StateWrite>) -> Result<(), StoreError> {
        todo!()
    }

    /// Removes everything of relations for which `keep` is false: what a CREATE left that never came to its commit.
    pub fn sweep(&self, _keep: &dyn Fn(RelationId) -> bool) -> Result<(), StoreError> {
        todo!()
    }

    /// Frees the space of dropped relations.
    pub fn remove(&self, _relations: &[RelationId]) -> Result<(), StoreError> {
        todo!()
    }

    /// Outbox entries after `number`, oldest first, at most `limit`, published ones only.
    pub fn outbox(&self, _after: u64, _limit: usize) -> Result<Vec<(u64, Bytes)>, StoreError> {
        todo!()
    }

    /// Forgets outbox entries up to and including `number`: they are delivered.
    pub fn delivered(&self, _number: u64) -> Result<(), StoreError> {
        todo!()
    }
}

impl State for Store {
    fn get_many(&self, _relation: RelationId, _keys: &Block) -> Result<Found, StateError> {
        todo!()
    }

    fn scan(
        &self,
        _relation: RelationId,
        _range: &KeyRange,
        _direction: Direction,
        _each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        todo!()
    }
}

impl Snapshot {
    pub fn epoch(&self) -> Epoch {
        todo!()
    }

    /// The clock reading of the epoch.
    pub fn now_ms(&self) -> i64 {
        todo!()
    }

    /// The only way to read.
    pub fn scoped(&self, _tenant: TenantScope) -> Reader {
        todo!()
    }
}

impl Reader {
    pub fn get_many(&self, _relation: RelationId, _keys: &Block) -> Result<Found, StateError> {
        todo!()
    }

    /// A cursor over a key range that can be kept across calls and threads.
    pub fn cursor(&self, _relation: RelationId, _range: KeyRange, _direction: Direction) -> Cursor {
        todo!()
    }
}

/// Reads a key range on from where it stopped.
pub struct Cursor {}

impl Cursor {
    /// Appends up to `limit` more entries to the blocks; returns how many, 0 at the end.
    pub fn next(&mut self, _keys: &mut Block, _values: &mut Block, _limit: usize) -> Result<usize, StateError> {
        todo!()
    }
}

#[allow(dead_code)]
fn assert_shared(store: Arc<Store>, snapshot: Snapshot, cursor: Cursor) -> impl Send + 'static {
    (store, snapshot, cursor)
}
