//! Retention takes whole segments by time or size, oldest first, and never what a table still has to read.

use std::time::{SystemTime, UNIX_EPOCH};

use storage::LogError;
use storage::log::embedded::{Embedded, TopicSettings};
use tempfile::TempDir;

use crate::harness::{event, fresh, open, partition, position, values};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A topic of many small segments.
async fn filled(settings: TopicSettings) -> (TempDir, Embedded) {
    let (dir, log) = fresh();
    log.create_topic("t", 1, TopicSettings { segment_bytes: 1_024, ..settings }).await.unwrap();
    for number in 0..100 {
        log.append(vec![event("t", &format!("{number:0100}"))]).await.unwrap();
    }
    (dir, log)
}

async fn start(log: &Embedded) -> u64 {
    log.bounds(&partition("t", 0)).await.unwrap().0
}

#[tokio::test]
async fn by_size_the_oldest_go_and_the_rest_is_still_readable_after_a_restart() {
    let (dir, log) = filled(TopicSettings { retention_bytes: Some(5_000), ..TopicSettings::default() }).await;
    log.consumed(&[]);
    log.expire(now_ms()).await.unwrap();
    let first = start(&log).await;
    assert!((65..80).contains(&first), "5,000 bytes hold about 28 of 100 records, kept from {first} on");
    let kept: Vec<String> = (first..100).map(|number| format!("{number:0100}")).collect();
    assert_eq!(values(&log, &partition("t", 0)).await, kept);
    let gone = log.fetch(&[position("t", 0, first - 1)], 100, Default::default()).await;
    assert!(matches!(gone, Err(LogError::OutOfRange { end: 100, .. })));
    drop(log);
    let log = open(&dir).unwrap();
    assert_eq!(values(&log, &partition("t", 0)).await, kept);
}

#[tokio::test]
async fn what_a_table_has_not_committed_stays() {
    let (_dir, log) = filled(TopicSettings { retention_bytes: Some(0), ..TopicSettings::default() }).await;
    log.expire(now_ms()).await.unwrap();
    assert_eq!(start(&log).await, 0, "nobody has said yet what feeds a table");
    log.consumed(&[position("t", 0, 0)]);
    log.expire(now_ms()).await.unwrap();
    assert_eq!(start(&log).await, 0);
    log.consumed(&[position("t", 0, 50)]);
    log.expire(now_ms()).await.unwrap();
    let first = start(&log).await;
    assert!((40..=50).contains(&first), "up to the commit's segment, not {first}");
    log.released(&[partition("t", 0)]);
    log.expire(now_ms()).await.unwrap();
    assert!(start(&log).await > 90);
}

#[tokio::test]
async fn by_time_everything_goes_and_offsets_go_on() {
    let (dir, log) = filled(TopicSettings { retention_ms: Some(DAY_MS as u64), ..TopicSettings::default() }).await;
    log.consumed(&[]);
    log.expire(now_ms() + DAY_MS / 2).await.unwrap();
    assert_eq!(start(&log).await, 0);
    log.expire(now_ms() + 2 * DAY_MS).await.unwrap();
    assert_eq!(log.bounds(&partition("t", 0)).await.unwrap(), (100, 100));
    drop(log);
    let log = open(&dir).unwrap();
    assert_eq!(log.append(vec![event("t", "next")]).await.unwrap()[0].offset, 100);
}

#[tokio::test]
async fn settings_outlive_a_restart() {
    let settings = TopicSettings { retention_ms: None, retention_bytes: Some(7), segment_bytes: 4_096 };
    let (dir, log) = fresh();
    log.create_topic("t", 3, settings.clone()).await.unwrap();
    drop(log);
    let topic = open(&dir).unwrap().topic("t").unwrap();
    assert_eq!((topic.partitions, topic.settings), (3, settings));
}
