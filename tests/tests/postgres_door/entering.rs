//! Who gets in.

use tests::node::Node;
use tokio_postgres::NoTls;
use tokio_postgres::error::DbError;

async fn refused(settings: &tokio_postgres::Config) -> DbError {
    match settings.connect(NoTls).await {
        Ok(_) => panic!("let in"),
        Err(error) => error.as_db_error().unwrap_or_else(|| panic!("{error:?}")).clone(),
    }
}

#[tokio::test]
async fn the_right_password_gets_in_and_a_wrong_one_does_not() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("SELECT 1").await.unwrap();
    assert_eq!(refused(node.settings().password("Caudal")).await.code().code(), "28P01");
    assert_eq!(refused(node.settings().user("nobody")).await.code().code(), "28P01");
    node.stop().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let node = Node::start().await;
    let error = refused(node.settings().dbname("shop")).await;
    assert_eq!((error.code().code(), error.message()), ("3D000", "database \"shop\" does not exist"));
    assert_eq!(error.hint(), Some("the database is called caudal"));
    node.stop().await;
}

#[tokio::test]
async fn one_client_too_many_is_told_so() {
    let node = Node::start().await;
    let mut clients = Vec::new();
    for _ in 0..gateway::limits::POSTGRES_SESSIONS_MAX {
        clients.push(node.connect().await);
    }
    assert_eq!(refused(&node.settings()).await.code().code(), "53300");
    clients.pop();
    tests::node::eventually("a place that is left can be taken", async || {
        node.settings().connect(NoTls).await.ok().map(drop)
    })
    .await;
    node.stop().await;
}
