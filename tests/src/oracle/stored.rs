//! The whole database, on disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use sql::limits::CHANGELOG_BYTES;
use sql::{Cancel, Config, Database, Identity, Response, SqlError};
use storage::Event as LogEvent;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::case::{Case, Event};
use super::history::Node;
use super::simulation::message;

/// A table that the histories do not know: a row of it is visible only after all events before it.
const BARRIER: &str = "CREATE TABLE barrier (n bigint PRIMARY KEY)";

/// Bytes for caches; little, so that what is cached and what is not both occur.
const CACHE_BYTES: usize = 8 << 20;

/// A database in a directory that goes with it.
pub struct Stored {
    runtime: Runtime,
    directory: TempDir,
    database: Option<Arc<Database>>,
    barriers: u64,
    clock_ms: Arc<AtomicI64>,
    /// Views that are being created, by name.
    begun: HashMap<String, JoinHandle<Result<(), SqlError>>>,
}

impl Default for Stored {
    fn default() -> Stored {
        let runtime = Runtime::new().unwrap();
        let mut node = Stored {
            runtime,
            directory: TempDir::new().unwrap(),
            database: None,
            barriers: 0,
            clock_ms: Arc::default(),
            begun: HashMap::new(),
        };
        node.open();
        node.run(BARRIER).unwrap();
        node
    }
}

impl Stored {
    fn open(&mut self) {
        let clock_ms = self.clock_ms.clone();
        let config = Config {
            data_dir: self.directory.path().to_owned(),
            cache_bytes: CACHE_BYTES,
            changelog_bytes: CHANGELOG_BYTES,
            clock: Arc::new(move || clock_ms.load(Ordering::Relaxed)),
            cluster: None,
        };
        self.database = Some(self.runtime.block_on(Database::open(config)).unwrap());
    }

    fn close(&mut self) {
        if let Some(database) = self.database.take() {
            self.runtime.block_on(database.close());
        }
    }

    fn run(&self, statement: &str) -> Result<Vec<RecordBatch>, SqlError> {
        self.runtime.block_on(run(self.database.as_ref().unwrap(), statement))
    }
}

async fn run(database: &Arc<Database>, statement: &str) -> Result<Vec<RecordBatch>, SqlError> {
    let session = database.session(Identity::Operator("caudal".into()));
    let prepared = session.prepare(statement, &[]).await?;
    match session.execute(&prepared, vec![], Cancel::new()).await? {
        Response::Rows { rows, .. } => Ok(rows.try_collect().await?),
        _ => Ok(vec![]),
    }
}

fn create(name: &str, query: &str) -> String {
    format!("CREATE MATERIALIZED VIEW {name} AS {query}")
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.close();
    }
}

impl Node for Stored {
    fn create_table(&mut self, statement: &str) {
        self.run(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    fn create_view(&mut self, name: &str, query: &str) -> Result<(), String> {
        let made = match self.begun.remove(name) {
            Some(begun) => self.runtime.block_on(begun).unwrap(),
            None => match self.run(&create(name, query)) {
                // A restart came between the commit that made it and the answer.
                Err(SqlError { sqlstate: "42P07", .. }) => Ok(()),
                other => other.map(drop),
            },
        };
        made.map_err(|error| error.to_string())
    }

    fn begin_view(&mut self, name: &str, query: &str) {
        let (database, statement) = (self.database.clone().unwrap(), create(name, query));
        let begun = self.runtime.spawn(async move { run(&database, &statement).await.map(drop) });
        self.begun.insert(name.to_owned(), begun);
    }

    fn feed(&mut self, case: &Case, clock_ms: i64, events: &[Event]) {
        self.clock_ms.store(clock_ms, Ordering::Relaxed);
        let database = self.database.as_ref().unwrap();
        for event in events {
            let (table, headers, key, value) = message(case, event);
            let event = LogEvent { key, value, headers, timestamp_ms: 0, ..LogEvent::default() };
            self.runtime.block_on(database.append(&case.tables[table].name, vec![event])).unwrap();
        }
        self.barriers += 1;
        self.run(&format!("INSERT INTO barrier VALUES ({})", self.barriers)).unwrap();
    }

    fn restart(&mut self) {
        for (_, begun) in self.begun.drain() {
            begun.abort();
            // Its session is part of the database until it has ended.
            let _ = self.runtime.block_on(begun);
        }
        self.close();
        self.open();
    }

    fn rows(&mut self, relation: &str) -> Vec<RecordBatch> {
        self.run(&format!("SELECT * FROM {relation}")).unwrap_or_else(|error| panic!("{relation}: {error}"))
    }
}
