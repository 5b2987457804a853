//! Every bound of this crate, by name.

use std::time::Duration;

/// How long an orderly end may take before the node says so and leaves; nothing acknowledged is lost either way.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// Bytes of memory for the caches of the store where nothing else is configured.
pub const CACHE_BYTES_DEFAULT: usize = 256 << 20;

/// Notices of a server that a client keeps until it looks at them; later ones are dropped.
pub const NOTICES_MAX: usize = 64;

/// How long a client waits for a node to answer its first message.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Rows that decide how wide the columns of a printed table are; later rows may be wider and only lose their alignment.
pub const TABLE_ROWS_MEASURED: usize = 1_000;

/// Statements that the console remembers from one time to the next.
pub const HISTORY_MAX: usize = 1_000;

/// Names that the console lists for a half-typed word.
pub const CANDIDATES_MAX: usize = 100;

/// How long the next row may take before those that have come are shown.
pub const ROWS_SHOWN_AFTER: Duration = Duration::from_millis(100);

/// Rows of a file in one batch of an import.
pub const IMPORT_BATCH_ROWS: usize = 4_096;

/// Batches read ahead of the connection during an import, for each place where the SELECT reads the file.
pub const IMPORT_BATCHES_AHEAD: usize = 2;

/// Lines that are no rows and wait to be sent to quarantine; past it the file is not read on.
pub const IMPORT_REFUSED_AHEAD: usize = 1_024;

/// Lines that are no rows in one message of an import.
pub const IMPORT_REFUSED_BATCH: usize = 256;

/// Memory that the SELECT of an import may take for sorting and grouping.
pub const IMPORT_MEMORY_BYTES: usize = 512 << 20;

/// Reasons for quarantine that the summary of an import tells one by one, the most frequent first.
pub const SUMMARY_REASONS_MAX: usize = 20;

/// How much of the past the demo's meters have seen when it is started for the first time.
pub const DEMO_HISTORY: Duration = Duration::from_secs(2 * 3_600);

/// How far back the demo's meters go on after their last reading; what is older is a gap.
pub const DEMO_BUFFER: Duration = Duration::from_secs(24 * 3_600);
