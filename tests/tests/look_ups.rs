//! What a busy client asks is a look-up by key: what it costs beside the look-up itself stays small.

use sql::{Cancel, Identity, Response};
use tempfile::TempDir;
use tests::load;

/// Bytes of the future of an execution: it is moved for each message, and with planning within it would be tens of thousands.
const FUTURE_BYTES_MAX: usize = 4 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_future_of_an_execution_is_small() {
    let dir = TempDir::new().unwrap();
    let database = load::open(dir.path()).await.unwrap();
    load::append(&database, 0..50).await.unwrap();
    load::catch_up(&database).await.unwrap();
    let session = database.session(Identity::Operator("caudal".into()));
    let prepared = session.prepare("SELECT n FROM latest WHERE grp = 7", &[]).await.unwrap();
    let execution = session.execute(&prepared, vec![], Cancel::new());
    let bytes = size_of_val(&execution);
    println!("{bytes} bytes");
    assert!(bytes <= FUTURE_BYTES_MAX, "the future of an execution takes {bytes} bytes");
    assert!(matches!(execution.await.unwrap(), Response::Rows { .. }));
    drop(session);
    database.close().await;
}
