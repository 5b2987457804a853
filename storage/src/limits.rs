//! Every bound of this crate, by name.

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
pub const RETENTION_PERIOD: std::time::Duration = std::time::Duration::from_secs(10);

/// Idempotent producers remembered per partition; the one unused for longest is forgotten first.
pub const PRODUCERS_MAX: usize = 4_096;

/// Batches remembered per idempotent producer, as in Kafka: what may be in flight and retried.
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// Producer ids that are reserved with one durable write.
pub const PRODUCER_IDS_RESERVED: u64 = 1_000;

/// Topics in one log.
pub const TOPICS_MAX: usize = 2_000;

/// Partitions of one topic.
pub const PARTITIONS_PER_TOPIC_MAX: i32 = 256;

/// Partitions of all topics together; each keeps one file open.
pub const PARTITIONS_MAX: usize = 4_000;
