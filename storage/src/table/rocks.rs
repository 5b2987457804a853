//! RocksDB, open: its column families, and reads and writes by them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use dataflow::Block;
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, DBPinnableSlice, Options, ReadOptions, WriteBufferManager};

use super::StoreError;
use super::directory::Directory;
use super::key::{self, Space};
use super::options::{Budget, Tuning};
use crate::{limits, turns};

/// A batch on its way into RocksDB.
pub(super) type Batch = rocksdb::WriteBatch;

/// The open database. Closed, and its directory released, when the last holder lets go.
pub(super) struct Rocks {
    pub(super) db: DB,
    /// Kept for the statistics, which it shares with the database.
    pub(super) options: Options,
    pub(super) blocks: rocksdb::Cache,
    pub(super) memtables: WriteBufferManager,
    /// Keys that were looked up here, not in the value cache.
    pub(super) gets: AtomicU64,
    /// Bytes of keys and values that look-ups and scans handed out.
    pub(super) read_bytes: AtomicU64,
    /// The directory, in words.
    pub(super) dir: String,
    /// Released after the database is closed: fields are dropped in order.
    _directory: Directory,
}

impl Rocks {
    /// Opens RocksDB in a claimed directory; what its write-ahead log has is written out durably first.
    pub(super) fn open(directory: Directory, path: &Path, budget: Budget) -> Result<Rocks, StoreError> {
        let dir = path.display().to_string();
        let Tuning { database, meta, rows, changelog, blocks, memtables } = Tuning::new(budget, &dir);
        let families = [(key::META, meta), (key::ROWS, rows), (key::CHANGELOG, changelog)];
        let families = families.map(|(name, options)| ColumnFamilyDescriptor::new(name, options));
        // RocksDB starts those threads now that flush and compact.
        let db = turns::with_threads_aside(|| DB::open_cf_descriptors(&database, directory.rocks(), families))
            .map_err(|source| StoreError::Failed { dir: dir.clone(), reason: source.to_string() })?;
        Ok(Rocks {
            db,
            options: database,
            blocks,
            memtables,
            gets: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            dir,
            _directory: directory,
        })
    }

    /// The handle of a column family of [`key`].
    pub(super) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("column families are made at open and never dropped")
    }

    pub(super) fn put_meta(&self, batch: &mut Batch, key: &[u8], value: &[u8]) {
        batch.put_cf(self.family(key::META), key, value);
    }

    pub(super) fn delete_meta(&self, batch: &mut Batch, key: &[u8]) {
        batch.delete_cf(self.family(key::META), key);
    }

    pub(super) fn get_meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.family(key::META), key).map_err(|source| self.failed(source))
    }

    /// Hands over every (key, value) of a space; `None` from `each` says that the entry cannot be read.
    pub(super) fn each_meta(
        &self,
        space: Space,
        each: &mut dyn FnMut(&[u8], &[u8]) -> Option<()>,
    ) -> Result<(), StoreError> {
        let (start, end) = space.range();
        let mut options = ReadOptions::default();
        options.set_iterate_range(start..end);
        let mut entries = self.db.raw_iterator_cf_opt(self.family(key::META), options);
        entries.seek_to_first();
        while let Some((key, value)) = entries.item() {
            each(key, value).ok_or_else(|| self.corrupt(&format!("an entry of {space:?}")))?;
            entries.next();
        }
        entries.status().map_err(|source| self.failed(source))
    }

    /// Looks up rows by their keys below `prefix`, in the last written state or as `options` say; answers come in order.
    pub(super) fn look_up(
        &self,
        prefix: [u8; key::ROW_PREFIX_BYTES],
        keys: &[&[u8]],
        options: &ReadOptions,
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<(), rocksdb::Error> {
        let mut first = 0;
        for keys in keys.chunks(limits::LOOK_UP_KEYS_MAX) {
            let bytes = keys.iter().map(|key| key.len() + prefix.len()).sum();
            let mut full = Block::with_capacity(keys.len(), bytes);
            for key in keys {
                full.push_with(|bytes| {
                    bytes.extend_from_slice(&prefix);
                    bytes.extend_from_slice(key);
                });
            }
            for (index, value) in self.multi_get(&full, options).into_iter().enumerate() {
                let value = value?;
                let value = value.as_deref();
                self.count_read(keys[index].len() + value.map_or(0, <[u8]>::len));
                each(first + index, value);
            }
            self.gets.fetch_add(keys.len() as u64, Ordering::Relaxed);
            first += keys.len();
        }
        Ok(())
    }

    fn multi_get(
        &self,
        keys: &Block,
        options: &ReadOptions,
    ) -> Vec<Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>> {
        let rows = self.family(key::ROWS);
        if keys.len() == 1 {
            return vec![self.db.get_pinned_cf_opt(rows, keys.get(0), options)];
        }
        let sorted = (1..keys.len()).all(|index| keys.get(index - 1) <= keys.get(index));
        self.db.batched_multi_get_cf_opt(rows, keys.iter(), sorted, options)
    }

    /// Counts bytes that were handed out.
    pub(super) fn count_read(&self, bytes: usize) {
        self.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// RocksDB could not do what was asked.
    pub(super) fn failed(&self, source: rocksdb::Error) -> StoreError {
        StoreError::Failed { dir: self.dir.clone(), reason: source.to_string() }
    }

    /// What is stored is not what was written.
    pub(super) fn corrupt(&self, what: &str) -> StoreError {
        StoreError::Failed { dir: self.dir.clone(), reason: format!("{what} cannot be read") }
    }
}
