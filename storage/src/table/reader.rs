//! Readers: published epochs, one tenant's rows, cursors over key ranges.

use std::ops::ControlFlow;
use std::sync::Arc;

use dataflow::{Block, Direction, Epoch, Found, KeyRange, RelationId, State, StateError};

use rocksdb::{ErrorKind, ReadOptions, ReadTier};

use super::changelog::ChangeIter;
use super::error::Trimmed;
use super::head::Head;
use super::held::{HeldIterator, HeldSnapshot};
use super::key;
use super::lookup::{bound, state_error, step, to_first};
use super::rocks::Rocks;

/// A commit with the state it left.
pub(super) struct Published {
    pub(super) head: Head,
    pub(super) snapshot: HeldSnapshot,
}

/// Whose rows a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantScope {
    /// One tenant's; 1 is the default tenant.
    One(u32),
}

/// A published epoch, for reading. Cheap to clone; holds its version of the data until dropped.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) published: Arc<Published>,
}

/// A written epoch, held for a view that is filled from it: its rows, and all changes after it, which later pins have.
pub struct Pin {
    pub(super) snapshot: Snapshot,
    pub(super) _kept: Arc<Epoch>,
}

/// One tenant's rows in a snapshot.
#[derive(Clone)]
pub struct Reader {
    published: Arc<Published>,
    tenant: u32,
}

impl Snapshot {
    /// The epoch that is seen.
    pub fn epoch(&self) -> Epoch {
        self.published.head.epoch
    }

    /// The clock reading of the epoch.
    pub fn now_ms(&self) -> i64 {
        self.published.head.now_ms
    }

    /// Changes of a relation after an epoch, up to this one.
    pub fn changes(&self, relation: RelationId, after: Epoch) -> Result<ChangeIter, Trimmed> {
        let Published { head, snapshot } = &*self.published;
        if after.0.saturating_add(1) < head.changes_from {
            return Err(Trimmed::Before(Epoch(head.changes_from)));
        }
        Ok(ChangeIter::start(snapshot.rocks(), relation, after, snapshot.read_options()))
    }

    /// The only way to read.
    pub fn scoped(&self, tenant: TenantScope) -> Reader {
        let TenantScope::One(tenant) = tenant;
        Reader { published: self.published.clone(), tenant }
    }
}

impl Reader {
    pub(super) fn tenant(&self) -> u32 {
        self.tenant
    }

    pub(super) fn rocks(&self) -> &Rocks {
        self.published.snapshot.rocks()
    }

    /// Looks keys up; sorted ones cost less.
    pub fn get_many(&self, relation: RelationId, keys: &Block) -> Result<Found, StateError> {
        let (options, mut found) = (self.published.snapshot.read_options(), Found::default());
        let sought: Vec<&[u8]> = keys.iter().collect();
        self.look_up(relation, &sought, &options, &mut found).map_err(|source| state_error(relation, source))?;
        Ok(found)
    }

    /// Looks keys up, unless some of that would have to be read from the disk.
    pub fn get_cached(&self, relation: RelationId, keys: &Block) -> Result<Option<Found>, StateError> {
        let (options, mut found) = (self.cached_only(), Found::default());
        // One by one: of several at once RocksDB goes to the disk for those that it lacks, whatever the options say.
        let looked_up = keys.iter().try_for_each(|key| self.look_up(relation, &[key], &options, &mut found));
        unless_on_disk(relation, looked_up.map(|()| found))
    }

    fn look_up(
        &self,
        relation: RelationId,
        keys: &[&[u8]],
        options: &ReadOptions,
        found: &mut Found,
    ) -> Result<(), rocksdb::Error> {
        let prefix = key::row_prefix(relation, self.tenant);
        self.rocks().look_up(prefix, keys, options, &mut |_, value| {
            found.values.push(value.unwrap_or_default());
            found.present.push(value.is_some());
        })
    }

    fn cached_only(&self) -> ReadOptions {
        let mut options = self.published.snapshot.read_options();
        options.set_read_tier(ReadTier::BlockCache);
        options
    }

