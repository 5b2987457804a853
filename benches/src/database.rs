//! A whole database in this process, for benches of what its users see.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use arrow::array::RecordBatch;
use futures::TryStreamExt;
use sql::{Cancel, Config, Database, Identity, Response};
use storage::Event;
use tokio::task::JoinSet;

/// Bytes of the store's caches: those of a machine with 4 GiB.
pub const CACHE_BYTES: usize = 256 << 20;

/// Events of one append, and appends on their way at most, while rows are loaded: as an import has them.
const EVENTS_AT_ONCE: u64 = 10_000;
const APPENDS_MAX: usize = 2;

/// Opens the database of a directory.
pub async fn open(data_dir: &Path) -> anyhow::Result<Arc<Database>> {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64;
    let config = Config {
        data_dir: data_dir.to_owned(),
        cache_bytes: CACHE_BYTES,
        changelog_bytes: sql::limits::CHANGELOG_BYTES,
        clock: Arc::new(clock),
        cluster: None,
    };
    Ok(Database::open(config).await?)
}

/// Runs a statement and returns its rows.
pub async fn run(database: &Arc<Database>, statement: &str) -> anyhow::Result<Vec<RecordBatch>> {
    let session = database.session(Identity::Operator("caudal".into()));
    let prepared = session.prepare(statement, &[]).await?;
    match session.execute(&prepared, vec![], Cancel::new()).await? {
        Response::Rows { rows, .. } => Ok(rows.try_collect().await?),
        _ => Ok(Vec::new()),
    }
}

/// Runs a query of one integer.
pub async fn integer(database: &Arc<Database>, query: &str) -> anyhow::Result<i64> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;
    let batches = run(database, query).await?;
    let batch = batches.iter().find(|batch| batch.num_rows() == 1).ok_or_else(|| anyhow::anyhow!("no row: {query}"))?;
    let column = batch.column(0);
    let column = column.as_primitive_opt::<Int64Type>().ok_or_else(|| anyhow::anyhow!("no bigint: {query}"))?;
    ensure!(column.is_valid(0), "NULL: {query}");
    Ok(column.value(0))
}

/// Loads the events of these numbers into the table `readings`; each must be a new row of it.
pub async fn load(database: &Arc<Database>, numbers: Range<u64>, event: fn(u64) -> Event) -> anyhow::Result<()> {
    let taken = |outcomes: Result<sql::Outcomes, sql::SqlError>| {
        let outcomes = outcomes?;
        ensure!(outcomes.corrected + outcomes.unchanged == 0 && outcomes.quarantined.is_empty(), "{outcomes:?}");
        Ok(())
    };
    let mut waiting = JoinSet::new();
    for start in numbers.clone().step_by(EVENTS_AT_ONCE as usize) {
        if waiting.len() == APPENDS_MAX {
            taken(waiting.join_next().await.context("an append waits")??)?;
        }
        let events = (start..numbers.end.min(start + EVENTS_AT_ONCE)).map(event).collect();
        let database = Arc::clone(database);
        waiting.spawn(async move { database.submit("readings", events).await });
    }
    while let Some(outcomes) = waiting.join_next().await {
        taken(outcomes?)?;
    }
    Ok(())
}
