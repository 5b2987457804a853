//! Kafka's clients produce to the node and consume from it as from any Kafka.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use storage::log::Embedded;
use storage::{Event, Position, Record, TopicPartition};
use tempfile::TempDir;
use tests::clients;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(120);
const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A log behind a door.
struct Node {
    log: Arc<Embedded>,
    address: SocketAddr,
    shutdown: CancellationToken,
    door: JoinHandle<std::io::Result<()>>,
    _dir: TempDir,
}

async fn node() -> Node {
    let dir = TempDir::new().unwrap();
    let log = Arc::new(Embedded::open(&dir.path().join("log"), Default::default()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let door = tokio::spawn(gateway::kafka::serve(listener, log.clone(), shutdown.clone()));
    Node { log, address, shutdown, door, _dir: dir }
}

impl Node {
    async fn records(&self, topic: &str) -> Vec<Record> {
        let partition = TopicPartition { topic: topic.into(), partition: 0 };
        let mut position = Position { partition, offset: 0 };
        let mut records = Vec::new();
        loop {
            let fetched = self.log.fetch(std::slice::from_ref(&position), 1 << 20, Duration::ZERO).await.unwrap();
            let Some(fetched) = fetched.into_iter().next() else { return records };
            position.offset = fetched.next;
            records.extend(fetched.records);
        }
    }

    async fn append(&self, topic: &str, values: impl Iterator<Item = String>) {
        self.log.ensure_topic(topic, 1).await.unwrap();
        let event = |value: String| Event { topic: topic.into(), value: Some(Bytes::from(value)), ..Event::default() };
        self.log.append(values.map(event).collect()).await.unwrap();
    }

    /// Ends the door and shows that it ends.
    async fn end(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.door).await.expect("the door closes").unwrap().unwrap();
    }
}

/// Runs a client, with `input` on its standard input, and returns what it printed.
async fn run(mut command: Command, input: &str) -> String {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let pid = child.id() as libc::pid_t;
    let input = input.to_string();
    let running = tokio::task::spawn_blocking(move || {
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let Ok(output) = tokio::time::timeout(PATIENCE, running).await else {
        // SAFETY: the child was not waited for, so its id is still its own.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        panic!("{command:?} does not end");
    };
    let Output { status, stdout, stderr } = output.unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn kcat(path: &PathBuf, node: &Node, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(["-b", &node.address.to_string()]).args(arguments);
    command
}

/// The client in Python, told what to do.
fn confluent(python: &PathBuf, node: &Node, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/client.py");
    command.arg(script).arg(node.address.to_string()).args(arguments);
    command
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The client, or a word why the test cannot run.
macro_rules! client_or_skip {
    ($client:expr) => {
        match $client {
            Ok(client) => client,
            Err(why) => return println!("skipped: {why}"),
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_produces_in_every_compression_and_the_log_has_it() {
    let path = client_or_skip!(clients::kcat());
    let node = node().await;
    let lines: Vec<String> = (0..500).map(|number| format!("{{\"circuit\": {number}, \"power_w\": 230}}")).collect();
    for compression in COMPRESSIONS {
        let arguments = ["-P", "-t", compression, "-z", compression, "-H", "source=meter"];
        run(kcat(&path, &node, &arguments), &lines.join("\n")).await;
        let records = node.records(compression).await;
        let values: Vec<_> = records.iter().map(|record| record.value.clone().unwrap()).collect();
        assert_eq!(values, lines, "{compression}");
        assert_eq!(records[0].headers, [("source".to_string(), Some(Bytes::from("meter")))]);
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_consumes_what_the_node_appended_and_follows_it() {
    let path = client_or_skip!(clients::kcat());
    let node = node().await;
    let lines: Vec<String> = (0..3_000).map(|number| format!("line {number}")).collect();
    node.append("t", lines[..2_000].iter().cloned()).await;
    let consumed = run(kcat(&path, &node, &["-C", "-t", "t", "-e", "-q"]), "").await;
    assert_eq!(consumed.lines().collect::<Vec<_>>(), lines[..2_000]);
    let command = kcat(&path, &node, &["-C", "-t", "t", "-o", "2000", "-c", "1000", "-q"]);
    let following = run(command, "");
    let appending = node.append("t", lines[2_000..].iter().cloned());
    let (followed, ()) = tokio::join!(following, appending);
    assert_eq!(followed.lines().collect::<Vec<_>>(), lines[2_000..]);
    let listed = run(kcat(&path, &node, &["-L", "-t", "t"]), "").await;
    assert!(listed.contains("topic \"t\" with 1 partitions"), "{listed}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_produces_idempotently_in_every_compression_and_consumes_it_again() {
    let python = client_or_skip!(clients::python());
    let node = node().await;
    for (compression, idempotence) in COMPRESSIONS.into_iter().zip(["true", "true", "false", "true", "true"]) {
        let produced =
            run(confluent(&python, &node, &["produce", compression, "300", compression, idempotence]), "").await;
        let produced = &json_lines(&produced)[0];
        assert_eq!((&produced["delivered"], &produced["offsets"]), (&json!(300), &json!([0, 299])), "{produced}");
        let consumed = run(confluent(&python, &node, &["consume", compression, "300"]), "").await;
        let consumed = json_lines(&consumed);
        assert_eq!(consumed.len(), 300);
        for (number, record) in consumed.iter().enumerate() {
            let (key, value) = (format!("key-{}", number % 7), format!("value-{number}"));
            let headers = json!([["id", number.to_string()], ["empty", null]]);
            assert_eq!(*record, json!([number, 1_700_000_000_000i64 + number as i64, key, value, headers]));
        }
        let records = node.records(compression).await;
        assert_eq!(records[299].value.as_deref(), Some(&b"value-299"[..]));
        assert_eq!(records[299].timestamp_ms, 1_700_000_000_299);
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_makes_topics_and_finds_offsets_by_time() {
    let python = client_or_skip!(clients::python());
    let node = node().await;
    let answers = json_lines(&run(confluent(&python, &node, &["admin", "made", "3"]), "").await);
    assert!(answers[0]["refused"].as_str().unwrap().contains("it must be delete"), "{}", answers[0]);
    assert_eq!((&answers[1]["retention.bytes"], &answers[1]["cleanup.policy"]), (&json!("123456"), &json!("delete")));
    assert_eq!(answers[2], json!({"partitions": 3}));
    assert_eq!(node.log.topic("made").unwrap().partitions, 3);

    run(confluent(&python, &node, &["produce", "t", "300", "none", "true"]), "").await;
    let times = run(confluent(&python, &node, &["times", "t", "1700000000100"]), "").await;
    assert_eq!(json_lines(&times)[0], json!({"offset": 100, "bounds": [0, 300]}));
    let refused = run(confluent(&python, &node, &["transaction"]), "").await;
    assert!(json_lines(&refused)[0]["refused"].is_string(), "transactions are refused");
    node.end().await;
}

/// A request as bytes: API, version, correlation id, client "t", body.
fn request(api: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(correlation.to_be_bytes());
    frame.extend([0, 1, b't']);
    frame.extend(body);
    [&(frame.len() as i32).to_be_bytes()[..], &frame].concat()
}

async fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let read = async {
        let length = stream.read_i32().await.unwrap();
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_closes_its_connection_and_no_other() {
    let node = node().await;
    let mut other = TcpStream::connect(node.address).await.unwrap();
    let billions = request(3, 1, 1, &i32::MAX.to_be_bytes());
    let frames: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &(-1i32).to_be_bytes(),
        &[0, 0, 0, 8, 0x7f, 0xff, 0, 0, 0, 0, 0, 0],
        &request(3, 99, 1, &[]),
        &request(3, 1, 1, &[0, 0, 0, 1]),
        &billions,
    ];
    for frame in frames {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        stream.write_all(frame).await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 100])).await.expect("it is closed");
        assert!(matches!(closed, Ok(0) | Err(_)), "nothing is answered to {frame:?}");
    }
    other.write_all(&request(18, 0, 7, &[])).await.unwrap();
    assert_eq!(answer(&mut other).await[..6], [0, 0, 0, 7, 0, 0]);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_the_future_is_told_what_is_served() {
    let node = node().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(&request(18, 77, 5, &[1, 2, 3])).await.unwrap();
    let told = answer(&mut stream).await;
    assert_eq!(told[..6], [0, 0, 0, 5, 0, 35], "correlation id and UNSUPPORTED_VERSION");
    assert!(told.windows(6).any(|api| api == [0, 0, 0, 3, 0, 9]), "Produce 3 to 9 is listed");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_answered_in_order() {
    let node = node().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let requests: Vec<u8> = (0..50).flat_map(|number| request(18, 0, number, &[])).collect();
    stream.write_all(&requests).await.unwrap();
    for number in 0..50i32 {
        assert_eq!(answer(&mut stream).await[..4], number.to_be_bytes());
    }
    node.end().await;
}
