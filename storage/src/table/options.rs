//! How much memory and disk a store takes, and RocksDB's options that keep it there.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType as Compression, DBRecoveryMode, InfoLogger,
    LogLevel, Options, WriteBufferManager,
};

use crate::limits;

/// Budgets and periods of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes for cached values, cached blocks (indexes and filters among them) and what is not yet in a table file, together.
    pub cache_bytes: usize,
    /// Bytes of the changelog that are kept for those who resume.
    pub changelog_bytes: u64,
}

/// The parts of [`StoreOptions::cache_bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) values: usize,
    /// Blocks, and memtables, which are charged to the block cache.
    pub(super) blocks: usize,
    pub(super) memtables: usize,
}

impl Budget {
    pub(super) fn of(cache_bytes: usize) -> Budget {
        let cache_bytes = cache_bytes.max(limits::CACHE_BYTES_MIN);
        let values = cache_bytes / 8 * 3;
        let blocks = cache_bytes - values;
        Budget { values, blocks, memtables: (blocks / 2).min(limits::MEMTABLE_BYTES_MAX) }
    }
}

/// RocksDB's options of a store, with the caches that they share.
pub(super) struct Tuning {
    pub(super) database: Options,
    pub(super) meta: Options,
    pub(super) rows: Options,
    pub(super) changelog: Options,
    pub(super) blocks: Cache,
    pub(super) memtables: WriteBufferManager,
}

impl Tuning {
    pub(super) fn new(budget: Budget, dir: &str) -> Tuning {
        let blocks = Cache::new_lru_cache(budget.blocks);
        let memtables =
            WriteBufferManager::new_write_buffer_manager_with_cache(budget.memtables, false, blocks.clone());
        let database = database(&memtables, dir);
        Tuning {
            meta: family(&blocks, limits::META_WRITE_BUFFER_BYTES),
            rows: rows(&blocks),
            changelog: changelog(&blocks),
            database,
            blocks,
            memtables,
        }
    }
}

fn database(memtables: &WriteBufferManager, dir: &str) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_write_buffer_manager(memtables);
    // Two cores: a flush and a compaction, and the engine keeps one.
    options.set_max_background_jobs(limits::BACKGROUND_JOBS);
    // Opening reads neither every table's footer nor its properties, so that it costs the same with more of them.
    options.set_max_open_files(limits::OPEN_FILES_MAX);
    options.set_skip_stats_update_on_db_open(true);
    // What a restart must replay.
    options.set_max_total_wal_size(limits::WAL_BYTES_MAX);
    // A torn tail is what was never synced; the log is read again from the position before it.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // Write-back in small portions, so that the WAL's sync does not wait behind a whole table file.
    options.set_bytes_per_sync(limits::BYTES_PER_SYNC);
    options.set_max_manifest_file_size(limits::MANIFEST_BYTES_MAX);
    // A tick of RocksDB's own statistics would write and log on its own account.
    options.set_stats_persist_period_sec(0);
    options.set_stats_dump_period_sec(0);
    options.enable_statistics();
    options.set_statistics_level(rocksdb::statistics::StatsLevel::ExceptHistogramOrTimers);
    let dir = dir.to_owned();
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, move |level, message| match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(store = dir, "rocksdb: {}", message.trim_end()),
        _ => tracing::debug!(store = dir, "rocksdb: {}", message.trim_end()),
    }));
    options
}

fn family(blocks: &Cache, write_buffer_bytes: usize) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(blocks);
    // Filters and indexes in small parts inside the cache: memory stays bounded, and a cold look-up reads parts, not wholes.
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    tables.set_partition_filters(true);
    tables.set_pin_top_level_index_and_filter(true);
    tables.set_bloom_filter(limits::BLOOM_BITS_PER_KEY, false);
    tables.set_optimize_filters_for_memory(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&tables);
    options.set_compression_type(Compression::Lz4);
    options.set_write_buffer_size(write_buffer_bytes);
    options.set_max_write_buffer_number(limits::WRITE_BUFFERS_MAX);
    options
}

/// Written once and read soon or not at all: neither made smaller nor put in order before much of it is there.
fn changelog(blocks: &Cache) -> Options {
    let mut options = family(blocks, limits::CHANGELOG_WRITE_BUFFER_BYTES);
    options.set_compression_type(Compression::None);
    options.set_level_zero_file_num_compaction_trigger(limits::CHANGELOG_FLUSHES_MERGED);
    options.set_level_zero_slowdown_writes_trigger(2 * limits::CHANGELOG_FLUSHES_MERGED);
    options.set_level_zero_stop_writes_trigger(3 * limits::CHANGELOG_FLUSHES_MERGED);
    options
}

fn rows(blocks: &Cache) -> Options {
    let mut options = family(blocks, limits::ROWS_WRITE_BUFFER_BYTES);
    // The flushed files and the level below them are rewritten again and again, most of the time for compression.
    options.set_compression_per_level(&[Compression::None, Compression::None, Compression::Lz4]);
    // Merged once they are together as large as that level, of which each merge writes all.
    options.set_level_zero_file_num_compaction_trigger(limits::ROWS_FLUSHES_MERGED);
    // A key that is not there is not searched for in the memtable: the usual case of a new reading.
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(limits::MEMTABLE_BLOOM_RATIO);
    options.set_target_file_size_base(limits::TABLE_FILE_BYTES);
    options.set_max_bytes_for_level_base(limits::LEVEL_BASE_BYTES);
    // What was deleted in a row, as forgotten rows and timers that went off are, gives its space back soon and is not walked
    // over again and again.
    options.add_compact_on_deletion_collector_factory(
        limits::DELETED_WINDOW_ENTRIES,
        limits::DELETED_WINDOW_TRIGGER,
        limits::DELETED_RATIO,
    );
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_budget_are_within_it() {
        for cache_bytes in [0, limits::CACHE_BYTES_MIN, 256 << 20, 4 << 30] {
            let budget = Budget::of(cache_bytes);
            assert_eq!(budget.values + budget.blocks, cache_bytes.max(limits::CACHE_BYTES_MIN));
            assert!(budget.memtables <= budget.blocks / 2 && budget.memtables <= limits::MEMTABLE_BYTES_MAX);
        }
    }
}
