//! The store: commits go in, the engine's look-ups see them, and once synced readers do.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};

use arc_swap::ArcSwap;
use dataflow::{Epoch, RelationId, StateWrite};
use rocksdb::{BottommostLevelCompaction, CompactOptions, ReadOptions, WriteOptions};

use super::cache::ValueCache;
use super::changelog::{ChangeIter, Changelog};
use super::commit::{Commit, Pinned, Written};
use super::directory::Directory;
use super::ends::Ends;
use super::head::Head;
use super::held::HeldSnapshot;
use super::key;
use super::options::{Budget, StoreOptions};
use super::reader::{Pin, Published, Snapshot};
use super::reclaim::Reclaimer;
use super::rocks::{Batch, Rocks};
use super::{StoreError, Trimmed};

/// The store. Shared by the engine's thread, the syncing thread and all readers.
///
/// One thread writes at a time. A store that could not write takes no more writes; it is opened again once every clone of
/// it, every [`Snapshot`], reader and cursor is dropped.
#[derive(Clone)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) rocks: Arc<Rocks>,
    pub(super) cache: ValueCache,
    pub(super) ends: Ends,
    /// Held by look-ups while they carry values from RocksDB to the cache, and by writes while the two differ.
    pub(super) coherence: RwLock<()>,
    pub(super) published: ArcSwap<Published>,
    writer: Mutex<Writer>,
    /// Orders publishing.
    syncer: Mutex<()>,
    /// Why nothing more is written.
    stopped: OnceLock<String>,
    reclaimer: Reclaimer,
}

/// The last written state.
struct Writer {
    head: Head,
    changelog: Changelog,
}

