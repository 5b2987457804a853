//! A node's database: opened once, shared by all doors.

use std::path::PathBuf;
use std::sync::Arc;

use dataflow::Epoch;
use prometheus_client::registry::Registry;
use storage::{Event, LogHome, Position};
use tokio::sync::watch;

use crate::error::SqlError;
use crate::session::{Identity, Session};

/// Milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How to open a database.
#[derive(Clone)]
pub struct Config {
    /// The log is in `log/`, the store in `table/` below it.
    pub data_dir: PathBuf,
    /// Bytes for caches of the store.
    pub cache_bytes: usize,
    pub clock: Clock,
}

/// Whether the node can take events and answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Ready,
    /// Reads are served, nothing is acknowledged; in words for the operator.
    ReadOnly(String),
    /// Neither works.
    Failed(String),
}

/// The database of a node.
pub struct Database {}

impl Database {
    /// Opens the log and the store, installs the views and starts the pipeline.
    pub async fn open(_config: Config) -> Result<Arc<Database>, SqlError> {
        todo!()
    }

    /// A session for someone who has been authenticated.
    pub fn session(self: &Arc<Self>, _who: Identity) -> Session {
        todo!()
    }

    /// Appends events to the topic of a table. They are durable on return, and visible once their epoch is published.
    pub async fn append(&self, _table: &str, _events: Vec<Event>) -> Result<Vec<Position>, SqlError> {
        todo!()
    }

    /// The last published epoch.
    pub fn published(&self) -> watch::Receiver<Epoch> {
        todo!()
    }

    pub fn health(&self) -> Health {
        todo!()
    }

    /// The log, for the door that speaks its protocol.
    pub fn log(&self) -> &LogHome {
        todo!()
    }

    /// Adds the database's measurements to a registry.
    pub fn register_metrics(&self, _registry: &mut Registry) {
        todo!()
    }

    /// Ends the pipeline after its current epoch and closes the store and the log.
    pub async fn close(&self) {
        todo!()
    }
}
