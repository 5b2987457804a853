//! A crash may cut or spoil what was being written: whole batches stay, the rest goes, and the log goes on behind them.

use std::fs;

use storage::log::embedded::{Embedded, LogOptions, TopicSettings};
use storage::{Event, LogError};

use crate::harness::{event, fresh, image_of, partition, read_from, segment_path, values};

/// Batches of one, two and three events in one segment, and the byte at which each ends.
async fn three_batches() -> (tempfile::TempDir, Vec<u64>) {
    let (dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    let segment = segment_path(&dir.path().join("log"), "t", 0, 0);
    let mut ends = Vec::new();
    for batch in ["a", "b", "c"] {
        let events: Vec<Event> = (0..=ends.len()).map(|_| event("t", batch)).collect();
        log.append(events).await.unwrap();
        ends.push(fs::metadata(&segment).unwrap().len());
    }
    let image = image_of(&dir.path().join("log"));
    (image, ends)
}

#[tokio::test]
async fn cut_at_any_byte_the_whole_batches_stay() {
    let (image, ends) = three_batches().await;
    let expected = ["a", "b", "b", "c", "c", "c"];
    let length = *ends.last().unwrap();
    for cut in 0..=length {
        let dir = image_of(image.path());
        let segment = fs::File::options().write(true).open(segment_path(dir.path(), "t", 0, 0)).unwrap();
        segment.set_len(cut).unwrap();
        let log = Embedded::open(dir.path(), LogOptions::default()).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let kept = whole * (whole + 1) / 2;
        assert_eq!(values(&log, &partition("t", 0)).await, expected[..kept], "cut at byte {cut}");
        let position = log.append(vec![event("t", "after")]).await.unwrap();
        assert_eq!(position[0].offset, kept as u64);
        let last = read_from(&log, &partition("t", 0), kept as u64).await;
        assert_eq!(last[0].value.as_deref(), Some(&b"after"[..]));
    }
}

#[tokio::test]
async fn spoiled_or_zeroed_the_batches_before_stay() {
    let (image, ends) = three_batches().await;
    for spoiled in (ends[1]..ends[2]).step_by(3) {
        let dir = image_of(image.path());
        let path = segment_path(dir.path(), "t", 0, 0);
        let mut bytes = fs::read(&path).unwrap();
        // Nobody relies on the leader epoch, which the checksum does not cover.
        if (ends[1] + 12..ends[1] + 16).contains(&spoiled) {
            continue;
        }
        bytes[spoiled as usize] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let log = Embedded::open(dir.path(), LogOptions::default()).unwrap();
        assert_eq!(values(&log, &partition("t", 0)).await, ["a", "b", "b"], "byte {spoiled} changed");
    }
    let path = segment_path(image.path(), "t", 0, 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&[0; 5_000]);
    fs::write(&path, &bytes).unwrap();
    let log = Embedded::open(image.path(), LogOptions::default()).unwrap();
    assert_eq!(log.bounds(&partition("t", 0)).await.unwrap(), (0, 6));
    assert_eq!(fs::metadata(&path).unwrap().len(), ends[2], "the zeros are gone");
}

#[tokio::test]
async fn damage_before_the_last_segment_is_refused_and_not_cut() {
    let (dir, log) = fresh();
    let settings = TopicSettings { segment_bytes: 1_024, ..TopicSettings::default() };
    log.create_topic("t", 1, settings).await.unwrap();
    for _ in 0..30 {
        log.append(vec![event("t", &"x".repeat(100))]).await.unwrap();
    }
    drop(log);
    let home = dir.path().join("log");
    let first = segment_path(&home, "t", 0, 0);
    fs::remove_file(first.with_extension("index")).unwrap();
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[..bytes.len() - 1]).unwrap();
    let refused = Embedded::open(&home, LogOptions::default()).unwrap_err();
    assert!(matches!(refused, LogError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("the last batch is not whole"), "{refused}");
    assert_eq!(fs::metadata(&first).unwrap().len(), bytes.len() as u64 - 1);
}
