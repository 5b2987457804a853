//! A log in a directory that goes with the test.

use std::path::{Path, PathBuf};
use std::process::Command;
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

/// The file of a segment.
pub fn segment_path(dir: &Path, topic: &str, partition: i32, base: u64) -> PathBuf {
    dir.join("topics").join(topic).join(partition.to_string()).join(format!("{base:020}.log"))
}

/// Copies a directory as a crash would leave it: what is in its files at this moment, without closing anything.
pub fn image_of(dir: &Path) -> TempDir {
    let image = TempDir::new().unwrap();
    copy_tree(dir, image.path());
    image
}

pub fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The environment variable that tells a copy of this program that it is the child, and its directory.
const CHILD: &str = "CAUDAL_LOG_TEST_CHILD";

/// The directory to work in, in the child of the test that asks.
pub fn child_dir() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// This program again, as the child of the test `name`, in a directory.
pub fn child_of(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, dir);
    command
}

/// A runtime for tests that are their own child.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
