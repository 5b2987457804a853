//! Statements that take too long, sessions that do nothing, and rows that are taken some at a time.

use std::time::Instant;

use futures::TryStreamExt;
use tests::node::{ENDLESS, Node, PATIENCE, make_digits};
use tokio_postgres::SimpleQueryMessage;

/// The cells of the first column.
fn first(messages: Vec<SimpleQueryMessage>) -> Vec<String> {
    let cell = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    };
    messages.into_iter().filter_map(cell).collect()
}

#[tokio::test]
async fn a_statement_whose_time_is_up_is_stopped_and_the_session_goes_on() {
    let node = Node::start().await;
    let client = node.connect().await;
    make_digits(&client).await;
    client.batch_execute("SET statement_timeout = '200ms'").await.unwrap();
    // Both make batches almost without end from one batch of the right side, the second below other joins.
    let join = "SELECT count(*) FROM digit a, digit b, digit c, digit d, generate_series(1, 10000000) e";
    for endless in [ENDLESS, join] {
        let begun = Instant::now();
        let stopped = client.simple_query(endless).await.unwrap_err();
        let error = stopped.as_db_error().unwrap();
        let told = (error.code().code(), error.message());
        assert_eq!(told, ("57014", "canceling statement due to statement timeout"));
        assert!(begun.elapsed() < PATIENCE, "{endless}");
        let prepared = client.query(endless, &[]).await.unwrap_err();
        assert_eq!(prepared.code().unwrap().code(), "57014");
    }
    assert_eq!(first(client.simple_query("SHOW statement_timeout").await.unwrap()), ["200ms"]);
    client.batch_execute("SET statement_timeout = 0; SELECT 1").await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn a_session_that_does_nothing_for_too_long_is_ended_with_words() {
    let node = Node::start().await;
    let cases = [
        ("SET idle_session_timeout = 100", "57P05"),
        ("SET idle_in_transaction_session_timeout = 100; BEGIN", "25P03"),
    ];
    for (set, code) in cases {
        let (client, connection) = node.settings().connect(tokio_postgres::NoTls).await.unwrap();
        let ended = tokio::spawn(connection);
        client.batch_execute(set).await.unwrap();
        let error = tokio::time::timeout(PATIENCE, ended).await.expect("it is ended").unwrap().unwrap_err();
        assert_eq!(error.code().unwrap().code(), code);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_cursor_hands_out_rows_until_there_are_none_or_its_transaction_ends() {
    let node = Node::start().await;
    let client = node.connect().await;
    let outside = client.simple_query("DECLARE c CURSOR FOR SELECT 1").await.unwrap_err();
    assert_eq!(outside.code().unwrap().code(), "25P01");
    client.batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT * FROM generate_series(1, 10000)").await.unwrap();
    let mut seen = Vec::new();
    loop {
        let part = first(client.simple_query("FETCH FORWARD 3000 FROM c").await.unwrap());
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 3000);
        seen.extend(part);
    }
    let all: Vec<String> = (1..=10_000).map(|number| number.to_string()).collect();
    assert_eq!(seen, all);
    client.batch_execute("CLOSE c; DECLARE c CURSOR FOR SELECT 7; COMMIT; BEGIN").await.unwrap();
    let gone = client.simple_query("FETCH ALL FROM c").await.unwrap_err();
    assert_eq!(gone.code().unwrap().code(), "34000");
    node.stop().await;
}

#[tokio::test]
async fn rows_are_copied_out_in_text_and_csv() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.batch_execute("CREATE TABLE t (k int PRIMARY KEY, a text, b numeric(6, 2))").await.unwrap();
    client
        .batch_execute("INSERT INTO t VALUES (1, 'x,\"y\"', 1.5), (2, E'tab\\tend\\\\', NULL), (3, '', 0)")
        .await
        .unwrap();
    let copied = async |copy: &str| {
        let parts: Vec<bytes::Bytes> = client.copy_out(copy).await.unwrap().try_collect().await.unwrap();
        String::from_utf8(parts.concat()).unwrap()
    };
    assert_eq!(copied("COPY t TO STDOUT").await, "1\tx,\"y\"\t1.50\n2\ttab\\tend\\\\\t\\N\n3\t\t0.00\n");
    let csv = copied("COPY (SELECT k, a, b FROM t ORDER BY k) TO STDOUT WITH (FORMAT csv, HEADER)").await;
    assert_eq!(csv, "k,a,b\n1,\"x,\"\"y\"\"\",1.50\n2,tab\tend\\,\n3,\"\",0.00\n");
    let file = client.copy_out("COPY t TO '/tmp/t'").await.err().unwrap();
    assert_eq!(file.code().unwrap().code(), "0A000");
    node.stop().await;
}

#[tokio::test]
async fn explain_analyze_says_what_the_operators_did() {
    let node = Node::start().await;
    let client = node.connect().await;
    make_digits(&client).await;
    let lines = first(client.simple_query("EXPLAIN ANALYZE SELECT d FROM digit WHERE d % 2 = 0").await.unwrap());
    assert!(lines.iter().any(|line| line.contains("FilterExec") && line.contains("output_rows=5")), "{lines:?}");
    assert!(lines.contains(&"Rows: 5".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("Execution time: ")), "{lines:?}");
    let refused = client.simple_query("EXPLAIN (FORMAT xml) SELECT 1").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "0A000");
    node.stop().await;
}

#[tokio::test]
async fn transactions_keep_to_one_snapshot_their_savepoints_and_what_they_may() {
    let node = Node::start().await;
    let (client, other) = (node.connect().await, node.connect().await);
    client.batch_execute("CREATE TABLE t (k int PRIMARY KEY); CREATE TABLE u (k int PRIMARY KEY)").await.unwrap();
    let kept =
        async |client: &tokio_postgres::Client| first(client.simple_query("SELECT k FROM t ORDER BY k").await.unwrap());
    let code = |error: tokio_postgres::Error| error.code().unwrap().code().to_owned();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    other.batch_execute("INSERT INTO t VALUES (9)").await.unwrap();
    assert!(kept(&client).await.is_empty(), "reads are of the snapshot that the transaction began with");
    client
        .batch_execute("SAVEPOINT one; INSERT INTO t VALUES (2); SAVEPOINT two; INSERT INTO t VALUES (3)")
        .await
        .unwrap();
    assert_eq!(code(client.batch_execute("INSERT INTO u VALUES (1)").await.unwrap_err()), "0A000");
    assert_eq!(code(client.batch_execute("SELECT 1").await.unwrap_err()), "25P02");
    client.batch_execute("ROLLBACK TO two; INSERT INTO t VALUES (4); RELEASE one").await.unwrap();
    assert_eq!(kept(&other).await, ["9"], "nothing is written before COMMIT");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(kept(&other).await, ["1", "2", "4", "9"]);
    client.batch_execute("BEGIN READ ONLY").await.unwrap();
    assert_eq!(code(client.batch_execute("INSERT INTO t VALUES (5)").await.unwrap_err()), "25006");
    client.batch_execute("ROLLBACK; BEGIN; SAVEPOINT a").await.unwrap();
    assert_eq!(code(client.batch_execute("ROLLBACK TO nowhere").await.unwrap_err()), "3B001");
    client.batch_execute("ROLLBACK").await.unwrap();
    node.stop().await;
}
