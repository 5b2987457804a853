//! A query whose client goes away, or whose time is up, is not run to its end. Alone in its process: it watches how many sessions
//! there are, and what the processor has to do.

use std::time::Duration;

use tests::node::{ENDLESS, Node, eventually, metric};

async fn sessions(node: &Node) -> f64 {
    metric(node, "caudal_door_postgres_sessions").await
}

async fn statements(node: &Node) -> f64 {
    metric(node, "caudal_door_postgres_statements_total").await
}

/// What this process has had of the processor.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes the time to what it is given.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Waits until the process takes as much of the processor as a query does, or less.
async fn until(busy: bool) {
    const WATCHED: Duration = Duration::from_millis(200);
    let what = if busy { "the query takes the processor" } else { "nothing takes the processor any more" };
    eventually(what, async || {
        let before = processor_time();
        tokio::time::sleep(WATCHED).await;
        (busy == (processor_time() - before > WATCHED / 4)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_statement_of_a_client_that_goes_away_or_of_which_the_time_is_up_ends() {
    let node = Node::start().await;
    let (client, connection) = node.settings().connect(tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let before = statements(&node).await;
    let running = tokio::spawn(async move { client.simple_query(ENDLESS).await.map(drop) });
    eventually("the query runs", async || (statements(&node).await > before).then_some(())).await;
    assert_eq!(sessions(&node).await, 1.0);
    connection.abort();
    running.abort();
    eventually("the session ends", async || (sessions(&node).await == 0.0).then_some(())).await;

    let client = node.connect().await;
    client.batch_execute("SET statement_timeout = '1s'").await.unwrap();
    let (stopped, ()) = tokio::join!(client.simple_query(ENDLESS), until(true));
    assert_eq!(stopped.unwrap_err().code().unwrap().code(), "57014");
    until(false).await;
    drop(client);
    node.stop().await;
}
