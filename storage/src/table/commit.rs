//! An epoch's commit: what goes in, and what it leaves.

use std::sync::Arc;

use bytes::Bytes;
use dataflow::{Epoch, RelationId, StateWrite};

use super::reader::Published;
use crate::log::Position;

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
pub struct Written {
    pub(super) published: Arc<Published>,
}

impl Written {
    /// The commit's epoch.
    pub fn epoch(&self) -> Epoch {
        self.published.head.epoch
    }
}

/// What the last durable commit left.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    pub epoch: Epoch,
    pub now_ms: i64,
    pub positions: Vec<Position>,
    /// Catalogue entries in name order.
    pub catalog: Vec<(String, Bytes)>,
}
