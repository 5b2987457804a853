//! Random histories of appends, restarts and retention against a list in memory.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storage::log::compression::Compression;
use storage::log::embedded::{Embedded, LogOptions, TopicSettings, Wanted};
use storage::{Event, Position};
use tempfile::TempDir;

use crate::harness::{event, image_of, partition};

const HISTORIES: u64 = 6;
const STEPS: usize = 60;

/// What the log should hold: (timestamp, value) from offset 0 on, and the first offset that is still there at least.
#[derive(Default)]
struct Model {
    records: Vec<(i64, String)>,
    consumed: u64,
}

#[tokio::test]
async fn the_log_is_what_was_appended() {
    let first_seed: u64 = rand::random();
    for seed in (0..HISTORIES).map(|number| first_seed.wrapping_add(number)) {
        println!("seed {seed}");
        history(seed).await;
    }
}

async fn history(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut dir = TempDir::new().unwrap();
    let compression = if random.random() { Compression::Lz4 } else { Compression::None };
    let options = LogOptions { compression, ..LogOptions::default() };
    let mut log = Embedded::open(dir.path(), options.clone()).unwrap();
    let settings = TopicSettings {
        segment_bytes: random.random_range(1_024..200_000),
        retention_bytes: Some(random.random_range(0..300_000)),
        ..TopicSettings::default()
    };
    log.create_topic("t", 1, settings).await.unwrap();
    let mut model = Model::default();
    for _ in 0..STEPS {
        match random.random_range(0..10) {
            0..6 => append(&log, &mut model, &mut random).await,
            6 => {
                drop(log);
                log = Embedded::open(dir.path(), options.clone()).unwrap();
            }
            7 => {
                // A crash with nothing in flight: the files as they are, checkpoints older than the segments.
                let image = image_of(dir.path());
                drop(log);
                log = Embedded::open(image.path(), options.clone()).unwrap();
                dir = image;
            }
            8 => log.reopen().await.unwrap(),
            _ => {
                model.consumed = random.random_range(model.consumed..=model.records.len() as u64);
                log.consumed(&[Position { partition: partition("t", 0), offset: model.consumed }]);
                log.expire(0).await.unwrap();
            }
        }
        check(&log, &model, &mut random).await;
    }
}

async fn append(log: &Embedded, model: &mut Model, random: &mut impl Rng) {
    let longest = [10, 1_000, 30_000][random.random_range(0..3)];
    let count = random.random_range(1..20usize);
    let new = |_| {
        let value = "x".repeat(random.random_range(0..longest));
        (random.random_range(-1_000..1_000_000), value)
    };
    let records: Vec<(i64, String)> = (0..count).map(new).collect();
    let events = records.iter().map(|(timestamp_ms, value)| Event { timestamp_ms: *timestamp_ms, ..event("t", value) });
    let positions = log.append(events.collect()).await.unwrap();
    let offsets: Vec<u64> = positions.iter().map(|position| position.offset).collect();
    let next = model.records.len() as u64;
    assert_eq!(offsets, (next..next + records.len() as u64).collect::<Vec<_>>());
    model.records.extend(records);
}

async fn check(log: &Embedded, model: &Model, random: &mut impl Rng) {
    let id = partition("t", 0);
    let (start, end) = log.bounds(&id).await.unwrap();
    assert_eq!(end, model.records.len() as u64);
    assert!(start <= model.consumed, "retention went beyond what was consumed");
    let offset = random.random_range(start..=end);
    let max_bytes = [1, 500, 100_000][random.random_range(0..3)];
    let from = Position { partition: id.clone(), offset };
    let fetched = log.fetch(std::slice::from_ref(&from), max_bytes, Default::default()).await.unwrap();
    assert_eq!(fetched.is_empty(), offset == end);
    for fetched in &fetched {
        assert_eq!(fetched.records[0].offset, offset);
        for record in &fetched.records {
            let (timestamp_ms, value) = &model.records[record.offset as usize];
            assert_eq!((record.timestamp_ms, record.value.as_deref()), (*timestamp_ms, Some(value.as_bytes())));
        }
        assert_eq!(fetched.next, fetched.records.last().unwrap().offset + 1);
    }
    let wanted = Wanted { position: from, max_bytes };
    let raw = log.fetch_raw(vec![wanted], max_bytes, 0, Default::default()).await.remove(0).unwrap();
    assert_eq!(raw.next, fetched.first().map_or(offset, |fetched| fetched.next));
    let wanted_ms = random.random_range(-2_000..1_100_000);
    let kept = &model.records[start as usize..];
    let expected = kept.iter().position(|(timestamp_ms, _)| *timestamp_ms >= wanted_ms);
    let expected = expected.map(|at| (start + at as u64, kept[at].0));
    assert_eq!(log.offset_for_time(&id, wanted_ms).await.unwrap(), expected);
    let latest_ms = kept.iter().map(|(timestamp_ms, _)| *timestamp_ms).max();
    let latest = kept.iter().position(|(timestamp_ms, _)| Some(*timestamp_ms) == latest_ms);
    let latest = latest.map(|at| (start + at as u64, kept[at].0));
    assert_eq!(log.latest_by_time(&id).await.unwrap(), latest);
}
