//! Events over HTTP: in the log before the answer, once however often they are sent, and refused in words.

use serde_json::{Value, json};
use tests::node::{Node, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: &str = "application/json";

async fn node() -> Node {
    let node = Node::start().await;
    let definitions = "CREATE TABLE readings (circuit text, at int, w int, PRIMARY KEY (circuit, at));
        CREATE TABLE notes (words text);
        CREATE ROLE meter LOGIN PASSWORD 'm';
        GRANT INSERT ON readings TO meter;
        CREATE MATERIALIZED VIEW total AS SELECT circuit, count(*) AS n, sum(w) AS w FROM readings GROUP BY circuit";
    node.connect().await.batch_execute(definitions).await.unwrap();
    node
}

/// The status and the body of an answer. `headers`: lines with their ends.
async fn post(node: &Node, table: &str, headers: &str, body: impl AsRef<[u8]>) -> (u16, Value) {
    let body = body.as_ref();
    let head = format!("POST /v1/events/{table} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}");
    let request = format!("{head}content-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(node.http).await.unwrap();
    // Who is refused at the head may see the connection break while the body is sent.
    let _ = stream.write_all(&[request.as_bytes(), body].concat()).await;
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let problem = head.to_lowercase().contains("content-type: application/problem+json");
    assert_eq!(problem, status >= 400, "{text}");
    (status, serde_json::from_str(body).unwrap())
}

async fn send(node: &Node, table: &str, content_type: &str, body: impl AsRef<[u8]>) -> (u16, Value) {
    post(node, table, &format!("content-type: {content_type}\r\n"), body).await
}

async fn until(node: &Node, query: &str, expected: &str) {
    let client = node.connect().await;
    eventually(query, async || {
        let row = client.query_one(query, &[]).await.unwrap();
        (row.get::<_, String>(0) == expected).then_some(())
    })
    .await;
}

const TOTAL: &str =
    "SELECT coalesce(string_agg(circuit || ' ' || n || ' ' || w, ', ' ORDER BY circuit), '') FROM total";
const NOTES: &str = "SELECT coalesce(string_agg(words, ', ' ORDER BY words), '') FROM notes";

#[tokio::test(flavor = "multi_thread")]
async fn an_object_an_array_and_lines_are_events() {
    let node = node().await;
    let one = r#"{"circuit": "oven", "at": 1, "w": 5}"#;
    assert_eq!(send(&node, "readings", JSON, one).await, (200, json!({"events": 1})));
    let more = r#"[{"circuit": "oven", "at": 2, "w": 5}, {"circuit": "fridge", "at": 1, "w": 1}]"#;
    assert_eq!(send(&node, "readings", "application/json; charset=utf-8", more).await, (200, json!({"events": 2})));
    let lines = "{\"circuit\": \"fridge\", \"at\": 2, \"w\": 1}\nno\n{\"circuit\": \"fridge\", \"at\": 3, \"w\": 1}\n";
    assert_eq!(send(&node, "readings", "application/x-ndjson", lines).await, (200, json!({"events": 3})));
    until(&node, TOTAL, "fridge 3 3, oven 2 10").await;
    until(&node, "SELECT coalesce(max(payload), '') FROM caudal.quarantine", "no").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_in_cbor() {
    let node = node().await;
    // {"circuit": "oven", "at": 1, "w": 5}, an array of it and of one whose w is a text, and one key before the other.
    let one = b"\xa3\x67circuit\x64oven\x62at\x01\x61w\x05";
    let two = [&b"\x82"[..], &one.map(|byte| if byte == 1 { 2 } else { byte }), b"\xa1\x61w\x61x"].concat();
    let with = |key: &str| format!("content-type: application/cbor\r\nidempotency-key: {key}\r\n");
    for _ in 0..2 {
        assert_eq!(post(&node, "readings", &with("one"), one).await, (200, json!({"events": 1})));
    }
    assert_eq!(send(&node, "readings", "application/cbor; x=y", two).await, (200, json!({"events": 2})));
    until(&node, TOTAL, "oven 2 10").await;
    until(&node, "SELECT coalesce(max(payload), '') FROM caudal.quarantine", r#"{"w":"x"}"#).await;
    for (body, words) in
        [(&b"\xa1"[..], "not well formed at byte 1"), (b"{}", "not well formed"), (b"\x81\xf0", "no word")]
    {
        let (status, problem) = send(&node, "readings", "application/cbor", body).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    assert_eq!(send(&node, "readings", JSON, one).await.0, 400, "what is said counts");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_is_answered_as_the_first_time() {
    let node = node().await;
    let with = |key: &str| format!("content-type: {JSON}\r\nidempotency-key: {key}\r\n");
    let body = r#"[{"words": "a"}, {"words": "b"}]"#;
    for _ in 0..3 {
        assert_eq!(post(&node, "notes", &with("one"), body).await, (200, json!({"events": 2})));
    }
    assert_eq!(post(&node, "notes", &with("one"), r#"{"words": "c"}"#).await.0, 422, "another body");
    assert_eq!(post(&node, "notes", &with("two"), body).await.0, 200, "another request");
    assert_eq!(post(&node, "readings", &with("one"), "{}").await.0, 200, "a key is a table's");
    until(&node, NOTES, "a, a, b, b").await;
    // Beyond the node's memory the events are the same by their names.
    let node = node.restart().await;
    assert_eq!(post(&node, "notes", &with("one"), body).await.0, 200);
    assert_eq!(post(&node, "notes", &with("three"), r#"{"words": "z"}"#).await.0, 200);
    until(&node, NOTES, "a, a, b, b, z").await;
    for key in ["", &"k".repeat(129)] {
        assert_eq!(post(&node, "notes", &with(key), body).await.0, 400, "{key}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_at_the_same_time_is_one() {
    let node = node().await;
    let headers = format!("content-type: {JSON}\r\nidempotency-key: k\r\n");
    let asked = (0..20).map(|_| post(&node, "notes", &headers, r#"{"words": "once"}"#));
    for (status, body) in futures::future::join_all(asked).await {
        assert!(status == 200 || status == 409, "{status} {body}");
    }
    assert_eq!(post(&node, "notes", &headers, r#"{"words": "once"}"#).await.0, 200);
    until(&node, NOTES, "once").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_in_words_and_leaves_nothing() {
    let node = node().await;
    let large = format!("[{}{{}}]", "{},".repeat(10_000));
    let huge = " ".repeat((4 << 20) + 1);
    for (table, content_type, body, status, words) in [
        ("readings", "text/plain", "{}", 415, "application/json"),
        ("readings", JSON, "no", 400, "not JSON"),
        ("readings", JSON, "", 400, "not JSON"),
        ("readings", JSON, large.as_str(), 400, "at most 10000"),
        ("readings", JSON, huge.as_str(), 413, "in several"),
        ("nothing", JSON, "{}", 404, "nothing"),
        ("total", JSON, "{}", 404, "materialized view"),
        ("caudal.errors", JSON, "{}", 404, "not a table"),
    ] {
        let (got, problem) = send(&node, table, content_type, body).await;
        assert_eq!(got, status, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    until(&node, TOTAL, "").await;
    until(&node, "SELECT count(*)::text FROM caudal.quarantine", "0").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_who_they_are_does_what_they_may() {
    let node = node().await;
    let as_meter = |password: &str| {
        use std::fmt::Write;
        let mut encoded = String::new();
        // meter:m and meter:x.
        write!(encoded, "{}", if password == "m" { "bWV0ZXI6bQ==" } else { "bWV0ZXI6eA==" }).unwrap();
        format!("content-type: {JSON}\r\nauthorization: Basic {encoded}\r\n")
    };
    let body = r#"{"circuit": "oven", "at": 1, "w": 5}"#;
    assert_eq!(post(&node, "readings", &as_meter("m"), body).await.0, 200);
    assert_eq!(post(&node, "notes", &as_meter("m"), body).await.0, 403);
    assert_eq!(post(&node, "readings", &as_meter("x"), body).await.0, 401);
    until(&node, TOTAL, "oven 1 5").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_log_cannot_keep_it_that_is_the_answer() {
    let node = node().await;
    node.database.log().close();
    let headers = format!("content-type: {JSON}\r\nidempotency-key: k\r\n");
    for _ in 0..2 {
        let (status, problem) = post(&node, "notes", &headers, r#"{"words": "a"}"#).await;
        assert_eq!(status, 503, "{problem}");
    }
    node.stop().await;
}
