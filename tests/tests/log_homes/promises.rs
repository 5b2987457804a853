//! What a log promises, wherever it lives.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storage::log::partitioner::partition_of;
use storage::{Event, LogError, LogHome, Position, Record, TopicPartition};

use super::home::Home;

/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 3;
const WAIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

pub async fn all(home: &mut Home) {
    order_and_content(home).await;
    any_position(home).await;
    too_large(home).await;
    not_there(home).await;
    trimmed(home).await;
    gone_and_back(home).await;
}

fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition: number }
}

fn at(topic: &str, number: i32, offset: u64) -> Position {
    Position { partition: partition(topic, number), offset }
}

fn event(topic: &str, value: impl Into<Bytes>) -> Event {
    Event { topic: topic.into(), value: Some(value.into()), timestamp_ms: 1_700_000_000_000, ..Event::default() }
}

/// Everything in a topic's partitions, in order.
async fn content(log: &LogHome, topic: &str, partitions: i32) -> Vec<Vec<Record>> {
    let mut positions = Vec::new();
    let mut ends = Vec::new();
    for number in 0..partitions {
        let (start, end) = log.bounds(&partition(topic, number)).await.unwrap();
        positions.push(at(topic, number, start));
        ends.push(end);
    }
    let mut records = vec![Vec::new(); partitions as usize];
    let deadline = Instant::now() + PATIENCE;
    while positions.iter().zip(&ends).any(|(position, end)| position.offset < *end) {
        assert!(Instant::now() < deadline, "{topic}: only {positions:?} of {ends:?}");
        for fetched in log.fetch(&positions, 1 << 20, WAIT).await.unwrap() {
            let number = fetched.partition.partition as usize;
            assert!(fetched.end >= fetched.next, "{fetched:?}");
            positions[number].offset = fetched.next;
            records[number].extend(fetched.records);
        }
    }
    records
}

fn text(record: &Record) -> &str {
    std::str::from_utf8(record.value.as_ref().unwrap()).unwrap()
}

/// Events come back as they were appended, at the positions that were told, those of a key in their order and partition.
pub async fn order_and_content(home: &Home) {
    let log = &home.log;
    log.ensure_topic("content", PARTITIONS).await.unwrap();
    let keyed = |number: u32| {
        let key = Bytes::from(format!("k{}", number % 7));
        let headers = vec![("ce_id".to_string(), Bytes::from(number.to_string())), ("empty".to_string(), Bytes::new())];
        let value = (number % 10 != 9).then(|| Bytes::from(format!("{number}")));
        Event {
            topic: "content".into(),
            key: Some(key),
            value,
            headers,
            timestamp_ms: 1_700_000_000_000 + i64::from(number),
        }
    };
    let mut appended = BTreeMap::new();
    for first in (0..200).step_by(20) {
        let events: Vec<Event> = (first..first + 20).map(keyed).collect();
        let positions = log.append(events).await.unwrap();
        appended.extend((first..first + 20).zip(positions));
    }
    let found = content(log, "content", PARTITIONS).await;
    assert_eq!(found.iter().map(Vec::len).sum::<usize>(), 200);
    for (number, position) in appended {
        let sent = keyed(number);
        assert_eq!(position.partition.partition, partition_of(sent.key.as_ref().unwrap(), PARTITIONS));
        let of_partition = &found[position.partition.partition as usize];
        let record = of_partition.iter().find(|record| record.offset == position.offset).unwrap();
        let headers = sent.headers.into_iter().map(|(name, value)| (name, Some(value))).collect();
        assert_eq!(
            (&record.key, &record.value, &record.headers, record.timestamp_ms),
            (&sent.key, &sent.value, &headers, sent.timestamp_ms)
        );
    }
    for of_partition in &found {
        assert!(
            of_partition
                .is_sorted_by(|one, next| one.offset + 1 == next.offset && one.timestamp_ms < next.timestamp_ms)
        );
    }
}

