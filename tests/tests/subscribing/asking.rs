//! The forms of SUBSCRIBE, and what is said where it cannot be done.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use tests::node::{Node, PATIENCE, eventually};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const READINGS: &str = "CREATE TABLE reading (k int PRIMARY KEY, g text, w double precision);
     CREATE MATERIALIZED VIEW total AS SELECT g, count(*) AS n FROM reading GROUP BY g;
     CREATE VIEW heavy AS SELECT k, w FROM reading WHERE w > 10;
     INSERT INTO reading VALUES (1, 'a', 5), (2, 'a', 20), (3, 'b', 30)";

async fn start() -> (Node, Client) {
    let node = Node::start().await;
    let client = node.connect().await;
    client.batch_execute(READINGS).await.unwrap();
    (node, client)
}

/// The rows of a simple query as text.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let cells: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("-")).collect();
            Some(cells.join(" "))
        }
        _ => None,
    };
    messages.iter().filter_map(line).collect()
}

/// The rows without their epochs, in order of their text.
fn without_epochs(rows: &[String]) -> Vec<&str> {
    let mut rows: Vec<&str> = rows.iter().map(|row| row.split_once(' ').unwrap().1).collect();
    rows.sort_unstable();
    rows
}

#[tokio::test]
async fn a_cursor_fetches_the_snapshot_then_what_changed() {
    let (node, client) = start().await;
    let other = node.connect().await;
    client.batch_execute("BEGIN; DECLARE c CURSOR FOR SUBSCRIBE total").await.unwrap();
    assert_eq!(without_epochs(&rows(&client, "FETCH ALL FROM c").await), ["1 a 2", "1 b 1"]);
    other.batch_execute("INSERT INTO reading VALUES (4, 'b', 1)").await.unwrap();
    let changed = rows(&client, "FETCH ALL FROM c").await;
    assert_eq!(without_epochs(&changed), ["-1 b 1", "1 b 2"]);
    assert!(changed[0].contains(" -1 "), "what goes comes before what takes its place: {changed:?}");
    let begun = Instant::now();
    assert!(rows(&client, "FETCH 10 FROM c WITH (TIMEOUT = '50ms')").await.is_empty());
    assert!(begun.elapsed() < PATIENCE);
    other.batch_execute("DELETE FROM reading WHERE k = 4").await.unwrap();
    assert_eq!(rows(&client, "FETCH 1 FROM c").await.len(), 1);
    assert_eq!(rows(&client, "FETCH 1 FROM c WITH (TIMEOUT '5s')").await.len(), 1);
    client.batch_execute("COMMIT").await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn columns_and_conditions_are_those_of_the_query() {
    let (node, client) = start().await;
    let asked = [
        ("SUBSCRIBE reading", "1 1 a 5|1 2 a 20|1 3 b 30", "-1 3 b 30|1 3 b 31"),
        ("SUBSCRIBE TO (SELECT k, w / 2 AS half FROM reading WHERE w > 10)", "1 2 10|1 3 15", "-1 3 15|1 3 15.5"),
        ("SUBSCRIBE (SELECT g FROM reading WHERE k <> 1) WITH (PROGRESS)", "f 1 a|f 1 b|t - -", "t - -"),
        ("SUBSCRIBE heavy", "1 2 20|1 3 30", "-1 3 30|1 3 31"),
        ("SUBSCRIBE total WITH (SNAPSHOT = false, PROGRESS = on)", "t - - -", "t - - -"),
    ];
    for (sql, snapshot, changes) in asked {
        client.batch_execute(&format!("BEGIN; DECLARE c CURSOR FOR {sql}")).await.unwrap();
        let mut first = Vec::new();
        while first.len() < snapshot.split('|').count() {
            first.extend(rows(&client, "FETCH ALL FROM c").await);
        }
        assert_eq!(without_epochs(&first).join("|"), snapshot, "{sql}");
        let other = node.connect().await;
        other.batch_execute("UPDATE reading SET w = 31 WHERE k = 3").await.unwrap();
        let mut then = Vec::new();
        while then.len() < changes.split('|').count() {
            then.extend(rows(&client, "FETCH ALL FROM c").await);
        }
        assert_eq!(without_epochs(&then).join("|"), changes, "{sql}");
        client.batch_execute("COMMIT").await.unwrap();
        client.batch_execute("UPDATE reading SET w = 30 WHERE k = 3").await.unwrap();
    }
    let heavy = client.query_raw("SUBSCRIBE (SELECT k FROM reading WHERE w > $1)", [25.0_f64]).await.unwrap();
    let row = std::pin::pin!(heavy).try_next().await.unwrap().unwrap();
    let names: Vec<&str> = row.columns().iter().map(|column| column.name()).collect();
    assert_eq!((names, row.get::<_, i32>("k")), (vec!["epoch", "diff", "k"], 3));
    node.stop().await;
}

#[tokio::test]
async fn copy_hands_out_lines_as_they_happen() {
    let (node, client) = start().await;
    let other = node.connect().await;
    let lines = client.copy_out("COPY (SUBSCRIBE total WITH (SNAPSHOT = false)) TO STDOUT WITH (FORMAT csv)").await;
    let mut lines = std::pin::pin!(lines.unwrap());
    for n in 0..3 {
        other.batch_execute(&format!("INSERT INTO reading VALUES ({}, 'c', 1)", 10 + n)).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 1 + usize::from(n > 0) {
            let line = tokio::time::timeout(PATIENCE, lines.next()).await.unwrap().unwrap().unwrap();
            seen.push(String::from_utf8(line.to_vec()).unwrap().split_once(',').unwrap().1.to_owned());
        }
        assert_eq!(*seen.last().unwrap(), format!("1,c,{}\n", n + 1));
    }
    node.stop().await;
}

#[tokio::test]
async fn it_ends_at_once_when_it_is_cancelled_or_its_client_goes() {
    let (node, client) = start().await;
    let rows = client.query_raw::<_, i64, _>("SUBSCRIBE total", []).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    for _ in 0..2 {
        rows.try_next().await.unwrap().unwrap();
    }
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, rows.try_next()).await.unwrap().unwrap_err();
    assert_eq!(ended.code().unwrap().code(), "57014");
    client.batch_execute("SELECT 1").await.unwrap();
    // More than there may be at a time: those that went are not there any more.
    for _ in 0..gateway::limits::POSTGRES_SESSIONS_MAX + 10 {
        let connect = async || node.settings().connect(NoTls).await.ok();
        let (going, connection) = eventually("there is room for a session", connect).await;
        let connection = tokio::spawn(connection);
        let rows = going.query_raw::<_, i64, _>("SUBSCRIBE total", []).await.unwrap();
        assert!(std::pin::pin!(rows).try_next().await.unwrap().is_some());
        connection.abort();
    }
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_followed_is_said_with_what_to_do() {
    let (node, client) = start().await;
    let made = node.database.published().borrow().0;
    client.batch_execute("CREATE MATERIALIZED VIEW late AS SELECT k FROM reading").await.unwrap();
    for (sql, code, words) in [
        ("SUBSCRIBE missing", "42P01", "missing"),
        ("SUBSCRIBE (SELECT count(*) FROM reading)", "0A000", "an aggregation"),
        ("SUBSCRIBE (SELECT a.k FROM reading a JOIN reading b USING (k))", "0A000", "a join"),
        ("SUBSCRIBE (SELECT k FROM reading WHERE random() > 0.5)", "0A000", "random() in SUBSCRIBE"),
        ("SUBSCRIBE caudal.quarantine", "0A000", "keeps for itself"),
        ("SUBSCRIBE total AS OF 1000000", "22023", "no epoch 1000000 yet"),
        ("SUBSCRIBE late WITH (SNAPSHOT) AS OF 1", "0A000", "which is past"),
        ("SUBSCRIBE total WITH (SNAP)", "42601", "SNAPSHOT or PROGRESS"),
        ("FETCH 1 FROM c", "34000", "does not exist"),
    ] {
        let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} is done"));
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), code, "{sql}: {error:?}");
        assert!(error.message().contains(words), "{sql}: {error:?}");
    }
    // It was filled with what the changes before it had made.
    let before = client.simple_query(&format!("SUBSCRIBE late AS OF {made}")).await.unwrap_err();
    assert_eq!(before.code().unwrap().code(), "72000");
    let rows = client.query_raw::<_, i64, _>("SUBSCRIBE late WITH (SNAPSHOT = false)", []).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    node.connect().await.batch_execute("DROP MATERIALIZED VIEW late").await.unwrap();
    let dropped = tokio::time::timeout(PATIENCE, rows.try_next()).await.unwrap().unwrap_err();
    assert_eq!(dropped.code().unwrap().code(), "42P01");
    node.stop().await;
}

#[tokio::test]
async fn an_expression_that_fails_on_a_new_row_ends_it_with_that_error() {
    let (node, client) = start().await;
    let rows = client.query_raw::<_, i64, _>("SUBSCRIBE (SELECT 100 / (k - 9) AS x FROM reading)", []).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    for _ in 0..3 {
        rows.try_next().await.unwrap().unwrap();
    }
    node.connect().await.batch_execute("INSERT INTO reading VALUES (9, 'z', 0)").await.unwrap();
    let failed = tokio::time::timeout(PATIENCE, rows.try_next()).await.unwrap().unwrap_err();
    assert!(failed.as_db_error().unwrap().message().contains("division by zero"), "{failed:?}");
    node.stop().await;
}
