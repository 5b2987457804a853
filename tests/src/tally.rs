//! The least pipeline: numbered events of a topic, counted in the store, each once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dataflow::{Block, Direction, Epoch, KeyRange, RelationId, State, StateWrite};
use storage::log::Embedded;
use storage::log::embedded::LogOptions;
use storage::{
    Commit, DEFAULT_TENANT, Event, LogHome, Position, Record, Store, StoreOptions, TenantScope, TopicPartition, Written,
};

/// Event number -> how often it was counted.
const EVENTS: RelationId = RelationId(1);
/// Event number modulo [`GROUPS`] -> how many events were counted.
const ROLLUP: RelationId = RelationId(2);
const GROUPS: u32 = 7;
const TOPIC: &str = "numbers";

/// Any failure, in words.
pub type Failure = Box<dyn std::error::Error>;

/// A log and a store that counts it.
pub struct Tally {
    pub log: LogHome,
    pub store: Store,
    /// The last written epoch and where to read on after it.
    epoch: Epoch,
    next: u64,
}

impl Tally {
    /// Opens both below `dir`.
    pub async fn open(dir: &Path) -> Result<Tally, Failure> {
        std::fs::create_dir_all(dir)?;
        let log = LogHome::Embedded(Arc::new(Embedded::open(&dir.join("log"), LogOptions::default())?));
        log.ensure_topic(TOPIC, 1).await?;
        let options = StoreOptions { cache_bytes: 16 << 20, changelog_bytes: 1 << 20 };
        let store = Store::open(&dir.join("table"), options)?;
        let last = store.last();
        let next = last.positions.first().map_or(0, |position| position.offset);
        Ok(Tally { log, store, epoch: last.epoch, next })
    }

    /// Appends numbers; they are durable on return.
    pub async fn append(&self, numbers: impl Iterator<Item = u32>) -> Result<(), Failure> {
        let event = |number: u32| Event {
            topic: TOPIC.into(),
            value: Some(Bytes::from(number.to_string())),
            ..Event::default()
        };
        self.log.append(numbers.map(event).collect()).await?;
        Ok(())
    }

    /// Counts what is in the log beyond the last epoch, as one more epoch; `None` when there is nothing.
    pub async fn count(&mut self) -> Result<Option<Written>, Failure> {
        let from = [Position { partition: partition(), offset: self.next }];
        let fetched = self.log.fetch(&from, 1 << 20, Duration::ZERO).await?;
        let Some(fetched) = fetched.into_iter().find(|fetched| !fetched.records.is_empty()) else {
            return Ok(None);
        };
        let commit = self.commit(&fetched.records, fetched.next)?;
        let written = self.store.write(commit)?;
        (self.epoch, self.next) = (self.epoch.next(), fetched.next);
        Ok(Some(written))
    }

    fn commit(&self, records: &[Record], next: u64) -> Result<Commit, Failure> {
        let (mut events, mut groups) = (BTreeMap::<u32, u64>::new(), BTreeMap::<u32, u64>::new());
        for record in records {
            let number: u32 = std::str::from_utf8(record.value.as_ref().ok_or("a value")?)?.parse()?;
            *events.entry(number).or_default() += 1;
            *groups.entry(number % GROUPS).or_default() += 1;
        }
        let numbers = events.keys().map(u32::to_string).collect::<Vec<_>>().join(" ");
        Ok(Commit {
            epoch: self.epoch.next(),
            now_ms: 0,
            positions: vec![Position { partition: partition(), offset: next }],
            writes: vec![self.added(EVENTS, events)?, self.added(ROLLUP, groups)?],
            changes: vec![(EVENTS, Bytes::from(numbers))],
            outbox: vec![],
            catalog: vec![],
        })
    }

    /// What is stored, plus what is counted now.
    fn added(&self, relation: RelationId, counts: BTreeMap<u32, u64>) -> Result<StateWrite, Failure> {
        let mut keys = Block::default();
        counts.keys().for_each(|key| keys.push(&key.to_be_bytes()));
        let old = self.store.get_many(relation, &keys)?;
        let mut write = StateWrite::new(relation);
        for (index, count) in counts.values().enumerate() {
            let before = old.get(index).map(u64_of).transpose()?.unwrap_or(0);
            write.put(keys.get(index), &(before + count).to_be_bytes());
        }
        Ok(write)
    }

    /// What readers see: event number -> how often it is counted. Fails when the roll-up or the changelog say otherwise.
    pub fn counted(&self) -> Result<BTreeMap<u32, u64>, Failure> {
        let counts = self.read(EVENTS)?;
        let mut rollup = BTreeMap::<u32, u64>::new();
        counts.iter().for_each(|(number, count)| *rollup.entry(number % GROUPS).or_default() += count);
        if rollup != self.read(ROLLUP)? {
            return Err("the roll-up differs from its recomputation".into());
        }
        let mut changed = BTreeMap::<u32, u64>::new();
        for change in self.store.changes(EVENTS, Epoch(0))? {
            for number in std::str::from_utf8(&change?.1)?.split(' ') {
                *changed.entry(number.parse()?).or_default() += 1;
            }
        }
        if changed != counts {
            return Err("the changelog differs from the table".into());
        }
        Ok(counts)
    }

    fn read(&self, relation: RelationId) -> Result<BTreeMap<u32, u64>, Failure> {
        let reader = self.store.snapshot().scoped(TenantScope::One(DEFAULT_TENANT));
        let mut cursor = reader.cursor(relation, KeyRange::all(), Direction::Ascending);
        let (mut keys, mut values) = (Block::default(), Block::default());
        while cursor.next(&mut keys, &mut values, 100)? > 0 {}
        let entry = |(key, value): (&[u8], &[u8])| Ok((u32::from_be_bytes(key.try_into()?), u64_of(value)?));
        keys.iter().zip(values.iter()).map(entry).collect()
    }
}

fn partition() -> TopicPartition {
    TopicPartition { topic: TOPIC.into(), partition: 0 }
}

fn u64_of(value: &[u8]) -> Result<u64, Failure> {
    Ok(u64::from_be_bytes(value.try_into()?))
}
