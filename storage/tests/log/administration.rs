//! Records are deleted up to an offset, settings change while the log works, and what a table still needs stays.

use storage::log::embedded::TopicSettings;
use storage::{Event, LogError};

use crate::harness::{event, fresh, open, partition, position, values};

#[tokio::test]
async fn deleted_records_stay_deleted_whatever_segment_they_are_in() {
    let (dir, mut log) = fresh();
    log.create_topic("t", 1, TopicSettings { segment_bytes: 1_024, ..TopicSettings::default() }).await.unwrap();
    let id = partition("t", 0);
    let mut numbers: Vec<String> = Vec::new();
    // Batches of five: most offsets are within one. Times go up and down, so that segments overlap in time.
    for batch in 0..20 {
        let of_batch: Vec<String> = (batch * 5..batch * 5 + 5).map(|number| format!("{number:050}")).collect();
        let timed = |value: &String| Event { timestamp_ms: 1_000 + (batch * 7) % 10, ..event("t", value) };
        log.append(of_batch.iter().map(timed).collect()).await.unwrap();
        numbers.extend(of_batch);
    }
    for before in [0, 1, 4, 5, 33, 34, 33, 80, 99, 100] {
        let start = log.bounds(&id).await.unwrap().0.max(before);
        assert_eq!(log.delete_records(&id, before).await.unwrap(), start);
        for _ in 0..2 {
            assert_eq!(log.bounds(&id).await.unwrap(), (start, 100));
            assert_eq!(values(&log, &id).await, numbers[start as usize..]);
            if start > 0 {
                let gone = log.fetch(&[position("t", 0, start - 1)], 100, Default::default()).await;
                assert!(matches!(gone, Err(LogError::OutOfRange { .. })));
            }
            for time in 999..1_011 {
                let expected = (start..100).find(|offset| 1_000 + (*offset as i64 / 5 * 7) % 10 >= time);
                let found = log.offset_for_time(&id, time).await.unwrap().map(|(offset, _)| offset);
                assert_eq!(found, expected, "{time} after {start}");
            }
            drop(log);
            log = open(&dir).unwrap();
        }
    }
    assert!(matches!(log.delete_records(&id, 101).await, Err(LogError::OutOfRange { end: 100, .. })));
    assert_eq!(log.append(vec![event("t", "next")]).await.unwrap()[0].offset, 100);
    assert_eq!(values(&log, &id).await, ["next"]);
}

#[tokio::test]
async fn what_a_table_has_not_read_is_not_deleted_and_its_topic_stays() {
    let (_dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    log.append((0..10).map(|number| event("t", &number.to_string())).collect()).await.unwrap();
    log.consumed(&[position("t", 0, 4)]);
    assert!(matches!(log.delete_records(&partition("t", 0), 5).await, Err(LogError::Unread(_))));
    assert_eq!(log.delete_records(&partition("t", 0), 4).await.unwrap(), 4);
    assert!(matches!(log.delete_topic("t").await, Err(LogError::FeedsTable(_))));
    log.released(&[partition("t", 0)]);
    log.delete_topic("t").await.unwrap();
    assert!(log.topic("t").is_none());
}

#[tokio::test]
async fn settings_change_at_once_and_for_good() {
    let (dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    let mut settings = log.topic("t").unwrap().settings;
    settings.set("segment.bytes", "1024").unwrap();
    settings.set("retention.bytes", "2000").unwrap();
    assert!(settings.set("cleanup.policy", "compact").is_err());
    log.alter_topic("t", settings.clone()).await.unwrap();
    for number in 0..100 {
        log.append(vec![event("t", &format!("{number:0100}"))]).await.unwrap();
    }
    log.consumed(&[]);
    log.expire(0).await.unwrap();
    assert!(log.bounds(&partition("t", 0)).await.unwrap().0 > 50, "small segments, and few of them are kept");
    drop(log);
    let log = open(&dir).unwrap();
    assert_eq!(log.topic("t").unwrap().settings, settings);
    settings.reset("retention.bytes").unwrap();
    assert_eq!(settings.retention_bytes, None);
    assert!(matches!(log.alter_topic("u", settings).await, Err(LogError::UnknownTopic(_))));
}
