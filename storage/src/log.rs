//! The log: topics of events, durable before they are acknowledged.
//!
//! [`record`] makes a [`batch`] of events and reads it back, [`embedded`] keeps batches in files, [`cluster`] has them kept by a
//! Kafka cluster.

pub mod batch;
pub mod cluster;
pub mod compression;
pub mod embedded;
mod history;
pub mod partitioner;
pub mod record;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use cluster::{Cluster, ClusterOptions};
pub use embedded::{Embedded, LogOptions, TopicSettings};
pub use history::LogHistory;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

/// A place in a partition: the offset of a record, or, as a reading position, of the next record to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub partition: TopicPartition,
    pub offset: u64,
}

/// An event on its way into the log.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub topic: Arc<str>,
    /// The record key; decides the partition where a topic has several.
    pub key: Option<Bytes>,
    /// The record value; `None` deletes.
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Bytes)>,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// An event read back from the log.
#[derive(Clone, Debug)]
pub struct Record {
    pub offset: u64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Option<Bytes>)>,
    pub timestamp_ms: i64,
}

/// Records of one partition, offsets ascending, and where to read on.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub partition: TopicPartition,
    pub records: Vec<Record>,
    /// The offset to fetch from next. Beyond the last record by more than one where offsets were skipped.
    pub next: u64,
    /// The offset after the last durable record.
    pub end: u64,
}

/// Why the log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("topic {0} does not exist")]
    UnknownTopic(String),
    #[error("topic {} has no partition {}", .0.topic, .0.partition)]
    UnknownPartition(TopicPartition),
    #[error("topic name {0:?} is not valid: use 1 to 249 letters, digits, '.', '_' or '-'")]
    InvalidTopic(String),
    #[error("topic {0} exists already")]
    TopicExists(String),
    #[error("topic not created: {0}")]
    InvalidPartitions(String),
    #[error("topic setting refused: {0}")]
    InvalidSetting(String),
    #[error("topic {0} feeds a table: drop the table first")]
    FeedsTable(String),
    #[error("topic {} partition {} feeds a table that has not read so far", .0.topic, .0.partition)]
    Unread(TopicPartition),
    #[error("{position:?} is outside the log, which holds {start}..{end}")]
    OutOfRange { position: Position, start: u64, end: u64 },
    #[error("record batch refused: {0}")]
    InvalidBatch(String),
    #[error("record batch refused: it does not match its checksum, so it was damaged on its way: send it again")]
    Checksum,
    #[error("a record batch of {bytes} bytes is larger than the {limit} allowed")]
    TooLarge { bytes: usize, limit: usize },
    #[error("topic {topic}: an event of {bytes} bytes is larger than its max.message.bytes allows")]
    EventTooLarge { topic: String, bytes: usize },
    #[error("producer {producer} sequence {got} does not follow {expected}")]
    OutOfSequence { producer: i64, got: i32, expected: i32 },
    #[error("producer {producer} epoch {got} is fenced by {current}")]
    Fenced { producer: i64, got: i16, current: i16 },
    #[error("the log cannot write: {0}; nothing more is acknowledged until it is opened again")]
    Stopped(String),
    #[error("the Kafka cluster at {brokers} does not answer: {reason}")]
    Unreachable { brokers: String, reason: String },
    #[error("the Kafka cluster at {brokers} refuses: {reason}")]
    ClusterRefused { brokers: String, reason: String },
    #[error("log at {path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("log at {path}: {reason}")]
    Refused { path: String, reason: String },
}

impl LogError {
    fn io(path: &Path, source: std::io::Error) -> LogError {
        LogError::Io { path: path.display().to_string(), source }
    }

    fn refused(path: &Path, reason: impl Into<String>) -> LogError {
        LogError::Refused { path: path.display().to_string(), reason: reason.into() }
    }
}

/// Where the log lives: in this node's data directory, or in a Kafka cluster.
#[derive(Clone, Debug)]
pub enum LogHome {
    Embedded(Arc<Embedded>),
    Cluster(Arc<Cluster>),
}

/// In a data directory: the log's own, or the name of the cluster that has it.
const LOG_DIR: &str = "log";
const CLUSTER_FILE: &str = "cluster";

