//! A query that does not fit in its memory goes on in temporary files, gives the same rows, and leaves nothing on the disk.

use std::path::Path;

use futures::TryStreamExt;
use tests::node::{Node, eventually, make_digits};
use tokio_postgres::{Client, Row};

/// 50,000 numbers, and as many texts that are in no order.
const NUMBERS: &str = "SELECT n, lpad(CAST(n * 7919 % 100003 AS text), 128, 'x') AS word FROM \
     (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d AS n FROM digit a, digit b, digit c, digit d, digit e WHERE e.d < 5)";

/// Queries whose operators hold more than [`LITTLE`].
const SORT: &str = "SELECT n, word FROM numbers ORDER BY word";
const GROUPS: &str = "SELECT word, count(*), sum(n), avg(n), min(n) FROM numbers GROUP BY word ORDER BY word";
const DISTINCT: &str = "SELECT count(*) FROM (SELECT DISTINCT word, n FROM numbers)";
const JOIN: &str = "SELECT a.n, b.word FROM numbers a JOIN numbers b ON a.word = b.word AND a.n < b.n + 1 ORDER BY a.n";
const OUTER: &str = "SELECT a.n, a.word, b.n FROM numbers a LEFT JOIN numbers b \
     ON a.word = b.word AND b.n % 3 = 0 ORDER BY a.n";
const SEMI: &str = "SELECT count(*) FROM numbers WHERE word IN (SELECT word FROM numbers WHERE n % 3 = 0)";

const LITTLE: &str = "SET work_mem = '8MB'";

/// Files below the node's directory of temporary files.
fn files(node: &Node) -> usize {
    fn below(dir: &Path) -> usize {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { below(&path) } else { 1 }).sum()
    }
    below(&node.directory.path().join("data/temporary"))
}

async fn node_with_numbers() -> (Node, Client) {
    let node = Node::start().await;
    let client = node.connect().await;
    make_digits(&client).await;
    client.simple_query("CREATE TABLE numbers (n bigint PRIMARY KEY, word text)").await.unwrap();
    client.simple_query(&format!("INSERT INTO numbers {NUMBERS}")).await.unwrap();
    (node, client)
}

/// The rows as text, and how many temporary files there were when the first came.
async fn rows(node: &Node, client: &Client, query: &str) -> (Vec<String>, usize) {
    let rows = client.query_raw(query, std::iter::empty::<i32>()).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    let (mut texts, mut written) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await.unwrap_or_else(|error| panic!("{query}: {error:?}")) {
        if texts.is_empty() {
            written = files(node);
        }
        texts.push(text(&row));
    }
    (texts, written)
}

fn text(row: &Row) -> String {
    let cell = |at: usize| match row.columns()[at].type_().name() {
        "text" => format!("{:?}", row.get::<_, Option<String>>(at)),
        "float8" => format!("{:?}", row.get::<_, Option<f64>>(at)),
        _ => format!("{:?}", row.get::<_, Option<i64>>(at)),
    };
    (0..row.len()).map(cell).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spilled_answer_is_the_answer_from_memory() {
    let (node, client) = node_with_numbers().await;
    for query in [SORT, GROUPS, DISTINCT, JOIN, OUTER, SEMI] {
        client.simple_query("RESET work_mem").await.unwrap();
        let (in_memory, none) = rows(&node, &client, query).await;
        assert_eq!(none, 0, "{query} fits");
        client.simple_query(LITTLE).await.unwrap();
        let (spilled, written) = rows(&node, &client, query).await;
        assert!(written > 0 || [DISTINCT, SEMI].contains(&query), "{query} does not fit");
        assert!(in_memory == spilled, "{query}: {} rows in memory, {} spilled", in_memory.len(), spilled.len());
        eventually("the files are gone", async || (files(&node) == 0).then_some(())).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_and_an_abandoned_query_leave_no_file() {
    let (node, client) = node_with_numbers().await;
    client.simple_query(LITTLE).await.unwrap();
    let spilling = "SELECT word, a.d FROM digit a, digit b, digit c, numbers ORDER BY word, a.d, b.d, c.d";
    let cancel = client.cancel_token();
    let mut query = Box::pin(client.simple_query(spilling));
    tokio::select! {
        ended = &mut query => panic!("it ended: {:?}", ended.map(|messages| messages.len())),
        () = eventually_written(&node) => cancel.cancel_query(tokio_postgres::NoTls).await.unwrap(),
    }
    assert_eq!((&mut query).await.unwrap_err().as_db_error().unwrap().code().code(), "57014");
    drop(query);
    eventually("the files are gone", async || (files(&node) == 0).then_some(())).await;

    let (client, connection) = node.settings().connect(tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let abandoned = tokio::spawn(async move {
        client.simple_query(LITTLE).await.unwrap();
        client.simple_query(spilling).await.map(drop)
    });
    eventually_written(&node).await;
    connection.abort();
    abandoned.abort();
    eventually("the files are gone", async || (files(&node) == 0).then_some(())).await;
    node.stop().await;
}

async fn eventually_written(node: &Node) {
    eventually("files are written", async || (files(node) > 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_spill_says_so_and_what_to_do() {
    let (node, client) = node_with_numbers().await;
    client.simple_query("SET work_mem = '4MB'").await.unwrap();
    let queries = [
        "SELECT string_agg(word, ',') FROM numbers",
        "SELECT array_agg(word) FROM numbers",
        "SELECT a.word, b.word FROM numbers a, numbers b",
    ];
    for query in queries {
        let error = client.simple_query(query).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "53200", "{query}: {error:?}");
        assert!(error.message().contains("work_mem"), "{error:?}");
        assert!(error.hint().unwrap().contains("aggregate first"), "{error:?}");
        assert!(!error.detail().unwrap().is_empty());
    }
    assert_eq!(files(&node), 0);
    node.stop().await;
}
