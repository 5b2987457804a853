//! A query whose client goes away is not run to its end. Alone in its process: it watches how many sessions there are.

use tests::node::{ENDLESS, Node, eventually, make_digits, metric};

async fn sessions(node: &Node) -> f64 {
    metric(node, "caudal_door_postgres_sessions").await
}

async fn statements(node: &Node) -> f64 {
    metric(node, "caudal_door_postgres_statements_total").await
}

#[tokio::test]
async fn the_statement_of_a_client_that_goes_away_ends() {
    let node = Node::start().await;
    let (client, connection) = node.settings().connect(tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    make_digits(&client).await;
    let before = statements(&node).await;
    let running = tokio::spawn(async move { client.simple_query(ENDLESS).await.map(drop) });
    eventually("the query runs", async || (statements(&node).await > before).then_some(())).await;
    assert_eq!(sessions(&node).await, 1.0);
    connection.abort();
    running.abort();
    eventually("the session ends", async || (sessions(&node).await == 0.0).then_some(())).await;
    node.stop().await;
}
