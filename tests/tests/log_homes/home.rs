//! A log in one of its homes, and what a person could do to that.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gateway::kafka::Options;
use serde_json::json;
use storage::log::{ClusterOptions, Embedded};
use storage::{LogHome, TopicPartition};
use tempfile::TempDir;
use tests::broker::Broker;
use tests::clients;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A log and where it lives.
pub struct Home {
    pub log: LogHome,
    kind: Kind,
    dir: TempDir,
}

enum Kind {
    Embedded,
    Node(Door),
    Kafka { broker: Broker, class_path: String },
}

/// Another node's log behind its Kafka door.
struct Door {
    log: Arc<Embedded>,
    address: SocketAddr,
    options: Options,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    dir: TempDir,
}

impl Home {
    pub async fn embedded() -> Home {
        let dir = TempDir::new().unwrap();
        Home { log: LogHome::open(dir.path(), None).await.unwrap(), kind: Kind::Embedded, dir }
    }

    /// Another node, whose door is kept in some way; `come_in` says how to pass it.
    pub async fn node(door: Options, at: &str, come_in: impl FnOnce(ClusterOptions) -> ClusterOptions) -> Home {
        let door = Door::open(TempDir::new().unwrap(), at.parse().unwrap(), door).await;
        let options = come_in(cluster(door.address));
        Home::in_cluster(Kind::Node(door), options).await
    }

    pub async fn kafka(broker: Broker, class_path: String) -> Home {
        let options = cluster(broker.address);
        Home::in_cluster(Kind::Kafka { broker, class_path }, options).await
    }

    async fn in_cluster(kind: Kind, options: ClusterOptions) -> Home {
        let dir = TempDir::new().unwrap();
        Home { log: LogHome::open(dir.path(), Some(options)).await.unwrap(), kind, dir }
    }

    pub fn is_embedded(&self) -> bool {
        matches!(self.kind, Kind::Embedded)
    }

    pub fn is_kafka(&self) -> bool {
        matches!(self.kind, Kind::Kafka { .. })
    }

    /// How to reach the cluster without a password.
    pub fn cluster(&self) -> ClusterOptions {
        cluster(self.address())
    }

    pub fn address(&self) -> SocketAddr {
        match &self.kind {
            Kind::Embedded => panic!("nobody reaches an embedded log"),
            Kind::Node(door) => SocketAddr::from(([127, 0, 0, 1], door.address.port())),
            Kind::Kafka { broker, .. } => broker.address,
        }
    }

    /// Takes the log away for a moment, without a word, and brings it back where it was.
    pub async fn interrupt(&mut self) {
        match &mut self.kind {
            Kind::Embedded => {
                self.log.close();
                self.log = LogHome::open(self.dir.path(), None).await.unwrap();
            }
            Kind::Node(door) => door.restart().await,
            Kind::Kafka { broker, .. } => tokio::task::block_in_place(|| {
                broker.kill();
                broker.start_again();
            }),
        }
    }

    /// Deletes the records of a partition before an offset.
    pub async fn trim(&self, partition: &TopicPartition, before: u64) {
        match (&self.kind, &self.log) {
            (Kind::Embedded, LogHome::Embedded(log)) => drop(log.delete_records(partition, before).await.unwrap()),
            (Kind::Node(door), _) => drop(door.log.delete_records(partition, before).await.unwrap()),
            (Kind::Kafka { class_path, .. }, _) => {
                let path = self.dir.path().join("records.json");
                let named = json!({"topic": *partition.topic, "partition": partition.partition, "offset": before});
                std::fs::write(&path, json!({"version": 1, "partitions": [named]}).to_string()).unwrap();
                self.tool(class_path, "DeleteRecordsCommand", &path).await;
            }
            (Kind::Embedded, LogHome::Cluster(_)) => unreachable!("an embedded log is in no cluster"),
        }
    }

    async fn tool(&self, class_path: &str, tool: &str, path: &Path) {
        let mut command = clients::java(class_path, &format!("org.apache.kafka.tools.{tool}"));
        command.args(["--bootstrap-server", &self.address().to_string(), "--offset-json-file"]).arg(path);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Door {
    async fn open(dir: TempDir, at: SocketAddr, options: Options) -> Door {
        let log = Arc::new(Embedded::open(&dir.path().join("log"), Default::default()).unwrap());
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(gateway::kafka::serve(listener, log.clone(), options.clone(), shutdown.clone()));
        Door { log, address, options, shutdown, serving, dir }
    }

    async fn restart(&mut self) {
        self.shutdown.cancel();
        (&mut self.serving).await.unwrap().unwrap();
        self.log.close();
        // Long enough that whoever appends notices.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let dir = std::mem::replace(&mut self.dir, TempDir::new().unwrap());
        *self = Door::open(dir, self.address, self.options.clone()).await;
    }
}

fn cluster(address: SocketAddr) -> ClusterOptions {
    ClusterOptions { brokers: format!("127.0.0.1:{}", address.port()), ..ClusterOptions::default() }
}
