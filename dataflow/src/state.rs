//! Where operators keep what they must remember between epochs.

mod construction;
mod memory;

use std::ops::ControlFlow;

pub use construction::Construction;
pub use memory::MemoryState;

use crate::relation::RelationId;
use crate::row::Block;

/// The store could not answer. The engine that sees it is dropped and built again from the last commit.
#[derive(Clone, Debug, thiserror::Error)]
#[error("reading state of {relation}: {reason}")]
pub struct StateError {
    pub relation: RelationId,
    pub reason: String,
}

/// Which way a scan walks the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// Encoded keys from `start` (included) to `end` (excluded; `None` is the relation's end).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    pub start: Vec<u8>,
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key of the relation.
    pub fn all() -> KeyRange {
        KeyRange::default()
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        KeyRange { start: prefix.to_vec(), end: after_prefix(prefix) }
    }
}

/// The first byte string after all those that begin with `prefix`; `None` when there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// The answer to a look-up of many keys: one entry a key, in the order asked.
#[derive(Debug, Default)]
pub struct Found {
    /// The values; an absent one is an empty entry.
    pub values: Block,
    /// Whether the key was there.
    pub present: Vec<bool>,
}

impl Found {
    /// The value of the `index`-th key asked for.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.present[index].then(|| self.values.get(index))
    }
}

/// What the operators read: always the last WRITTEN epoch, never the one being computed. Caches live behind it.
pub trait State {
    /// Looks keys up; `keys` should be sorted and without repeats, which makes it cheaper.
    fn get_many(&self, relation: RelationId, keys: &Block) -> Result<Found, StateError>;

    /// Walks a range of keys and hands over (key, value) until told to stop.
    fn scan(
        &self,
        relation: RelationId,
        range: &KeyRange,
        direction: Direction,
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError>;

    /// Walks ranges of keys, which ascend and do not overlap, and hands over (key, value) until told to stop with all of them.
    fn scan_each(
        &self,
        relation: RelationId,
        ranges: &[KeyRange],
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        let mut told = ControlFlow::Continue(());
        for range in ranges {
            self.scan(relation, range, Direction::Ascending, &mut |key, value| {
                told = each(key, value);
                told
            })?;
            if told.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Puts and deletes of one relation: keys ascending, each at most once.
#[derive(Clone, Debug)]
pub struct StateWrite {
    pub relation: RelationId,
    pub keys: Block,
    /// One value a key; empty where the key is deleted.
    pub values: Block,
    /// `true` puts the value, `false` deletes the key.
    pub puts: Vec<bool>,
    /// Whether what is put is likely to be asked for again soon, as groups are; a cache leaves the rest out.
    pub asked_again: bool,
}

impl StateWrite {
    /// Nothing to write to `relation` yet.
    pub fn new(relation: RelationId) -> StateWrite {
        StateWrite { relation, keys: Block::default(), values: Block::default(), puts: Vec::new(), asked_again: true }
    }

    /// The same where most of what is put is not asked for again: what is, is cached from the first look-up on.
    pub fn seldom_read(relation: RelationId) -> StateWrite {
        StateWrite { asked_again: false, ..StateWrite::new(relation) }
    }

    /// Makes room for so many more entries, with keys and values of so many bytes in all.
    pub fn reserve(&mut self, entries: usize, key_bytes: usize, value_bytes: usize) {
        self.keys.reserve(entries, key_bytes);
        self.values.reserve(entries, value_bytes);
        self.puts.reserve(entries);
    }

    /// Appends a put. Keys must come in ascending order.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.keys.push(key);
        self.values.push(value);
        self.puts.push(true);
    }

    /// Appends a delete. Keys must come in ascending order.
    pub fn delete(&mut self, key: &[u8]) {
        self.keys.push(key);
        self.values.push(&[]);
        self.puts.push(false);
    }

    /// (key, value or `None` for a delete), in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        (0..self.puts.len()).map(|i| (self.keys.get(i), self.puts[i].then(|| self.values.get(i))))
    }

    /// How many keys are written.
    pub fn len(&self) -> usize {
        self.puts.len()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty()
    }
}
