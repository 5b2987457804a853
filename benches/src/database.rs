//! A whole database in this process, for benches of what its users see.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use sql::{Cancel, Config, Database, Identity, Response};

/// Bytes of the store's caches: those of a machine with 4 GiB.
pub const CACHE_BYTES: usize = 256 << 20;
/// Planning recurses.
const STACK_BYTES: usize = 16 << 20;

/// A runtime as the node's.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()
}

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
    anyhow::ensure!(column.is_valid(0), "NULL: {query}");
    Ok(column.value(0))
}
