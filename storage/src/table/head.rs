//! The head: what the store must know of its last commit to make the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dataflow::Epoch;

use super::StoreError;
use super::commit::{Commit, Pinned};
use super::key::{self, Space};
use super::rocks::{Batch, Rocks};
use crate::log::{Position, TopicPartition};

/// The first byte of the head's value.
const HEAD_FORMAT: u8 = 1;
/// `format u8 | epoch u64 | now_ms i64 | outbox_next u64 | changes_from u64 | stretch_from u64 | stretch_bytes u64`.
const HEAD_BYTES: usize = 1 + 6 * 8;

/// What the last commit left. Cloning shares the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) epoch: Epoch,
    pub(super) now_ms: i64,
    /// The number that the outbox gives next. Counts from 1, never reused, even when everything is delivered.
    pub(super) outbox_next: u64,
    /// The first epoch whose changes are all kept.
    pub(super) changes_from: u64,
    /// The first epoch of the changelog's open stretch.
    pub(super) stretch_from: u64,
    /// Bytes in the changelog's open stretch.
    pub(super) stretch_bytes: u64,
    pub(super) positions: Arc<BTreeMap<TopicPartition, u64>>,
    pub(super) catalog: Arc<BTreeMap<String, Bytes>>,
}

impl Default for Head {
    fn default() -> Head {
        Head {
            epoch: Epoch(0),
            now_ms: 0,
            outbox_next: 1,
            changes_from: 1,
            stretch_from: 1,
            stretch_bytes: 0,
            positions: Arc::default(),
            catalog: Arc::default(),
        }
    }
}

impl Head {
    /// Reads the head of the last commit; the default one when there was none.
    pub(super) fn read(rocks: &Rocks) -> Result<Head, StoreError> {
        let mut head = match rocks.get_meta(&Space::Head.key(&[]))? {
            Some(value) => Head::decode(&value).ok_or_else(|| rocks.corrupt("the head of the last commit"))?,
            None => Head::default(),
        };
        let mut positions = BTreeMap::new();
        rocks.each_meta(Space::Position, &mut |key, value| {
            let offset = value.try_into().ok().map(u64::from_be_bytes)?;
            positions.insert(key::position_partition(key)?, offset);
            Some(())
        })?;
        let mut catalog = BTreeMap::new();
        rocks.each_meta(Space::Catalog, &mut |key, value| {
            let name = std::str::from_utf8(key.get(1..)?).ok()?;
            catalog.insert(name.to_owned(), Bytes::copy_from_slice(value));
            Some(())
        })?;
        head.positions = Arc::new(positions);
        head.catalog = Arc::new(catalog);
        Ok(head)
    }

    /// The head after `commit`, whose changes of it are added to `batch`; the changelog's part is left to [`super::changelog`].
    pub(super) fn after(&self, rocks: &Rocks, batch: &mut Batch, commit: &Commit) -> Head {
        assert_eq!(commit.epoch, self.epoch.next(), "an epoch's commit follows that of the epoch before");
        assert!(commit.now_ms >= self.now_ms, "now() does not go back");
        let mut head = Head { epoch: commit.epoch, now_ms: commit.now_ms, ..self.clone() };
        for Position { partition, offset } in &commit.positions {
            rocks.put_meta(batch, &key::position(partition), &offset.to_be_bytes());
            Arc::make_mut(&mut head.positions).insert(partition.clone(), *offset);
        }
        for (name, entry) in &commit.catalog {
            let key = Space::Catalog.key(name.as_bytes());
            match entry {
                Some(entry) => {
                    rocks.put_meta(batch, &key, entry);
                    Arc::make_mut(&mut head.catalog).insert(name.clone(), entry.clone());
                }
                None => {
                    rocks.delete_meta(batch, &key);
                    Arc::make_mut(&mut head.catalog).remove(name);
                }
            }
        }
        for effect in &commit.outbox {
            rocks.put_meta(batch, &Space::Outbox.key(&head.outbox_next.to_be_bytes()), effect);
            head.outbox_next += 1;
        }
        head
    }

    /// Adds the head itself to the batch of its commit.
    pub(super) fn put(&self, rocks: &Rocks, batch: &mut Batch) {
        rocks.put_meta(batch, &Space::Head.key(&[]), &self.encode());
    }

    /// What callers are told of the commit.
    pub(super) fn pinned(&self) -> Pinned {
        let position =
            |(partition, offset): (&TopicPartition, &u64)| Position { partition: partition.clone(), offset: *offset };
        Pinned {
            epoch: self.epoch,
            now_ms: self.now_ms,
            positions: self.positions.iter().map(position).collect(),
            catalog: self.catalog.iter().map(|(name, entry)| (name.clone(), entry.clone())).collect(),
        }
    }

    fn encode(&self) -> [u8; HEAD_BYTES] {
        let fields = [
            self.epoch.0,
            self.now_ms as u64,
            self.outbox_next,
            self.changes_from,
            self.stretch_from,
            self.stretch_bytes,
        ];
        let mut value = [HEAD_FORMAT; HEAD_BYTES];
        for (place, field) in value[1..].chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        value
    }

    fn decode(value: &[u8]) -> Option<Head> {
        let value: &[u8; HEAD_BYTES] = value.try_into().ok()?;
        let (&[format], fields) = value.split_first_chunk()?;
        let mut fields = fields.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes));
        let mut field = || fields.next();
        (format == HEAD_FORMAT).then_some(())?;
        Some(Head {
            epoch: Epoch(field()?),
            now_ms: field()? as i64,
            outbox_next: field()?,
            changes_from: field()?,
            stretch_from: field()?,
            stretch_bytes: field()?,
            positions: Arc::default(),
            catalog: Arc::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_these_bytes_in_format_1() {
        let head = Head {
            epoch: Epoch(0x0102),
            now_ms: -2,
            outbox_next: 3,
            changes_from: 4,
            stretch_from: 5,
            stretch_bytes: 6,
            ..Head::default()
        };
        let mut golden = vec![1, 0, 0, 0, 0, 0, 0, 1, 2];
        golden.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
        for field in 3..7 {
            golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, field]);
        }
        assert_eq!(head.encode().to_vec(), golden);
        assert_eq!(Head::decode(&golden), Some(head));
    }

    #[test]
    fn a_head_of_another_format_is_not_read() {
        let mut value = Head::default().encode();
        value[0] = 2;
        assert_eq!(Head::decode(&value), None);
        assert_eq!(Head::decode(&Head::default().encode()[1..]), None);
    }
}
