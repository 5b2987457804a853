//! A database whose clock the test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use sql::limits::CHANGELOG_BYTES;
use sql::{Clock, Config, Database, SqlError};
use tempfile::TempDir;

use crate::load;

/// How long anything may take before it is said that it does not come.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Node {
    pub directory: TempDir,
    pub database: Arc<Database>,
    clock_ms: Arc<AtomicI64>,
}

async fn opened(directory: &TempDir, clock: Clock) -> Arc<Database> {
    let data_dir = directory.path().to_owned();
    let config = Config { data_dir, cache_bytes: 8 << 20, changelog_bytes: CHANGELOG_BYTES, clock, cluster: None };
    Database::open(config).await.unwrap()
}

impl Node {
    /// A new database where it is this time.
    pub async fn new(time: &str) -> Node {
        let (directory, clock_ms) = (TempDir::new().unwrap(), Arc::new(AtomicI64::new(millis(time))));
        let database = opened(&directory, clock(&clock_ms)).await;
        Node { directory, database, clock_ms }
    }

    /// Sets the clock.
    pub fn set(&self, time: &str) {
        self.clock_ms.store(millis(time), Ordering::Relaxed);
    }

    /// Closes the database; it is opened again at this time.
    pub async fn sleeps_until(self, time: &str) -> Node {
        let Node { directory, database, clock_ms } = self;
        database.close().await;
        drop(database);
        clock_ms.store(millis(time), Ordering::Relaxed);
        let database = opened(&directory, clock(&clock_ms)).await;
        Node { directory, database, clock_ms }
    }

    pub async fn run(&self, statement: &str) {
        load::run(&self.database, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Why a statement is refused.
    pub async fn refused(&self, statement: &str) -> SqlError {
        load::run(&self.database, statement).await.expect_err(statement)
    }

    /// The rows of a query, `;` between rows and `,` between values.
    pub async fn rows(&self, query: &str) -> String {
        let rows = load::run(&self.database, query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        rows.into_iter().map(|row| row.join(",")).collect::<Vec<_>>().join(";")
    }

    /// Waits until a query has these rows, looking again with every epoch.
    pub async fn becomes(&self, query: &str, expected: &str) {
        let mut published = self.database.published();
        let mut found = self.rows(query).await;
        while found != expected {
            let changed = tokio::time::timeout(PATIENCE, published.changed()).await;
            changed.unwrap_or_else(|_| panic!("{query} gives {found} and not {expected}")).unwrap();
            found = self.rows(query).await;
        }
    }

    /// The last published epoch.
    pub fn epoch(&self) -> u64 {
        self.database.published().borrow().0
    }
}

fn clock(clock_ms: &Arc<AtomicI64>) -> Clock {
    let clock_ms = clock_ms.clone();
    Arc::new(move || clock_ms.load(Ordering::Relaxed))
}

/// Milliseconds since 1970 of `2026-05-01 08:00:00`, in UTC.
pub fn millis(time: &str) -> i64 {
    let parsed = string_to_timestamp_nanos(time).unwrap_or_else(|error| panic!("{time}: {error}"));
    parsed / 1_000_000
}