/// A fetch begins where it is told, gives about as much as is wanted, and waits for what comes.
async fn any_position(home: &Home) {
    let log = &home.log;
    log.ensure_topic("places", 1).await.unwrap();
    let values = (0..1_000).map(|number| event("places", format!("{number:0100}")));
    log.append(values.collect()).await.unwrap();
    for offset in [500, 501, 0, 999, 3] {
        let fetched = log.fetch(&[at("places", 0, offset)], 1, WAIT).await.unwrap().remove(0);
        assert_eq!(fetched.records[0].offset, offset);
        assert_eq!(text(&fetched.records[0]), format!("{offset:0100}"));
        let last = fetched.records.last().unwrap().offset;
        assert_eq!(fetched.next, last + 1);
    }
    let end = at("places", 0, 1_000);
    assert!(log.fetch(std::slice::from_ref(&end), 1, Duration::from_millis(50)).await.unwrap().is_empty());
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        log.append(vec![event("places", "later")]).await.unwrap();
    };
    let (fetched, ()) = tokio::join!(log.fetch(std::slice::from_ref(&end), 1 << 20, PATIENCE), later);
    assert_eq!(text(&fetched.unwrap()[0].records[0]), "later");
}

/// What is too large is refused as a whole, and what comes after it is taken.
async fn too_large(home: &Home) {
    let log = &home.log;
    log.ensure_topic("large", 1).await.unwrap();
    let refused = log.append(vec![event("large", "small"), event("large", vec![b'x'; 9 << 20])]).await.unwrap_err();
    assert!(matches!(refused, LogError::TooLarge { .. }), "{refused}");
    if home.is_kafka() {
        // Less than we would take, more than its topics do by themselves. It does not compress.
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let noise: Vec<u8> = (0..2 << 20).map(|_| random.random()).collect();
        let refused = log.append(vec![event("large", noise)]).await.unwrap_err();
        assert!(
            matches!(&refused, LogError::EventTooLarge { topic, bytes } if topic == "large" && *bytes == 2 << 20),
            "{refused}"
        );
    }
    let many: Vec<Event> = (0..7).map(|_| event("large", vec![b'x'; 1 << 19])).collect();
    assert_eq!(log.append(many).await.unwrap().len(), 7);
    let found = content(log, "large", 1).await.remove(0);
    assert_eq!(found.len(), 7, "of what was refused nothing is there");
}

/// A topic that is not there is not made by asking for it.
async fn not_there(home: &Home) {
    let log = &home.log;
    for _ in 0..2 {
        let refused = log.append(vec![event("missing", "x")]).await.unwrap_err();
        assert!(matches!(&refused, LogError::UnknownTopic(topic) if topic == "missing"), "{refused}");
        let refused = log.bounds(&partition("missing", 0)).await.unwrap_err();
        assert!(matches!(&refused, LogError::UnknownTopic(topic) if topic == "missing"), "{refused}");
    }
    let refused = log.ensure_topic("no/name", 1).await.unwrap_err();
    assert!(matches!(refused, LogError::InvalidTopic(_)), "{refused}");
    log.ensure_topic("missing", PARTITIONS).await.unwrap();
    log.ensure_topic("missing", 1).await.unwrap();
    for number in 0..PARTITIONS {
        assert_eq!(log.bounds(&partition("missing", number)).await.unwrap(), (0, 0));
    }
    let refused = log.bounds(&partition("missing", PARTITIONS)).await.unwrap_err();
    assert!(matches!(refused, LogError::UnknownPartition(_)), "{refused}");
    let spread: Vec<i32> = {
        let mut partitions = Vec::new();
        for _ in 0..PARTITIONS {
            partitions.push(log.append(vec![event("missing", "x")]).await.unwrap()[0].partition.partition);
        }
        partitions.sort_unstable();
        partitions
    };
    assert_eq!(spread, [0, 1, 2], "events without a key take turns");
}

/// Whoever asks for what is gone, or for what is not there yet, is told what there is.
async fn trimmed(home: &Home) {
    let log = &home.log;
    log.ensure_topic("trimmed", 1).await.unwrap();
    log.append((0..10).map(|number| event("trimmed", number.to_string())).collect()).await.unwrap();
    home.trim(&partition("trimmed", 0), 4).await;
    assert_eq!(log.bounds(&partition("trimmed", 0)).await.unwrap(), (4, 10));
    let fetched = log.fetch(&[at("trimmed", 0, 4)], 1 << 20, WAIT).await.unwrap();
    assert_eq!(fetched[0].records.iter().map(text).collect::<Vec<_>>(), ["4", "5", "6", "7", "8", "9"]);
    for offset in [0, 3, 11] {
        let refused = log.fetch(&[at("trimmed", 0, offset)], 1 << 20, PATIENCE).await.unwrap_err();
        assert!(matches!(refused, LogError::OutOfRange { start: 4, end: 10, .. }), "{offset}: {refused}");
    }
    let fetched = log.fetch(&[at("trimmed", 0, 9)], 1 << 20, WAIT).await.unwrap();
    assert_eq!(text(&fetched[0].records[0]), "9");
}

