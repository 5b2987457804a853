//! Events that are appended are read back as they were, in order, by everybody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::log::compression::Compression;
use storage::log::embedded::{Embedded, LogOptions, TopicSettings};
use storage::{Event, LogError};
use tempfile::TempDir;

use crate::harness::{PATIENCE, event, fresh, open, partition, position, read_from, values};

#[tokio::test]
async fn events_come_back_as_they_were() {
    for compression in [Compression::None, Compression::Lz4] {
        let dir = TempDir::new().unwrap();
        let log = Embedded::open(dir.path(), LogOptions { compression, ..LogOptions::default() }).unwrap();
        log.ensure_topic("t", 1).await.unwrap();
        let sent = [
            Event {
                topic: "t".into(),
                key: Some(Bytes::from("k")),
                value: Some(Bytes::from("v".repeat(10_000))),
                headers: vec![("id".into(), Bytes::from("1")), ("id".into(), Bytes::from("twice"))],
                timestamp_ms: i64::MAX,
            },
            Event { topic: "t".into(), key: Some(Bytes::new()), timestamp_ms: i64::MIN, ..Event::default() },
            Event { topic: "t".into(), value: Some(Bytes::new()), timestamp_ms: -1, ..Event::default() },
        ];
        let positions = log.append(sent.to_vec()).await.unwrap();
        assert_eq!(positions, [0, 1, 2].map(|offset| position("t", 0, offset)));
        let records = read_from(&log, &partition("t", 0), 0).await;
        for (record, sent) in records.iter().zip(&sent) {
            assert_eq!((&record.key, &record.value), (&sent.key, &sent.value));
            assert_eq!(record.timestamp_ms, sent.timestamp_ms);
            let headers: Vec<_> =
                record.headers.iter().map(|(name, value)| (name.clone(), value.clone().unwrap())).collect();
            assert_eq!(headers, sent.headers);
        }
        assert_eq!(read_from(&log, &partition("t", 0), 1).await.first().unwrap().offset, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_ahead_becomes_durable_as_it_was_read() {
    let (_dir, log) = fresh();
    let log = Arc::new(log);
    // Small segments, so that some end while they are read.
    let settings = TopicSettings { segment_bytes: 4_096, ..TopicSettings::default() };
    log.create_topic("t", 1, settings).await.unwrap();
    const EVENTS: u64 = 2_000;
    let appender = {
        let log = log.clone();
        tokio::spawn(async move {
            // Several at once, so that groups differ in size.
            for first in (0..EVENTS).step_by(20) {
                let one = |number: u64| {
                    let log = log.clone();
                    async move { drop(log.append(vec![event("t", &number.to_string())]).await.unwrap()) }
                };
                all_at_once((first..first + 20).map(one)).await;
            }
        })
    };
    let mut ahead = Vec::new();
    while (ahead.len() as u64) < EVENTS {
        let from = position("t", 0, ahead.len() as u64);
        for fetched in log.fetch_ahead(&[from], 1_000, PATIENCE).await.unwrap() {
            ahead.extend(fetched.records.into_iter().map(|record| record.value.unwrap()));
            assert_eq!(fetched.next, ahead.len() as u64);
        }
        let read = position("t", 0, ahead.len() as u64);
        log.durable(std::slice::from_ref(&read)).await.unwrap();
        assert!(log.bounds(&read.partition).await.unwrap().1 >= read.offset);
    }
    appender.await.unwrap();
    let kept: Vec<_> = read_from(&log, &partition("t", 0), 0).await;
    assert_eq!(kept.into_iter().map(|record| record.value.unwrap()).collect::<Vec<_>>(), ahead);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_appenders_share_syncs_and_each_keeps_its_order() {
    let (_dir, log) = fresh();
    let log = Arc::new(log);
    log.ensure_topic("t", 3).await.unwrap();
    let append = |appender: u32| {
        let log = log.clone();
        async move {
            for number in 0..50 {
                let sent = Event { key: Some(Bytes::from(format!("{appender}"))), ..event("t", &format!("{number}")) };
                log.append(vec![sent]).await.unwrap();
            }
        }
    };
    all_at_once((0..40).map(append)).await;
    let mut next: HashMap<Bytes, u32> = HashMap::new();
    for number in 0..3 {
        for record in read_from(&log, &partition("t", number), 0).await {
            let expected = next.entry(record.key.unwrap()).or_default();
            assert_eq!(record.value.unwrap(), format!("{expected}"));
            *expected += 1;
        }
    }
    assert_eq!(next.len(), 40);
    assert!(next.values().all(|count| *count == 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_waits_for_the_first_record_and_no_longer() {
    let (_dir, log) = fresh();
    let log = Arc::new(log);
    log.ensure_topic("quiet", 1).await.unwrap();
    log.ensure_topic("busy", 1).await.unwrap();
    let from = [position("quiet", 0, 0), position("busy", 0, 0)];
    assert!(log.fetch(&from, 1_000, Duration::from_millis(5)).await.unwrap().is_empty());
    let waiting = tokio::spawn({
        let (log, from) = (log.clone(), from.clone());
        async move { log.fetch(&from, 1_000, PATIENCE).await.unwrap() }
    });
    log.append(vec![event("busy", "now")]).await.unwrap();
    let fetched = tokio::time::timeout(PATIENCE / 2, waiting).await.expect("the append ends the wait").unwrap();
    assert_eq!(fetched.len(), 1);
    assert_eq!((&fetched[0].partition, fetched[0].next, fetched[0].end), (&partition("busy", 0), 1, 1));
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let (dir, log) = fresh();
    log.ensure_topic("t", 2).await.unwrap();
    for number in 0..20 {
        log.append(vec![event("t", &format!("{number}"))]).await.unwrap();
    }
    let before = (values(&log, &partition("t", 0)).await, values(&log, &partition("t", 1)).await);
    drop(log);
    let log = open(&dir).unwrap();
    assert_eq!((values(&log, &partition("t", 0)).await, values(&log, &partition("t", 1)).await), before);
    assert_eq!(log.append(vec![event("t", "next")]).await.unwrap()[0].offset, 10);
}

#[tokio::test]
async fn a_directory_in_use_or_of_a_newer_format_is_refused_with_words() {
    let (dir, log) = fresh();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(refused.contains("in use by another node"), "{refused}");
    drop(log);
    std::fs::write(dir.path().join("log/format"), "caudal log 2\n").unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(refused.contains("newer version (format 2, this one reads up to 1)"), "{refused}");
    std::fs::write(dir.path().join("letters"), "dear").unwrap();
    let refused = Embedded::open(dir.path(), LogOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("but no log: choose an empty directory"), "{refused}");
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let (_dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    let error = |outcome: Result<_, LogError>| outcome.map(|_: Vec<_>| ()).unwrap_err().to_string();
    assert_eq!(error(log.append(vec![event("other", "")]).await), "topic other does not exist");
    assert_eq!(log.bounds(&partition("t", 1)).await.unwrap_err().to_string(), "topic t has no partition 1");
    let beyond = log.fetch(&[position("t", 0, 1)], 1, Duration::ZERO).await;
    assert!(matches!(beyond, Err(LogError::OutOfRange { start: 0, end: 0, .. })));
    assert!(matches!(log.create_topic("t", 1, Default::default()).await, Err(LogError::TopicExists(_))));
    assert!(matches!(log.create_topic("../t", 1, Default::default()).await, Err(LogError::InvalidTopic(_))));
}

#[tokio::test]
async fn a_deleted_topic_is_gone_for_good_and_its_name_is_free() {
    let (dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    log.append(vec![event("t", "old")]).await.unwrap();
    log.delete_topic("t").await.unwrap();
    assert!(matches!(log.append(vec![event("t", "")]).await, Err(LogError::UnknownTopic(_))));
    drop(log);
    let log = open(&dir).unwrap();
    assert!(log.topics().is_empty());
    log.ensure_topic("t", 1).await.unwrap();
    assert_eq!(log.append(vec![event("t", "new")]).await.unwrap()[0].offset, 0);
    assert_eq!(values(&log, &partition("t", 0)).await, ["new"]);
}

/// Runs all at once on the runtime.
async fn all_at_once<F: Future<Output = ()> + Send + 'static>(futures: impl Iterator<Item = F>) {
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap();
    }
}
