//! How to reach a cluster, and what the client is told.

use std::fmt;
use std::path::PathBuf;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::limits::{
    BATCH_BYTES_MAX, CLUSTER_APPEND_MAX, CLUSTER_BATCH_BYTES, CLUSTER_PREFETCH_BYTES, CLUSTER_RECONNECT_MAX,
    WRITER_QUEUE_BYTES_MAX,
};

/// A Kafka cluster and how to come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// Some of its brokers: `host:port,host:port`.
    pub brokers: String,
    /// Who we are, where the cluster asks.
    pub sasl: Option<Sasl>,
    /// Whether connections are encrypted, and who vouches for the cluster.
    pub tls: Option<Authorities>,
}

/// User and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub user: String,
    pub password: String,
}

/// How a password is shown to the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    #[default]
    ScramSha256,
    ScramSha512,
}

/// Who vouches for the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those that this machine trusts.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

impl Mechanism {
    pub const ALL: [Mechanism; 3] = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl").field("mechanism", &self.mechanism).field("user", &self.user).finish_non_exhaustive()
    }
}

impl ClusterOptions {
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        config.set("client.id", "caudal").set("bootstrap.servers", &self.brokers);
        config.set("reconnect.backoff.max.ms", CLUSTER_RECONNECT_MAX.as_millis().to_string());
        // What is not there is made by whoever asks for a table, with the partitions asked for.
        config.set("allow.auto.create.topics", "false");
        let protocol = match (&self.sasl, &self.tls) {
            (None, None) => "plaintext",
            (None, Some(_)) => "ssl",
            (Some(_), None) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(Sasl { mechanism, user, password }) = &self.sasl {
            config.set("sasl.mechanism", mechanism.name()).set("sasl.username", user).set("sasl.password", password);
        }
        if let Some(Authorities::File(path)) = &self.tls {
            config.set("ssl.ca.location", path.display().to_string());
        }
        config
    }

    /// Every record is acknowledged by all replicas that are in sync, in order, and never twice.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("acks", "all");
        config.set("message.timeout.ms", CLUSTER_APPEND_MAX.as_millis().to_string());
        // One append is one batch where it fits; without a moment to gather, its first event would go alone.
        config.set("linger.ms", "1").set("compression.type", "lz4");
        config.set("batch.size", CLUSTER_BATCH_BYTES.to_string());
        config.set("message.max.bytes", BATCH_BYTES_MAX.to_string());
        // The queue is bounded by those who append: it never refuses.
        config.set("queue.buffering.max.messages", "0");
        config.set("queue.buffering.max.kbytes", ((2 * WRITER_QUEUE_BYTES_MAX) >> 10).to_string());
        config
    }

    /// Reads what is committed, from positions that we say; without a word from a group, of which it needs a name all the same.
    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("group.id", "caudal").set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error").set("isolation.level", "read_committed");
        config.set("queued.max.messages.kbytes", (CLUSTER_PREFETCH_BYTES >> 10).to_string());
        config.set("fetch.wait.max.ms", "100").set("statistics.interval.ms", "1000");
        config
    }

    pub(super) fn administrator(&self) -> ClientConfig {
        self.client()
    }
}
