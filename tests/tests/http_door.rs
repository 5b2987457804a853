//! The HTTP door says how the node is, within TLS where it has a certificate.

use std::net::SocketAddr;
use std::process::Command;

use gateway::credentials::Credentials;
use gateway::http::Options;
use serde_json::Value;
use tests::node::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
    client.simple_query("INSERT INTO item VALUES (1), (2), (3)").await.unwrap();
    client.simple_query("SELECT * FROM item WHERE id = 2").await.unwrap();
    let metrics = ask(&node, "GET", "/metrics").await.body;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
    };
    assert_eq!(value("caudal_table_lag_events{table=\"item\"}"), 0.0);
    assert_eq!(value("caudal_table_lag_bytes{table=\"item\"}"), 0.0);
    assert!(value("caudal_epochs_total") >= 3.0, "the definition and twice the rows");
    assert_eq!((value("caudal_epoch_rows_sum"), value("caudal_epoch_rows_count")), (6.0, 2.0));
    assert_eq!(value("caudal_freshness_seconds_count"), 2.0);
    assert!(value("caudal_freshness_seconds_sum") < 30.0);
    assert!(value("caudal_store_memtable_bytes") > 0.0);
    assert!(
        value("caudal_store_value_hits_total") + value("caudal_store_value_misses_total") >= 3.0,
        "those there are"
    );
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

/// Opens another HTTP door with a certificate; what curl, which trusts it, gets from it.
async fn encrypted(node: &mut Node, address: &str) -> (SocketAddr, impl AsyncFn(&str) -> String + use<>) {
    let files = tests::certificate();
    let tls = gateway::tls::acceptor(&files.path().join("node.pem"), &files.path().join("node.key")).unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let credentials = Credentials { user: "ana".to_owned(), password: "s3cret".to_owned() };
    let options = Options { credentials, tls: Some(tls), ..Options::default() };
    let door = gateway::http::serve(listener, node.database.clone(), options, node.shutdown.clone());
    node.doors.push(tokio::spawn(door));
    let ask = async move |scheme: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-m", "20", "-u", "ana:s3cret", "-w", " %{http_code}", "--cacert"]);
        curl.arg(files.path().join("authority.pem")).arg(format!("{scheme}://127.0.0.1:{port}/readyz"));
        let output = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    (SocketAddr::from(([127, 0, 0, 1], port)), ask)
}

#[tokio::test(flavor = "multi_thread")]
async fn within_tls_as_without_and_from_other_machines_only_so() {
    let mut node = Node::start().await;
    let (_, ask) = encrypted(&mut node, "127.0.0.1:0").await;
    assert_eq!([ask("https").await, ask("http").await], ["ready\n 200", "ready\n 200"]);
    let (address, ask) = encrypted(&mut node, "0.0.0.0:0").await;
    // Who is silent, and who breaks off, keeps nobody waiting.
    let silent = TcpStream::connect(address).await.unwrap();
    drop(TcpStream::connect(address).await.unwrap());
    assert_eq!(ask("https").await, "ready\n 200");
    let refused = ask("http").await;
    assert!(refused.contains("begin with https") && refused.ends_with(" 426"), "{refused}");
    // A greeting that is none, and one that stops in the middle.
    for greeting in [&b"\x16\x03\x01\xff\xff nonsense"[..], b"\x16\x03"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(greeting).await.unwrap();
        assert_eq!(ask("https").await, "ready\n 200");
    }
    drop(silent);
    node.stop().await;
}
