//! What the pipeline and all sessions share.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use dataflow::Epoch;
use storage::{LogError, LogHome, Snapshot, Store, StoreError};
use tokio::sync::watch;

use super::interest::Interests;
use crate::catalog::Catalog;
use crate::database::{Clock, Health};
use crate::encode::EventIds;
use crate::error::SqlError;
use crate::metrics::Metrics;
use crate::query::Queries;
use crate::room::Room;

/// The parts of an open database.
pub struct Shared {
    pub store: Store,
    pub log: LogHome,
    /// As of the published epoch.
    pub catalog: ArcSwap<Catalog>,
    pub published: watch::Sender<Epoch>,
    pub interests: Arc<Interests>,
    pub queries: Queries,
    pub room: Room,
    pub metrics: Metrics,
    pub ids: EventIds,
    pub clock: Clock,
    halted: Mutex<Option<SqlError>>,
}

impl Shared {
    pub fn new(store: Store, log: LogHome, room: Room, catalog: Catalog, clock: Clock) -> Shared {
        let metrics = Metrics::default();
        metrics.writable.set(1);
        Shared {
            published: watch::Sender::new(store.last().epoch),
            store,
            log,
            catalog: ArcSwap::from_pointee(catalog),
            interests: Arc::default(),
            queries: Queries::default(),
            room,
            metrics,
            ids: EventIds::default(),
            clock,
            halted: Mutex::new(None),
        }
    }

    /// Nothing more is acknowledged from here on. The first reason stands.
    pub fn halt(&self, error: SqlError) {
        let mut halted = self.halted.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = halted.get_or_insert(error).clone();
        drop(halted);
        tracing::error!(reason = %reason, "the pipeline has ended: reads are served, nothing is acknowledged");
        self.metrics.writable.set(0);
        self.interests.fail(&reason);
        self.log.abandoned();
    }

    /// Why nothing is acknowledged, if so.
    pub fn writable(&self) -> Result<(), SqlError> {
        match &*self.halted.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    pub fn health(&self) -> Health {
        match (self.writable(), self.log.lost()) {
            (Ok(()), None) => Health::Ready,
            (Ok(()), Some(words)) => Health::ReadOnly(words),
            (Err(error), _) => Health::ReadOnly(error.message),
        }
    }

    /// Why the disk keeps the log or the store from writing, if so.
    pub fn disk_failure(&self) -> Option<SqlError> {
        let of_log = || match &self.log {
            LogHome::Embedded(log) => log.stopped().map(|words| SqlError::new(disk_code(&words), words)),
            LogHome::Cluster(_) => None,
        };
        let stopped = self.writable().err().filter(|error| [DISK_FULL, DISK_FAILED].contains(&error.sqlstate));
        stopped.or_else(of_log)
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// A catalogue and a snapshot that has the rows of everything in it.
    pub fn seen(&self) -> (Arc<Catalog>, Snapshot) {
        loop {
            // The catalogue first: what it has is in every later snapshot, until it is dropped.
            let catalog = self.catalog();
            let snapshot = self.store.snapshot();
            if Arc::ptr_eq(&catalog, &self.catalog()) {
                return (catalog, snapshot);
            }
        }
    }

    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

/// The codes of errors of the disk.
const DISK_FULL: &str = "53100";
const DISK_FAILED: &str = "58030";

/// The code of an error of the disk.
pub fn disk_code(words: &str) -> &'static str {
    let full = ["No space left", "os error 28", "NoSpace"];
    if full.iter().any(|needle| words.contains(needle)) { DISK_FULL } else { DISK_FAILED }
}

impl From<StoreError> for SqlError {
    fn from(error: StoreError) -> SqlError {
        let words = error.to_string();
        match error {
            StoreError::InUse { .. } => SqlError::new("55006", words),
            StoreError::Newer { .. } => SqlError::new("0A000", words),
            StoreError::Stopped { .. } | StoreError::Failed { .. } => SqlError::new(disk_code(&words), words),
        }
    }
}

impl From<LogError> for SqlError {
    fn from(error: LogError) -> SqlError {
        let words = error.to_string();
        match error {
            LogError::UnknownTopic(_) => SqlError::new("42704", words),
            LogError::InvalidTopic(_) => SqlError::new("42602", words),
            LogError::TopicExists(_) => SqlError::new("42710", words),
            LogError::TooLarge { .. } | LogError::EventTooLarge { .. } | LogError::InvalidBatch(_) => {
                SqlError::new("54000", words)
            }
            _ => SqlError::new(disk_code(&words), words),
        }
    }
}
