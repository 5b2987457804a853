//! The HTTP door says how the node is.

use serde_json::Value;
use tests::node::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The status, the headers in lower case, and the body of an answer.
struct Answer {
    status: u16,
    headers: String,
    body: String,
}

async fn ask(node: &Node, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(node.http).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: caudal\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers: head.to_lowercase(), body: body.to_owned() }
}

#[tokio::test]
async fn a_node_that_works_is_live_and_ready() {
    let node = Node::start().await;
    assert_eq!(ask(&node, "GET", "/livez").await.status, 200);
    assert_eq!(ask(&node, "GET", "/readyz").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn metrics_are_openmetrics_text_and_count_the_doors() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("SELECT 1").await.unwrap();
    let metrics = ask(&node, "GET", "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.headers.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{}",
        metrics.headers
    );
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
    let statements = metrics.body.lines().find_map(|line| line.strip_prefix("caudal_door_postgres_statements_total "));
    assert!(statements.is_some_and(|count| count.parse::<u64>().unwrap() >= 1), "{}", metrics.body);
    node.stop().await;
}

#[tokio::test]
async fn metrics_tell_of_tables_epochs_store_and_disk() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY)").await.unwrap();
    client.simple_query("INSERT INTO item VALUES (1), (2), (3)").await.unwrap();
    client.simple_query("SELECT * FROM item WHERE id = 2").await.unwrap();
    let metrics = ask(&node, "GET", "/metrics").await.body;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
    };
    assert_eq!(value("caudal_table_lag_events{table=\"item\"}"), 0.0);
    assert_eq!(value("caudal_table_lag_bytes{table=\"item\"}"), 0.0);
    assert!(value("caudal_epochs_total") >= 2.0, "the definition and the rows");
    assert_eq!((value("caudal_epoch_rows_sum"), value("caudal_epoch_rows_count")), (3.0, 1.0));
    assert_eq!(value("caudal_freshness_seconds_count"), 1.0);
    assert!(value("caudal_freshness_seconds_sum") < 30.0);
    assert!(value("caudal_store_memtable_bytes") > 0.0);
    assert!(value("caudal_store_value_hits_total") + value("caudal_store_value_misses_total") >= 3.0);
    assert!(value("caudal_store_read_bytes_total") > 0.0, "the SELECT has read a row");
    assert_eq!(value("caudal_store_writes_stall"), 0.0);
    assert_eq!(value("caudal_temporary_bytes"), 0.0);
    assert!(value("caudal_disk_free_bytes") > 0.0 && value("caudal_disk_used_bytes") > 0.0);
    for name in ["store_disk_bytes", "store_compaction_pending_bytes", "store_block_cache_bytes", "store_gets_total"] {
        assert!(value(&format!("caudal_{name}")) >= 0.0);
    }
    let described = |line: &&str| line.starts_with("# HELP caudal_");
    assert!(metrics.lines().filter(described).count() >= 25, "{metrics}");
    node.stop().await;
}

#[tokio::test]
async fn what_is_not_there_says_what_is() {
    let node = Node::start().await;
    let missing = ask(&node, "GET", "/v1/orders").await;
    assert_eq!(missing.status, 404);
    assert!(missing.headers.contains("content-type: application/problem+json"), "{}", missing.headers);
    let problem: Value = serde_json::from_str(&missing.body).unwrap();
    assert_eq!(problem["status"], 404);
    assert!(problem["detail"].as_str().unwrap().contains("/livez, /readyz, /metrics, /v1/events/"), "{problem}");
    let written = ask(&node, "POST", "/livez").await;
    assert_eq!(written.status, 405);
    assert!(written.headers.contains("application/problem+json"), "{}", written.headers);
    node.stop().await;
}
