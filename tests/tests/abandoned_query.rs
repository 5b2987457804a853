//! A query whose client goes away is not run to its end. Alone in its process: it watches how many sessions there are.

use tests::node::{Node, eventually, metric};

/// A query that nobody waits for the end of.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, \
     generate_series(1, 100000) c WHERE a.value + b.value + c.value < 0";

async fn sessions(node: &Node) -> f64 {
    metric(node, "caudal_door_postgres_sessions").await
}

#[tokio::test]
async fn the_statement_of_a_client_that_goes_away_ends() {
    let node = Node::start().await;
    let (client, connection) = node.settings().connect(tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let running = tokio::spawn(async move { client.simple_query(ENDLESS).await.map(drop) });
    eventually("the query runs", async || {
        (metric(&node, "caudal_door_postgres_statements_total").await == 1.0).then_some(())
    })
    .await;
    assert_eq!(sessions(&node).await, 1.0);
    connection.abort();
    running.abort();
    eventually("the session ends", async || (sessions(&node).await == 0.0).then_some(())).await;
    node.stop().await;
}