    /// The first `limit` entries of a key range, unless some of it would have to be read from the disk.
    pub fn cached(
        &self,
        relation: RelationId,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Option<(Block, Block)>, StateError> {
        let mut options = self.cached_only();
        let (mut keys, mut values) = (Block::default(), Block::default());
        if !bound(&mut options, key::row_prefix(relation, self.tenant), range) {
            return Ok(Some((keys, values)));
        }
        let rocks = self.rocks();
        let mut entries = rocks.db.raw_iterator_cf_opt(rocks.family(key::ROWS), options);
        to_first(&mut entries, direction);
        while keys.len() < limit
            && let Some((key, value)) = entries.item()
        {
            keys.push(&key[key::ROW_PREFIX_BYTES..]);
            values.push(value);
            step(&mut entries, direction);
        }
        rocks.count_read(keys.byte_len() + values.byte_len());
        unless_on_disk(relation, entries.status().map(|()| (keys, values)))
    }

    /// A cursor over a key range that can be kept across calls and threads.
    pub fn cursor(&self, relation: RelationId, range: KeyRange, direction: Direction) -> Cursor {
        let snapshot = &self.published.snapshot;
        let mut options = snapshot.read_options();
        // A walk through a whole relation would push out of the cache what look-ups need.
        options.fill_cache(range != KeyRange::all());
        options.set_background_purge_on_iterator_cleanup(true);
        let some = bound(&mut options, key::row_prefix(relation, self.tenant), &range);
        let entries = some.then(|| {
            let mut entries = HeldIterator::start(snapshot.rocks(), key::ROWS, options);
            to_first(&mut entries, direction);
            entries
        });
        Cursor { entries, relation, direction }
    }
}

/// What was read of the cache alone; `None` where that did not have all of it.
fn unless_on_disk<T>(relation: RelationId, read: Result<T, rocksdb::Error>) -> Result<Option<T>, StateError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == ErrorKind::Incomplete => Ok(None),
        Err(source) => Err(state_error(relation, source)),
    }
}

/// The state of one epoch, whatever is written after it.
impl State for Reader {
    fn get_many(&self, relation: RelationId, keys: &Block) -> Result<Found, StateError> {
        Reader::get_many(self, relation, keys)
    }

    fn scan(
        &self,
        relation: RelationId,
        range: &KeyRange,
        direction: Direction,
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        let mut cursor = self.cursor(relation, range.clone(), direction);
        let Some(entries) = &mut cursor.entries else {
            return Ok(());
        };
        let rocks = entries.rocks().clone();
        while let Some((key, value)) = entries.item() {
            rocks.count_read(key.len() + value.len());
            if each(&key[key::ROW_PREFIX_BYTES..], value).is_break() {
                return Ok(());
            }
            step(entries, direction);
        }
        entries.status().map_err(|source| state_error(relation, source))
    }
}

impl Pin {
    pub fn epoch(&self) -> Epoch {
        self.snapshot.epoch()
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// Reads a key range on from where it stopped.
pub struct Cursor {
    /// `None` where the range is empty.
    entries: Option<HeldIterator>,
    relation: RelationId,
    direction: Direction,
}

impl Cursor {
    /// Appends up to `limit` more entries to the blocks; returns how many, 0 at the end.
    pub fn next(&mut self, keys: &mut Block, values: &mut Block, limit: usize) -> Result<usize, StateError> {
        let Some(entries) = &mut self.entries else {
            return Ok(0);
        };
        let (mut appended, mut bytes) = (0, 0);
        while appended < limit
            && let Some((key, value)) = entries.item()
        {
            bytes += key.len() + value.len();
            keys.push(&key[key::ROW_PREFIX_BYTES..]);
            values.push(value);
            appended += 1;
            step(entries, self.direction);
        }
        entries.rocks().count_read(bytes);
        match entries.status() {
            Ok(()) => Ok(appended),
            Err(source) => Err(state_error(self.relation, source)),
        }
    }
}