impl Store {
    /// Opens or makes the store in `dir`.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Store, StoreError> {
        let budget = Budget::of(options.cache_bytes);
        let rocks = Arc::new(Rocks::open(Directory::claim(dir)?, dir, budget)?);
        let head = Head::read(&rocks)?;
        let changelog = Changelog::read(&rocks, options.changelog_bytes)?;
        let published = Published { head: head.clone(), snapshot: HeldSnapshot::take(&rocks) };
        let shared = Shared {
            reclaimer: Reclaimer::new(&rocks),
            rocks,
            cache: ValueCache::new(budget.values),
            ends: Ends::default(),
            coherence: RwLock::new(()),
            published: ArcSwap::from_pointee(published),
            writer: Mutex::new(Writer { head, changelog }),
            syncer: Mutex::new(()),
            stopped: OnceLock::new(),
        };
        Ok(Store { shared: Arc::new(shared) })
    }

    /// Merges the files of tables, views and operator state until they take their least space, and returns then.
    pub fn compact(&self) {
        let rocks = &self.shared.rocks;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        rocks.db.compact_range_cf_opt(rocks.family(key::ROWS), None::<&[u8]>, None::<&[u8]>, &options);
    }

    /// The last durable commit, as found at open and as synced since.
    pub fn last(&self) -> Pinned {
        self.shared.published.load().head.pinned()
    }

    /// Writes a commit: seen by the engine's look-ups from here on, durable and seen by readers once synced.
    ///
    /// Panics unless the epoch follows the last written one, and on more than one entry for a relation.
    pub fn write(&self, mut commit: Commit) -> Result<Written, StoreError> {
        let shared = &*self.shared;
        let mut writer = shared.writer()?;
        commit.writes.sort_unstable_by_key(|write| write.relation);
        let distinct = commit.writes.windows(2).all(|pair| pair[0].relation < pair[1].relation);
        assert!(distinct, "a commit has at most one entry a relation");
        let changes_bytes =
            commit.changes.iter().map(|(_, changes)| changes.len() + 2 * BATCH_ENTRY_BYTES).sum::<usize>();
        let mut batch = batch_of(&shared.rocks, &commit.writes, changes_bytes + HEAD_BYTES);
        let mut head = writer.head.after(&shared.rocks, &mut batch, &commit);
        writer.changelog.add(&shared.rocks, &mut batch, &mut head, &commit.changes);
        head.put(&shared.rocks, &mut batch);
        shared.apply(batch, &commit.writes)?;
        writer.head = head.clone();
        let snapshot = HeldSnapshot::take(&shared.rocks);
        Ok(Written { published: Arc::new(Published { head, snapshot }) })
    }

    /// Makes a commit and all before it durable and publishes it to readers.
    pub fn sync(&self, written: Written) -> Result<Epoch, StoreError> {
        let shared = &*self.shared;
        shared.refuse_if_stopped()?;
        if let Err(source) = shared.rocks.db.flush_wal(true) {
            return Err(shared.stop(source.to_string()));
        }
        let _one_at_a_time = shared.syncer.lock().expect("publishing does not panic");
        let epoch = written.epoch();
        // Another thread may have synced a later commit, and this one with it.
        if shared.published.load().head.epoch < epoch {
            shared.published.store(written.published);
        }
        shared.reclaimer.published(epoch);
        Ok(epoch)
    }

    /// The published epoch.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { published: self.shared.published.load_full() }
    }

    /// Changes of a relation in published epochs after `after`.
    pub fn changes(&self, relation: RelationId, after: Epoch) -> Result<ChangeIter, Trimmed> {
        self.snapshot().changes(relation, after)
    }

    /// The last written commit, durable or not, held for those who go on from it.
    pub fn pin(&self) -> Result<Pin, StoreError> {
        let shared = &*self.shared;
        let mut writer = shared.writer()?;
        let epoch = writer.head.epoch;
        let kept = writer.changelog.pin(epoch);
        let published = Published { head: writer.head.clone(), snapshot: HeldSnapshot::take(&shared.rocks) };
        Ok(Pin { snapshot: Snapshot { published: Arc::new(published) }, _kept: kept })
    }

    /// Writes rows and state of a view under construction, outside any epoch. Nobody else may look these relations up.
    pub fn fill(&self, writes: Vec<StateWrite>) -> Result<(), StoreError> {
        self.write_filled(writes, true)
    }

    /// The same, without the write-ahead log: a crash loses it, as it loses the view, until [`Store::flush_filled`]. What
    /// many rows take would else be synced with the commits beside it.
    pub fn fill_unlogged(&self, writes: Vec<StateWrite>) -> Result<(), StoreError> {
        self.write_filled(writes, false)
    }

    /// Makes durable all that was filled.
    pub fn flush_filled(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        shared.refuse_if_stopped()?;
        let rows = shared.rocks.family(key::ROWS);
        shared.rocks.db.flush_cf(rows).map_err(|source| shared.stop(source.to_string()))
    }

    /// Does not wait for commits, nor make them wait longer than RocksDB does: these keys are the caller's alone, so neither
    /// the order of commits nor the coherence of anybody else's look-ups is at stake.
    fn write_filled(&self, mut writes: Vec<StateWrite>, logged: bool) -> Result<(), StoreError> {
        let shared = &*self.shared;
        shared.refuse_if_stopped()?;
        writes.sort_unstable_by_key(|write| write.relation);
        let mut options = WriteOptions::default();
        options.set_sync(false);
        options.disable_wal(!logged);
        let batch = batch_of(&shared.rocks, &writes, 0);
        shared.ends.extend(&shared.rocks, &writes).map_err(|source| shared.stop(source.to_string()))?;
        shared.rocks.db.write_opt(batch, &options).map_err(|source| shared.stop(source.to_string()))?;
        writes.iter().for_each(|write| shared.cache.apply(write));
        Ok(())
    }

    /// What part of a relation's bytes on disk lies before a key, 0 to 1, about; `None` where next to nothing is on disk.
    pub fn share_before(&self, relation: RelationId, key: &[u8]) -> Option<f64> {
        let rocks = &self.shared.rocks;
        let (start, end) = key::relation_range(relation);
        let key = [&key::row_prefix(relation, key::DEFAULT_TENANT)[..], key].concat();
        let ranges = [rocksdb::Range::new(&start, &key), rocksdb::Range::new(&start, &end)];
        let sizes = rocks.db.get_approximate_sizes_cf(rocks.family(key::ROWS), &ranges);
        (sizes[1] > 0).then(|| (sizes[0] as f64 / sizes[1] as f64).min(1.0))
    }

    /// Removes everything of relations for which `keep` is false: what a CREATE left that never came to its commit.
    pub fn sweep(&self, keep: &dyn Fn(RelationId) -> bool) -> Result<(), StoreError> {
        let rocks = &self.shared.rocks;
        let mut swept: Vec<RelationId> = self.shared.writer()?.changelog.relations().collect();
        // A walk that leaps from relation to relation, so it costs the same however many rows they have.
        let mut entries = rocks.db.raw_iterator_cf_opt(rocks.family(key::ROWS), ReadOptions::default());
        entries.seek_to_first();
        while let Some(relation) = entries.key().and_then(key::relation_of) {
            swept.push(relation);
            entries.seek(key::relation_range(relation).1);
        }
        entries.status().map_err(|source| rocks.failed(source))?;
        drop(entries);
        swept.sort_unstable();
        swept.dedup();
        swept.retain(|relation| !keep(*relation));
        self.remove(&swept)
    }

    /// Frees the space of dropped relations, once a later epoch is published. Snapshots taken before still see their rows.
    pub fn remove(&self, relations: &[RelationId]) -> Result<(), StoreError> {
        if relations.is_empty() {
            return Ok(());
        }
        let shared = &*self.shared;
        let mut writer = shared.writer()?;
        let reclaimed = shared.reclaimer.worthwhile(relations);
        let mut batch = Batch::default();
        for relation in relations {
            let (start, end) = key::relation_range(*relation);
            for family in [key::ROWS, key::CHANGELOG] {
                batch.delete_range_cf(shared.rocks.family(family), &start, &end);
            }
        }
        shared.apply(batch, &[])?;
        shared.cache.forget(relations);
        shared.ends.forget(relations);
        writer.changelog.forget(relations);
        shared.reclaimer.removed(writer.head.epoch, reclaimed);
        Ok(())
    }

    /// Writes a batch that changes no row.
    pub(super) fn write_meta(&self, batch: Batch) -> Result<(), StoreError> {
        let _writer = self.shared.writer()?;
        self.shared.apply(batch, &[])
    }
}