impl LogHome {
    /// Opens the log that belongs to a data directory: the embedded one, or that of a cluster. A directory whose tables were made
    /// from one log is not opened with another.
    pub async fn open(data_dir: &Path, cluster: Option<ClusterOptions>) -> Result<LogHome, LogError> {
        let (log_dir, cluster_file) = (data_dir.join(LOG_DIR), data_dir.join(CLUSTER_FILE));
        let named = match std::fs::read_to_string(&cluster_file) {
            Ok(name) => Some(name.trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(LogError::io(&cluster_file, source)),
        };
        let Some(options) = cluster else {
            if let Some(named) = named {
                let words = format!("its tables are made from Kafka cluster {named}: say with --brokers where that is");
                return Err(LogError::refused(data_dir, words));
            }
            let open = move || Embedded::open(&log_dir, LogOptions::default());
            return Ok(LogHome::Embedded(Arc::new(embedded::blocking(open).await??)));
        };
        if log_dir.exists() {
            let words = "its tables are made from the log in it: leave out --brokers, or choose another data directory";
            return Err(LogError::refused(data_dir, words));
        }
        let cluster = Cluster::open(options).await?;
        let id = cluster.id().await?;
        match named {
            Some(named) if named != id => {
                let words = format!("its tables are made from Kafka cluster {named}, and this is cluster {id}");
                return Err(LogError::refused(data_dir, words));
            }
            Some(_) => {}
            None => {
                let written = embedded::write_durably(data_dir, CLUSTER_FILE, id.as_bytes());
                written.map_err(|source| LogError::io(&cluster_file, source))?;
            }
        }
        Ok(LogHome::Cluster(Arc::new(cluster)))
    }

    /// Makes sure a topic is there with at least one partition; an existing one is left as it is.
    pub async fn ensure_topic(&self, topic: &str, partitions: i32) -> Result<(), LogError> {
        match self {
            LogHome::Embedded(log) => log.ensure_topic(topic, partitions).await,
            LogHome::Cluster(log) => log.ensure_topic(topic, partitions).await,
        }
    }

    /// Appends events and returns the position of each, in order, once they are durable.
    pub async fn append(&self, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        match self {
            LogHome::Embedded(log) => log.append(events).await,
            LogHome::Cluster(log) => log.append(events).await,
        }
    }

    /// Reads on from positions: what is durable there, at most about `max_bytes`, waiting up to `wait` for the first record.
    pub async fn fetch(&self, from: &[Position], max_bytes: usize, wait: Duration) -> Result<Vec<Fetched>, LogError> {
        match self {
            LogHome::Embedded(log) => log.fetch(from, max_bytes, wait).await,
            LogHome::Cluster(log) => log.fetch(from, max_bytes, wait).await,
        }
    }

    /// Reads on as [`LogHome::fetch`] does, but what is on its way to the disk too: nobody may be told of it before
    /// [`LogHome::durable`].
    pub async fn fetch_ahead(
        &self,
        from: &[Position],
        max_bytes: usize,
        wait: Duration,
    ) -> Result<Vec<Fetched>, LogError> {
        match self {
            LogHome::Embedded(log) => log.fetch_ahead(from, max_bytes, wait).await,
            LogHome::Cluster(log) => log.fetch(from, max_bytes, wait).await,
        }
    }

    /// Waits until everything before these positions is durable; an error if it will not be.
    pub async fn durable(&self, positions: &[Position]) -> Result<(), LogError> {
        match self {
            LogHome::Embedded(log) => log.durable(positions).await,
            // A cluster hands out only what all its replicas in sync have.
            LogHome::Cluster(_) => Ok(()),
        }
    }

    /// The first and the next offset of a partition.
    pub async fn bounds(&self, partition: &TopicPartition) -> Result<(u64, u64), LogError> {
        match self {
            LogHome::Embedded(log) => log.bounds(partition).await,
            LogHome::Cluster(log) => log.bounds(partition).await,
        }
    }

    /// Tells the log that records before these positions are part of a durable commit: retention may take them. The first call
    /// names every partition that feeds a table, if only with where it begins; before it retention takes nothing. A cluster's
    /// retention asks nobody.
    pub fn consumed(&self, positions: &[Position]) {
        if let LogHome::Embedded(log) = self {
            log.consumed(positions);
        }
    }

    /// Tells the log that its tables take nothing more: what waits for them to catch up is appended.
    pub fn abandoned(&self) {
        if let LogHome::Embedded(log) = self {
            log.abandoned();
        }
    }

    /// Tells the log that these partitions feed no table any more: retention need not wait for anybody.
    pub fn released(&self, partitions: &[TopicPartition]) {
        if let LogHome::Embedded(log) = self {
            log.released(partitions);
        }
    }

    /// Why nothing is acknowledged: the disk failed, or a cluster does not answer for now.
    pub fn lost(&self) -> Option<String> {
        match self {
            LogHome::Embedded(log) => log.stopped(),
            LogHome::Cluster(log) => log.lost(),
        }
    }

    /// Finishes what is queued and lets go of the directory or the cluster.
    pub fn close(&self) {
        match self {
            LogHome::Embedded(log) => log.close(),
            LogHome::Cluster(log) => log.close(),
        }
    }
}
