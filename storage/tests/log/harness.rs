//! A log in a directory that goes with the test.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::log::embedded::{Embedded, LogOptions};
use storage::{Event, LogError, Position, Record, TopicPartition};
use tempfile::TempDir;

/// Nothing that a test waits for takes this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A fresh directory and its log.
pub fn fresh() -> (TempDir, Embedded) {
    let dir = TempDir::new().unwrap();
    let log = open(&dir).unwrap();
    (dir, log)
}

pub fn open(dir: &TempDir) -> Result<Embedded, LogError> {
    Embedded::open(&dir.path().join("log"), LogOptions::default())
}

pub fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from(topic), partition }
}

pub fn position(topic: &str, number: i32, offset: u64) -> Position {
    Position { partition: partition(topic, number), offset }
}

pub fn event(topic: &str, value: &str) -> Event {
    Event { topic: topic.into(), value: Some(Bytes::from(value.to_string())), timestamp_ms: 1_000, ..Event::default() }
}

/// Every record of a partition from `offset` on.
pub async fn read_from(log: &Embedded, id: &TopicPartition, mut offset: u64) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let from = Position { partition: id.clone(), offset };
        let fetched = log.fetch(&[from], 1 << 20, Duration::ZERO).await.unwrap();
        let Some(fetched) = fetched.into_iter().next() else { return records };
        offset = fetched.next;
        records.extend(fetched.records);
    }
}

/// The values of a partition's records, as text.
pub async fn values(log: &Embedded, id: &TopicPartition) -> Vec<String> {
    let start = log.bounds(id).await.unwrap().0;
    let text = |record: Record| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
    read_from(log, id, start).await.into_iter().map(text).collect()
}
