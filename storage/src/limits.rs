//! Every bound of this crate, by name.

use std::time::Duration;

// threads

/// How long a thread that serves events runs at a time: longer than it works on most.
pub const EVENT_TURN: Duration = Duration::from_micros(400);

/// How long a thread that works beside the events runs at a time. What is shorter goes first.
pub const ASIDE_TURN: Duration = Duration::from_millis(6);

// log

/// Bytes of one record batch, as produced or as made of the events of one append to one partition.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// Bytes that the records of one batch may take once decompressed.
pub const BATCH_DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Records in one batch.
pub const BATCH_RECORDS_MAX: usize = 500_000;

/// Bytes of batches that wait for the writer or are being written; appenders beyond it wait.
pub const WRITER_QUEUE_BYTES_MAX: usize = 64 << 20;

/// What a batch counts for in that queue at least, so that tiny batches are bounded in number too.
pub const WRITER_QUEUE_BYTES_PER_BATCH_MIN: usize = 512;

/// Bytes of a partition that have come and that the tables it feeds have not taken: appends to it wait beyond that. Twenty
/// seconds' worth of readings, or as late as views may be.
pub const BEHIND_BYTES_MAX: u64 = 256 << 20;

/// Bytes that are written before one sync; what waits beyond it goes into the next group.
pub const GROUP_BYTES_MAX: usize = 16 << 20;

/// Files that are synced at the same time when a group touched several partitions.
pub const SYNCS_AT_ONCE_MAX: usize = 8;

/// Bytes between two entries of a segment's index: what a fetch may have to skip over.
pub const INDEX_INTERVAL_BYTES: u64 = 64 << 10;

/// Bytes appended to a segment before its checkpoint is written anew: what an unclean start has to read and check.
pub const CHECKPOINT_INTERVAL_BYTES: u64 = 8 << 20;

/// Bytes of a segment, unless its topic says otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;

/// The smallest and largest segment that a topic may ask for, in bytes.
pub const SEGMENT_BYTES_RANGE: std::ops::RangeInclusive<u64> = (1 << 10)..=(2 << 30);

/// How long records are kept unless their topic says otherwise: a week, in milliseconds.
pub const RETENTION_MS_DEFAULT: u64 = 7 * 24 * 60 * 60 * 1000;

/// How often retention looks for segments to remove.
pub const RETENTION_PERIOD: Duration = Duration::from_secs(10);

/// Idempotent producers remembered per partition; the one unused for longest is forgotten first.
pub const PRODUCERS_MAX: usize = 4_096;

/// Batches remembered per idempotent producer, as in Kafka: what may be in flight and retried.
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// Producer ids that are reserved with one durable write.
pub const PRODUCER_IDS_RESERVED: u64 = 1_000;

/// Offsets that consumer groups have committed, of all partitions.
pub const COMMITTED_MAX: usize = 100_000;

/// Commits of offsets that wait for the disk; one more is refused.
pub const COMMITTED_QUEUE_MAX: usize = 4_096;

/// Bytes of the journal of committed offsets below which it is not replaced.
pub const OFFSETS_JOURNAL_BYTES_MIN: usize = 1 << 20;

/// Topics in one log.
pub const TOPICS_MAX: usize = 2_000;

/// Partitions of one topic.
pub const PARTITIONS_PER_TOPIC_MAX: i32 = 256;

/// Partitions of all topics together; each keeps one file open.
pub const PARTITIONS_MAX: usize = 4_000;

/// How long an append to a cluster may take to be acknowledged; then it is given up, and whoever appended is told.
pub const CLUSTER_APPEND_MAX: Duration = Duration::from_secs(30);

/// How long a cluster is waited for when the node starts.
pub const CLUSTER_START_MAX: Duration = Duration::from_secs(30);

/// How long a cluster may take to answer a question.
pub const CLUSTER_ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long to wait before a cluster is asked again that did not know.
pub const CLUSTER_ANSWER_PAUSE: Duration = Duration::from_millis(50);

/// How long to wait at most before a broker is connected to again.
pub const CLUSTER_RECONNECT_MAX: Duration = Duration::from_secs(2);

/// Bytes of a batch on its way to a cluster, unless one event is larger: what brokers take unless they are told otherwise.
pub const CLUSTER_BATCH_BYTES: usize = 1_000_000;