/// A log that goes away while events are appended and is there again: each acknowledged event is in it once, in order, and none
/// twice. A reader goes on where it was.
async fn gone_and_back(home: &mut Home) {
    home.log.ensure_topic("kept", 1).await.unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let mut acknowledged: Vec<u32> = Vec::new();
    let mut sent = 0;
    for _ in 0..2 {
        ends.store(false, Ordering::Relaxed);
        let (log, told) = (home.log.clone(), ends.clone());
        // Kafka forgets a producer, and then takes a batch twice, whose last event is a day old by its timestamp.
        let timestamp_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let appending = tokio::spawn(async move {
            let mut done = Vec::new();
            let mut next = sent;
            while !told.load(Ordering::Relaxed) {
                let numbers = next..next + 1 + next % 5;
                next = numbers.end;
                let of_now = |number: u32| Event { timestamp_ms, ..event("kept", number.to_string()) };
                let events = numbers.clone().map(of_now).collect();
                match log.append(events).await {
                    Ok(_) => done.extend(numbers),
                    // What was not acknowledged may be there or not.
                    Err(LogError::Unreachable { .. } | LogError::Stopped(_)) => tokio::time::sleep(PAUSE).await,
                    Err(error) => panic!("{error}"),
                }
            }
            (done, next)
        });
        // Some are appended before, and some after.
        let deadline = Instant::now() + PATIENCE;
        let (start, before) = home.log.bounds(&partition("kept", 0)).await.unwrap();
        while home.log.bounds(&partition("kept", 0)).await.unwrap().1 < before + 50 {
            assert!(Instant::now() < deadline, "nothing is appended");
            tokio::time::sleep(PAUSE).await;
        }
        home.interrupt().await;
        let deadline = Instant::now() + PATIENCE;
        let (_, between) = loop {
            match home.log.bounds(&partition("kept", 0)).await {
                Ok(bounds) => break bounds,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        };
        if home.is_embedded() {
            // The appender has the log as it was.
            home.log.append(vec![event("kept", u32::MAX.to_string())]).await.unwrap();
        }
        let fetched = loop {
            let fetched = home.log.fetch(&[at("kept", 0, between)], 1, WAIT).await.unwrap();
            match fetched.into_iter().next() {
                Some(fetched) => break fetched,
                None => assert!(Instant::now() < deadline, "nothing is appended any more, {:?}", home.log.lost()),
            }
        };
        assert!(start <= between && fetched.next > between);
        ends.store(true, Ordering::Relaxed);
        let (done, next) = appending.await.unwrap();
        acknowledged.extend(done);
        sent = next;
    }
    assert_eq!(home.log.lost(), None);
    let found = content(&home.log, "kept", 1).await.remove(0);
    let found: Vec<u32> = found.iter().map(|record| text(record).parse().unwrap()).filter(|&n| n != u32::MAX).collect();
    assert!(found.is_sorted_by(|one, next| one < next), "in order, and none twice: {found:?}");
    assert!(acknowledged.iter().all(|number| found.binary_search(number).is_ok()), "nothing acknowledged is lost");
    assert!(acknowledged.len() >= 100, "{acknowledged:?}");
    assert!(found.iter().all(|&number| number < sent));
}

/// Batches of other producers, compressed in any of Kafka's ways.
pub async fn what_others_compress_is_read(home: &Home, python: &Path) {
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("from-{compression}");
        home.log.ensure_topic(&topic, 1).await.unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/client.py");
        let mut command = Command::new(python);
        command.env("CLIENT_SETTINGS", "{}").arg(script).arg(home.address().to_string());
        command.args(["produce", &topic, "300", compression, "true"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(content(&home.log, &topic, 1).await[0].len(), 300, "{compression}");
    }
}
