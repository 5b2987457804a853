//! The bytes on disk are these. A change here needs a new format version, and code that still reads this one.

use std::fs;

use bytes::Bytes;
use storage::Event;
use storage::log::embedded::{Embedded, LogOptions, TopicSettings};
use tempfile::TempDir;

use crate::harness::{partition, read_from, segment_path};

const FORMAT: &str = "caudal log 1\n";
const TOPIC: &str = r#"{
  "version": 1,
  "partitions": 1,
  "settings": {
    "retention.bytes": "1000000"
  }
}"#;
const SEGMENT: &str = "\
    00000000000000000000005c0000000002c84cdfc50000000000010000018bcfe568000000018bcfe569f4ffffffffffffff\
    ffffffffffffff0000000238000000026b207b22706f7765725f77223a203130307d0204696402371a00e80702026b010204\
    69640237";
const CHECKPOINT: &str = "\
    43444c580001cfda26520000000000000000000000000000000200000000000000680000018bcfe569f40000000000000000";

fn events() -> Vec<Event> {
    let event = |key: Option<&'static str>, value: Option<&'static str>, timestamp_ms| Event {
        topic: "t".into(),
        key: key.map(Bytes::from),
        value: value.map(Bytes::from),
        headers: vec![("id".into(), Bytes::from("7"))],
        timestamp_ms,
    };
    vec![event(Some("k"), Some("{\"power_w\": 100}"), 1_700_000_000_000), event(Some("k"), None, 1_700_000_000_500)]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn a_log_is_written_like_this() {
    let dir = TempDir::new().unwrap();
    let log = Embedded::open(dir.path(), LogOptions::default()).unwrap();
    let settings = TopicSettings { retention_bytes: Some(1_000_000), ..TopicSettings::default() };
    log.create_topic("t", 1, settings).await.unwrap();
    log.append(events()).await.unwrap();
    drop(log);
    let segment = segment_path(dir.path(), "t", 0, 0);
    assert_eq!(fs::read_to_string(dir.path().join("format")).unwrap(), FORMAT);
    assert_eq!(fs::read_to_string(dir.path().join("topics/t/topic.json")).unwrap(), TOPIC);
    assert_eq!(hex(&fs::read(&segment).unwrap()), SEGMENT);
    assert_eq!(hex(&fs::read(segment.with_extension("index")).unwrap()), CHECKPOINT);
}

#[tokio::test]
async fn a_log_written_like_this_is_read() {
    for with_checkpoint in [true, false] {
        let dir = TempDir::new().unwrap();
        let segment = segment_path(dir.path(), "t", 0, 0);
        fs::create_dir_all(segment.parent().unwrap()).unwrap();
        fs::write(dir.path().join("format"), FORMAT).unwrap();
        fs::write(dir.path().join("topics/t/topic.json"), TOPIC).unwrap();
        fs::write(&segment, bytes_of(SEGMENT)).unwrap();
        if with_checkpoint {
            fs::write(segment.with_extension("index"), bytes_of(CHECKPOINT)).unwrap();
        }
        let log = Embedded::open(dir.path(), LogOptions::default()).unwrap();
        assert_eq!(log.topic("t").unwrap().settings.retention_bytes, Some(1_000_000));
        let records = read_from(&log, &partition("t", 0), 0).await;
        assert_eq!(records.len(), 2);
        for (record, event) in records.iter().zip(events()) {
            assert_eq!((&record.key, &record.value), (&event.key, &event.value));
            assert_eq!(record.timestamp_ms, event.timestamp_ms);
            assert_eq!(record.headers, [("id".to_string(), Some(Bytes::from("7")))]);
        }
    }
}
