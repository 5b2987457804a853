//! A log behind a Kafka door, and the clients that come in.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::kafka::Options;
use serde_json::{Value, json};
use storage::log::Embedded;
use storage::{Event, Position, Record, TopicPartition};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing that a test waits for takes this long.
pub const PATIENCE: Duration = Duration::from_secs(120);
pub const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A log behind a door.
pub struct Node {
    pub log: Arc<Embedded>,
    pub address: SocketAddr,
    options: Options,
    shutdown: CancellationToken,
    door: JoinHandle<std::io::Result<()>>,
    dir: TempDir,
}

pub async fn node() -> Node {
    node_at("127.0.0.1:0", Options::default()).await
}

/// A node with its door kept in some way.
pub async fn node_at(address: &str, options: Options) -> Node {
    open(TempDir::new().unwrap(), address.parse().unwrap(), options).await
}

async fn open(dir: TempDir, address: SocketAddr, options: Options) -> Node {
    let log = Arc::new(Embedded::open(&dir.path().join("log"), Default::default()).unwrap());
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let door = tokio::spawn(gateway::kafka::serve(listener, log.clone(), options.clone(), shutdown.clone()));
    Node { log, address, options, shutdown, door, dir }
}

impl Node {
    pub async fn records(&self, topic: &str) -> Vec<Record> {
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

    pub async fn append(&self, topic: &str, values: impl Iterator<Item = String>) {
        self.log.ensure_topic(topic, 1).await.unwrap();
        let event = |value: String| Event { topic: topic.into(), value: Some(Bytes::from(value)), ..Event::default() };
        self.log.append(values.map(event).collect()).await.unwrap();
    }

    /// Ends the door and shows that it ends.
    pub async fn end(self) {
        self.close().await;
    }

    /// Ends the door and the log, and opens both again where they were.
    pub async fn restart(self) -> Node {
        let (address, options) = (self.address, self.options.clone());
        open(self.close().await, address, options).await
    }

    async fn close(self) -> TempDir {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.door).await.expect("the door closes").unwrap().unwrap();
        self.log.close();
        self.dir
    }
}

/// Runs a client, with `input` on its standard input, and returns what it printed.
pub async fn run(mut command: Command, input: &str) -> String {
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

/// A client that goes on until it is told to end, and what it says meanwhile.
pub struct Talking {
    child: Child,
    told: Option<ChildStdin>,
    says: mpsc::UnboundedReceiver<Value>,
}

impl Talking {
    pub fn start(mut command: Command) -> Talking {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, says) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Talking { told: child.stdin.take(), child, says }
    }

    /// What it says next; `None` once it has ended.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.says.recv()).await.expect("the client says something")
    }

    /// Tells it how to end, and returns what it said until then.
    pub async fn end(mut self, how: &str) -> Vec<Value> {
        writeln!(self.told.take().unwrap(), "{how}").unwrap();
        let mut said = Vec::new();
        while let Some(value) = self.next().await {
            said.push(value);
        }
        assert!(self.child.wait().unwrap().success());
        said
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        // It has ended, or a test has failed and nobody waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn kcat(path: &PathBuf, node: &Node, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(["-b", &node.address.to_string()]).args(arguments);
    command
}

/// The client in Python, told what to do.
pub fn confluent(python: &PathBuf, node: &Node, arguments: &[&str]) -> Command {
    confluent_with(python, &node.address.to_string(), &json!({}), arguments)
}

/// The same with settings of its own.
pub fn confluent_with(python: &PathBuf, servers: &str, settings: &Value, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/client.py");
    command.env("CLIENT_SETTINGS", settings.to_string()).arg(script).arg(servers).args(arguments);
    command
}

pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The client, or a word why the test cannot run.
macro_rules! client_or_skip {
    ($client:expr) => {
        match tokio::task::spawn_blocking(|| $client).await.unwrap() {
            Ok(client) => client,
            Err(why) => return tests::skip(why),
        }
    };
}
pub(crate) use client_or_skip;
