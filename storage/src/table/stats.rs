//! What a store measures of itself.

use std::sync::atomic::Ordering;

use rocksdb::properties::{self, PropName};
use rocksdb::statistics::Ticker;

use super::key;
use super::store::Store;

/// Sizes now and counts since open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of table files.
    pub disk_bytes: u64,
    /// Bytes of commits that are in the write-ahead log and not yet in table files.
    pub memtable_bytes: u64,
    /// Bytes of cached blocks, memtables among them.
    pub block_cache_bytes: u64,
    /// Bytes of cached values.
    pub value_cache_bytes: u64,
    /// Keys that the value cache answered for.
    pub value_hits: u64,
    /// Keys that it did not.
    pub value_misses: u64,
    /// Keys that RocksDB was asked for.
    pub gets: u64,
    /// Bytes of keys and values that RocksDB handed out to look-ups and scans.
    pub read_bytes: u64,
    /// Bytes of blocks that were not in the block cache and had to be read.
    pub block_read_bytes: u64,
    /// Bytes that compaction has yet to rewrite, as RocksDB estimates.
    pub pending_compaction_bytes: u64,
    /// Whether writes wait for flushes or compaction, slowed down or stopped.
    pub writes_stall: bool,
}

impl Store {
    /// Measures the store; costs microseconds.
    pub fn stats(&self) -> Stats {
        let rocks = &self.shared.rocks;
        let total = |property: &PropName| -> u64 {
            let of =
                |family| rocks.db.property_int_value_cf(rocks.family(family), property).ok().flatten().unwrap_or(0);
            [key::META, key::ROWS, key::CHANGELOG].map(of).iter().sum()
        };
        let (value_hits, value_misses) = self.shared.cache.hits_and_misses();
        Stats {
            disk_bytes: total(properties::TOTAL_SST_FILES_SIZE),
            memtable_bytes: rocks.memtables.get_usage() as u64,
            block_cache_bytes: rocks.blocks.get_usage() as u64,
            value_cache_bytes: self.shared.cache.bytes(),
            value_hits,
            value_misses,
            gets: rocks.gets.load(Ordering::Relaxed),
            read_bytes: rocks.read_bytes.load(Ordering::Relaxed),
            block_read_bytes: rocks.options.get_ticker_count(Ticker::BlockCacheBytesWrite),
            pending_compaction_bytes: total(properties::ESTIMATE_PENDING_COMPACTION_BYTES),
            writes_stall: total(properties::IS_WRITE_STOPPED) + total(properties::ACTUAL_DELAYED_WRITE_RATE) > 0,
        }
    }
}
