//! Look-ups, scans and snapshots agree with a model, whatever is cached, filled, removed, synced or reopened.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use dataflow::State;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

type Model = BTreeMap<u32, BTreeMap<Vec<u8>, Vec<u8>>>;

const RELATIONS: u32 = 4;
const KEYS: u32 = 300;
const STEPS: usize = 600;

fn some_key(random: &mut ChaCha8Rng) -> Vec<u8> {
    let key = random.random_range(0..KEYS).to_string();
    if key == "0" { Vec::new() } else { key.into_bytes() }
}

/// Long enough that they do not all fit into the cache; some are too long for it.
fn some_value(random: &mut ChaCha8Rng) -> Vec<u8> {
    let length = match random.random_range(0..100) {
        0 => limits::CACHED_VALUE_BYTES_MAX + 1,
        1..50 => random.random_range(0..30_000),
        _ => random.random_range(0..50),
    };
    let mut value = vec![0; length];
    random.fill_bytes(&mut value);
    value
}

fn some_writes(random: &mut ChaCha8Rng, model: &mut Model) -> Vec<StateWrite> {
    let mut writes = Vec::new();
    for relation in 0..RELATIONS {
        if random.random_bool(0.4) {
            continue;
        }
        let keys: std::collections::BTreeSet<_> = (0..random.random_range(0..30)).map(|_| some_key(random)).collect();
        let mut write = StateWrite::new(RelationId(relation));
        let rows = model.entry(relation).or_default();
        for key in keys {
            if random.random_bool(0.3) {
                write.delete(&key);
                rows.remove(&key);
            } else {
                let value = some_value(random);
                write.put(&key, &value);
                rows.insert(key, value);
            }
        }
        writes.push(write);
    }
    writes
}

fn check_look_ups(random: &mut ChaCha8Rng, store: &Store, published: &Model, written: &Model) {
    let relation = random.random_range(0..RELATIONS);
    let mut sought: Vec<_> = (0..random.random_range(0..60)).map(|_| some_key(random)).collect();
    if random.random_bool(0.7) {
        sought.sort();
    }
    let mut block = Block::default();
    sought.iter().for_each(|key| block.push(key));
    let reader = reader(store);
    let answers = [
        (store.get_many(RelationId(relation), &block).unwrap(), written),
        (reader.get_many(RelationId(relation), &block).unwrap(), published),
    ];
    for (found, model) in answers {
        let rows = model.get(&relation);
        for (index, key) in sought.iter().enumerate() {
            let expected = rows.and_then(|rows| rows.get(key)).map(Vec::as_slice);
            assert!(found.get(index) == expected, "relation {relation}, key {}", String::from_utf8_lossy(key));
        }
    }
}

fn check_scans(random: &mut ChaCha8Rng, store: &Store, published: &Model, written: &Model) {
    let relation = random.random_range(0..RELATIONS);
    let range = match random.random_range(0..3) {
        0 => KeyRange::all(),
        1 => KeyRange::prefix(&some_key(random)),
        _ => KeyRange { start: some_key(random), end: Some(some_key(random)) },
    };
    let direction = if random.random_bool(0.5) { Direction::Ascending } else { Direction::Descending };
    let expected = |model: &Model| -> Vec<Row> {
        let rows = model.get(&relation).into_iter().flatten();
        let within = |key: &Vec<u8>| *key >= range.start && range.end.as_ref().is_none_or(|end| key < end);
        let mut rows: Vec<Row> = rows.filter(|(key, _)| within(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
        if direction == Direction::Descending {
            rows.reverse();
        }
        rows
    };
    let mut scanned = Vec::new();
    let limit = random.random_range(1..400);
    let mut each = |key: &[u8], value: &[u8]| {
        scanned.push((key.to_vec(), value.to_vec()));
        if scanned.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.scan(RelationId(relation), &range, direction, &mut each).unwrap();
    let mut in_model = expected(written);
    in_model.truncate(limit);
    assert!(scanned == in_model, "scan of {relation} {range:?} {direction:?}");
    assert!(read(&reader(store), relation, range.clone(), direction) == expected(published), "cursor {range:?}");
}

/// Several ranges in one walk, some of them before the first row, between rows or behind the last.
fn check_scans_of_ranges(random: &mut ChaCha8Rng, store: &Store, written: &Model) {
    let relation = random.random_range(0..RELATIONS);
    let mut ends: Vec<_> = (0..2 * random.random_range(0..8)).map(|_| some_key(random)).collect();
    ends.sort();
    let mut ranges: Vec<_> =
        ends.chunks(2).map(|ends| KeyRange { start: ends[0].clone(), end: Some(ends[1].clone()) }).collect();
    if let Some(last) = ranges.last_mut().filter(|_| random.random_bool(0.2)) {
        last.end = None;
    }
    let rows = written.get(&relation).into_iter().flatten();
    let within = |key: &Vec<u8>| {
        ranges.iter().any(|range| *key >= range.start && range.end.as_ref().is_none_or(|end| key < end))
    };
    let mut expected: Vec<Row> = rows.filter(|(key, _)| within(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let limit = random.random_range(1..100);
    expected.truncate(limit);
    let mut scanned = Vec::new();
    let mut each = |key: &[u8], value: &[u8]| {
        scanned.push((key.to_vec(), value.to_vec()));
        if scanned.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.scan_each(RelationId(relation), &ranges, &mut each).unwrap();
    assert!(scanned == expected, "scan of {relation} {ranges:?}");
}

fn run(seed: u64) {
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (mut written, mut published) = (Model::new(), Model::new());
    let mut epoch = 0;
    let mut pending = None;
    for _ in 0..STEPS {
        match random.random_range(0..100) {
            0..25 => {
                epoch += 1;
                let writes = some_writes(&mut random, &mut written);
                pending = Some((store.write(commit(epoch, writes)).unwrap(), written.clone()));
            }
            25..35 => {
                if let Some((pending, model)) = pending.take() {
                    store.sync(pending).unwrap();
                    published = model;
                }
            }
            35..40 => store.fill(some_writes(&mut random, &mut written)).unwrap(),
            40..42 => {
                let relation = random.random_range(0..RELATIONS);
                store.remove(&[RelationId(relation)]).unwrap();
                written.remove(&relation);
            }
            42..44 => {
                let family = store.shared.rocks.family(key::ROWS);
                store.shared.rocks.db.flush_cf(family).unwrap();
            }
            44 => {
                // Closing loses nothing: only a crash of the machine may take what was not synced.
                pending = None;
                drop(store);
                store = open(dir.path());
                assert_eq!(store.last().epoch, Epoch(epoch));
                published = written.clone();
            }
            45..80 => check_look_ups(&mut random, &store, &published, &written),
            80..90 => check_scans_of_ranges(&mut random, &store, &written),
            _ => check_scans(&mut random, &store, &published, &written),
        }
    }
}

#[test]
fn look_ups_scans_and_snapshots_agree_with_a_model() {
    for seed in 0..4 {
        run(seed);
    }
}
