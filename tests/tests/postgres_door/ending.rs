//! Statements and sessions that end before they are done.

use std::time::Instant;

use tests::node::{ENDLESS, Node, eventually};
use tokio_postgres::{Client, NoTls};

fn run(client: Client) -> tokio::task::JoinHandle<(Client, Result<(), tokio_postgres::Error>)> {
    tokio::spawn(async move {
        let result = client.simple_query(ENDLESS).await.map(drop);
        (client, result)
    })
}

#[tokio::test]
async fn a_cancel_request_ends_the_statement_and_not_the_session() {
    let node = Node::start().await;
    let client = node.connect().await;
    let cancel = client.cancel_token();
    let mut running = run(client);
    let (client, result) = eventually("the statement ends", async || {
        cancel.cancel_query(NoTls).await.unwrap();
        if running.is_finished() { Some((&mut running).await.unwrap()) } else { None }
    })
    .await;
    assert_eq!(result.unwrap_err().code().unwrap().code(), "57014");
    client.simple_query("SELECT 1").await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_shuts_down_tells_its_clients_and_does_not_wait_for_them() {
    let node = Node::start().await;
    let (idle, connection) = node.settings().connect(NoTls).await.unwrap();
    let told = tokio::spawn(connection);
    let busy = node.connect().await;
    let running = run(busy);
    let began = Instant::now();
    node.stop().await;
    assert!(began.elapsed() < 2 * gateway::limits::SHUTDOWN_GRACE, "took {:?}", began.elapsed());
    let ended = told.await.unwrap().unwrap_err();
    assert_eq!(ended.code().map(|code| code.code()), Some("57P01"), "{ended:?}");
    assert!(running.await.unwrap().1.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_statement_that_is_too_long_is_refused_and_the_session_goes_on() {
    let node = Node::start().await;
    let client = node.connect().await;
    let text = format!("SELECT '{}'", "x".repeat(gateway::limits::MESSAGE_BYTES_MAX));
    for error in [client.simple_query(&text).await.err(), client.prepare(&text).await.err()] {
        let error = error.unwrap();
        assert_eq!(error.code().map(|code| code.code()), Some("54000"), "{error:?}");
    }
    client.simple_query("SELECT 1").await.unwrap();
    node.stop().await;
}
