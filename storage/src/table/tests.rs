//! What the table store promises, on the real RocksDB.

mod cached;
mod changelog;
mod coherence;
mod commit;
mod deleted;
mod golden;
mod outbox;
mod published;
mod relations;
mod reopen;

use std::path::Path;

use bytes::Bytes;
use dataflow::{Block, Direction, Epoch, KeyRange, RelationId, StateWrite};

use super::*;
use crate::limits;
use crate::log::{Position, TopicPartition};

type Row = (Vec<u8>, Vec<u8>);

const CHANGELOG_BYTES: u64 = 1 << 20;

fn open(dir: &Path) -> Store {
    try_open(dir).unwrap()
}

fn try_open(dir: &Path) -> Result<Store, StoreError> {
    Store::open(dir, StoreOptions { cache_bytes: limits::CACHE_BYTES_MIN, changelog_bytes: CHANGELOG_BYTES })
}

/// Puts of one relation; keys must ascend.
fn puts(relation: u32, rows: &[(&str, &str)]) -> StateWrite {
    let mut write = StateWrite::new(RelationId(relation));
    rows.iter().for_each(|(key, value)| write.put(key.as_bytes(), value.as_bytes()));
    write
}

fn commit(epoch: u64, writes: Vec<StateWrite>) -> Commit {
    Commit { epoch: Epoch(epoch), now_ms: 1_000 * epoch as i64, writes, ..Commit::default() }
}

fn write_and_sync(store: &Store, commit: Commit) {
    let written = store.write(commit).unwrap();
    store.sync(written).unwrap();
}

fn position(topic: &str, partition: i32, offset: u64) -> Position {
    Position { partition: TopicPartition { topic: topic.into(), partition }, offset }
}

fn row(key: &str, value: &str) -> Row {
    (key.into(), value.into())
}

fn reader(store: &Store) -> Reader {
    store.snapshot().scoped(TenantScope::One(DEFAULT_TENANT))
}

/// What a cursor hands over, a few entries at a time.
fn read(reader: &Reader, relation: u32, range: KeyRange, direction: Direction) -> Vec<Row> {
    let mut cursor = reader.cursor(RelationId(relation), range, direction);
    let (mut keys, mut values) = (Block::default(), Block::default());
    while cursor.next(&mut keys, &mut values, 3).unwrap() > 0 {}
    keys.iter().zip(values.iter()).map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn rows(reader: &Reader, relation: u32) -> Vec<Row> {
    read(reader, relation, KeyRange::all(), Direction::Ascending)
}

fn keys(keys: &[&str]) -> Block {
    let mut block = Block::default();
    keys.iter().for_each(|key| block.push(key.as_bytes()));
    block
}

/// An effect or a change, as bytes.
fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Copies a directory of a store.
fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