impl Shared {
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        self.refuse_if_stopped()?;
        // A commit that broke an invariant left the lock poisoned: what it prepared is in no batch, but the caller is broken.
        let writer = self.writer.lock().map_err(|_| self.stop("a commit before broke an invariant".to_owned()))?;
        self.refuse_if_stopped()?;
        Ok(writer)
    }

    /// Writes a batch to RocksDB, then its rows to the cache; look-ups wait meanwhile.
    fn apply(&self, batch: Batch, writes: &[StateWrite]) -> Result<(), StoreError> {
        let _coherence = self.coherence.write().expect("look-ups do not panic");
        // Synced by `flush_wal` later: many commits may share one sync, and the next is computed while it runs.
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.ends.extend(&self.rocks, writes).map_err(|source| self.stop(source.to_string()))?;
        self.rocks.db.write_opt(batch, &options).map_err(|source| self.stop(source.to_string()))?;
        writes.iter().for_each(|write| self.cache.apply(write));
        Ok(())
    }

    fn refuse_if_stopped(&self) -> Result<(), StoreError> {
        match self.stopped.get() {
            Some(reason) => Err(StoreError::Stopped { dir: self.rocks.dir.clone(), reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// No write after this one succeeds; the first reason is the one that is told.
    fn stop(&self, reason: String) -> StoreError {
        let reason = self.stopped.get_or_init(|| {
            tracing::error!(store = self.rocks.dir, "stopped writing: {reason}");
            reason
        });
        StoreError::Stopped { dir: self.rocks.dir.clone(), reason: reason.clone() }
    }
}

/// The puts and deletes of rows as a batch, in key order where `writes` are in relation order. `more_bytes`: what is going to
/// be added to it.
fn batch_of(rocks: &Rocks, writes: &[StateWrite], more_bytes: usize) -> Batch {
    let family = rocks.family(key::ROWS);
    let bytes = |write: &StateWrite| write.keys.byte_len() + write.values.byte_len() + write.len() * BATCH_ENTRY_BYTES;
    let mut batch = Batch::with_capacity_bytes(writes.iter().map(bytes).sum::<usize>() + more_bytes);
    let mut full = Vec::new();
    for write in writes {
        let prefix = key::row_prefix(write.relation, key::DEFAULT_TENANT);
        full.clear();
        full.extend_from_slice(&prefix);
        for (key, value) in write.iter() {
            debug_assert!(full.len() == prefix.len() || full[prefix.len()..] < *key, "keys ascend, each once");
            full.truncate(prefix.len());
            full.extend_from_slice(key);
            match value {
                Some(value) => batch.put_cf(family, &full, value),
                None => batch.delete_cf(family, &full),
            }
        }
    }
    batch
}

/// What a batch adds to a key and a value: kind, column family, both lengths and the key's prefix.
const BATCH_ENTRY_BYTES: usize = key::ROW_PREFIX_BYTES + 8;

/// What the head of a commit takes in a batch, about.
const HEAD_BYTES: usize = 4 << 10;