/// Bytes of records that are fetched from a cluster and not asked for yet; each partition may add an answer.
pub const CLUSTER_FETCHED_BYTES_MAX: usize = 16 << 20;

/// Records fetched from a cluster that are handed over at a time.
pub const CLUSTER_FETCHED_RECORDS_MAX: usize = 4_096;

/// Bytes that a cluster's client keeps ready for each partition.
pub const CLUSTER_PREFETCH_BYTES: usize = 4 << 20;

/// How long a cluster's reader waits for records before it looks whether it shall read elsewhere.
pub const CLUSTER_POLL: Duration = Duration::from_millis(20);

/// The same while there is nothing to read.
pub const CLUSTER_IDLE_POLL: Duration = Duration::from_millis(100);

// table

/// The least that caches of a store are given, in bytes: below it nothing works as it should.
pub const CACHE_BYTES_MIN: usize = 16 << 20;

/// Memtables of all column families together, in bytes.
pub const MEMTABLE_BYTES_MAX: usize = 64 << 20;

/// A memtable of rows, in bytes: small enough that a search in it stays in the processor's cache.
pub const ROWS_WRITE_BUFFER_BYTES: usize = 16 << 20;

/// Flushed files of rows that are merged at a time.
pub const ROWS_FLUSHES_MERGED: i32 = 8;

/// A memtable of the changelog, in bytes.
pub const CHANGELOG_WRITE_BUFFER_BYTES: usize = 8 << 20;

/// Flushed files of the changelog that are merged at a time; it may take so much more of the disk than its budget.
pub const CHANGELOG_FLUSHES_MERGED: i32 = 16;

/// A memtable of positions, catalogue and outbox, in bytes.
pub const META_WRITE_BUFFER_BYTES: usize = 4 << 20;

/// Memtables of a column family before writes wait for the disk.
pub const WRITE_BUFFERS_MAX: i32 = 4;

/// The part of a memtable that its bloom filter takes.
pub const MEMTABLE_BLOOM_RATIO: f64 = 0.05;

/// Bits a key in the bloom filters of table files: one miss in a hundred reads a block in vain.
pub const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// A table file, in bytes.
pub const TABLE_FILE_BYTES: u64 = 32 << 20;

/// The first level below the flushed files, in bytes.
pub const LEVEL_BASE_BYTES: u64 = 128 << 20;

/// The write-ahead log, in bytes: what a restart replays at most.
pub const WAL_BYTES_MAX: u64 = 48 << 20;

/// Bytes of a table file or of the write-ahead log after which write-back begins.
pub const BYTES_PER_SYNC: u64 = 1 << 20;

/// RocksDB's manifest, in bytes, before it is written anew.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// Table files that are open at a time.
pub const OPEN_FILES_MAX: i32 = 512;

/// Threads of RocksDB that flush and compact.
pub const BACKGROUND_JOBS: i32 = 2;

/// Keys in one look-up of RocksDB; more are asked for in turn, so that few blocks are pinned at a time.
pub const LOOK_UP_KEYS_MAX: usize = 4_096;

/// Parts of the value cache with a lock each.
pub const CACHE_SHARDS: usize = 4;

/// The longest value that the value cache keeps, in bytes.
pub const CACHED_VALUE_BYTES_MAX: usize = 64 << 10;

/// What an entry of the value cache costs beside its key and value, in bytes.
pub const CACHED_ENTRY_OVERHEAD_BYTES: usize = 112;

/// The changelog is trimmed by stretches of this part of it.
pub const CHANGELOG_STRETCHES: u64 = 16;

/// Bytes on disk that a removed relation had, for its space to be given back at once.
pub const RECLAIMED_BYTES_MIN: u64 = 1 << 20;

/// How long the log's lock is waited for before its directory counts as in use.
pub const LOCK_WAIT_MAX: Duration = Duration::from_millis(500);

/// A table file of rows is compacted where so many of so many entries in a row are deletions, or this part of all: more than
/// the half that an index has whose rows move, each with a deletion and a put.
pub const DELETED_WINDOW_ENTRIES: usize = 4_096;
pub const DELETED_WINDOW_TRIGGER: usize = 3_072;
pub const DELETED_RATIO: f64 = 0.75;
