//! Every bound of this crate, by name.

use std::time::Duration;

/// Rows that a table may have, by its `max_rows`, to be joined without an equality: a change of the other side meets all.
pub const CROSS_ROWS_MAX: u64 = 10_000;

/// Minutes that `caudal.clock` has: five days.
pub const CLOCK_ROWS_MAX: u64 = 5 * 24 * 60;

/// Rows that a table may have, by its `max_rows`, to be kept in memory for joins.
pub const RESIDENT_ROWS_MAX: u64 = 1_000_000;

/// Rows that all tables together may have that are kept in memory for joins, by their `max_rows`; a table that joins find by
/// different columns is kept as often. A million take 53 to 80 MB.
pub const RESIDENT_ROWS_ALL_MAX: u64 = 3_000_000;

/// Rows of a group that a view may keep the first of: a change reads them all.
pub const TOP_ROWS_MAX: u64 = 10_000;

/// Rows that `lag` and `lead` may look over in a view: a change reads twice as many to either side.
pub const NEIGHBOUR_ROWS_MAX: u64 = 1_000;

/// Equalities of one join in a view.
pub const JOIN_COLUMNS_MAX: usize = 8;

/// Compiled regular expressions that a thread keeps.
pub const PATTERNS_KEPT_MAX: usize = 64;

/// Columns of an index.
pub const INDEX_COLUMNS_MAX: usize = 8;

/// Rows of the batches that queries compute on.
pub const QUERY_BATCH_ROWS: usize = 8_192;

/// Bytes of events that one epoch takes from the log at most.
pub const EPOCH_BYTES_MAX: usize = 8 << 20;

/// How long the pipeline waits for events before it looks up again, in milliseconds.
pub const FETCH_WAIT_MS: u64 = 1_000;

/// Rows of a table that is swept for those to forget which are looked at between two epochs.
pub const SWEEP_PIECE_ROWS: usize = 4_096;

/// How long a sweep lets others go on after each piece.
pub const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// How often a table is swept while its retention passes: a row is kept too long by that part of it at most.
pub const SWEEPS_PER_RETENTION: i64 = 1_000;

/// How long an epoch that only timers ask for lets the next such one wait: what goes off meanwhile is one epoch.
pub const TIMERS_PAUSE: Duration = Duration::from_millis(50);

/// Statements that change the catalogue and wait for the pipeline at once.
pub const DDL_QUEUE_MAX: usize = 64;

/// Commits that are written and wait to be synced. Past it the pipeline waits.
pub const COMMITS_UNSYNCED_MAX: usize = 2;

/// Bytes of an event's payload that `caudal.quarantine` keeps.
pub const QUARANTINE_PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Characters of a value that a quarantine reason quotes.
pub const REASON_QUOTE_CHARS_MAX: usize = 40;

/// Characters of a reason that a sender gives for an event that is no row.
pub const REASON_CHARS_MAX: usize = 500;

/// Events that one message of a device may carry.
pub const MESSAGE_EVENTS_MAX: usize = 5_000;

/// Different reasons that one statement reports by name; the rest are summed up.
pub const OUTCOME_REASONS_MAX: usize = 100;

/// Partitions of a topic that a table reads.
pub const PARTITIONS_MAX: i32 = 64;

/// Columns of a table or view.
pub const COLUMNS_MAX: usize = 1_000;

/// Characters of the name of a table or view.
pub const NAME_CHARS_MAX: usize = 63;

/// Characters of a comment on a relation or a column.
pub const COMMENT_CHARS_MAX: usize = 10_000;

/// Bytes of one statement.
pub const STATEMENT_BYTES_MAX: usize = 16 << 20;

/// Key ranges that the predicates of one scan may fall apart into; with more the scan reads the range around them.
pub const SCAN_RANGES_MAX: usize = 1_024;

/// Rows of a relation that `caudal.relations` counts; of one with more it estimates how many there are.
pub const RELATION_ROWS_COUNTED: usize = 10_000;

/// Rows of a scan that are read where the query runs, if memory has them, and how many key ranges they may lie in: handing
/// them to another thread would take longer.
pub const SCAN_ROWS_AT_ONCE: usize = 128;
pub const SCAN_RANGES_AT_ONCE: usize = 16;

/// Rows that a scan hands over at once.
pub const SCAN_BATCH_ROWS: usize = 8_192;

/// Bytes that the operators of one query may hold; the session's `work_mem` may say less.
pub const QUERY_BYTES_MAX: usize = 256 << 20;

/// Bytes that the operators of all queries together may hold: past it they write to temporary files as a query does that has
/// no more of its own.
pub const QUERIES_BYTES_MAX: usize = 384 << 20;

/// The least that `work_mem` may be, in bytes: a few batches of rows.
pub const QUERY_BYTES_MIN: usize = 4 << 20;

/// Bytes of temporary files that all queries together may have.
pub const SPILL_BYTES_MAX: u64 = 4 << 30;

/// Bytes that temporary files leave free on their disk, for the log and the store.
pub const SPILL_FREE_BYTES_MIN: u64 = 512 << 20;

/// Bytes of a query's memory for each row of its batches: with less memory batches are smaller.
pub const SPILL_BYTES_PER_ROW: usize = 16 << 10;

/// The part of a query's memory that a sort keeps back to merge what it has written.
pub const SPILL_MERGE_PART: usize = 16;

/// Events that one append of INSERT or COPY carries.
pub const APPEND_EVENTS_MAX: usize = 10_000;

/// Appends of one COPY that wait to be published. Past it the sender waits.
pub const COPY_APPENDS_MAX: usize = 8;

/// Events that an open transaction holds back for its COMMIT.
pub const TRANSACTION_EVENTS_MAX: usize = 100_000;

/// Statements that a session keeps under names.
pub const PREPARED_MAX: usize = 1000;

/// Cursors of a session.
pub const CURSORS_MAX: usize = 100;

/// Savepoints of an open transaction.
pub const SAVEPOINTS_MAX: usize = 1_000;

/// Settings that a session keeps of those it does not know.
pub const SETTINGS_MAX: usize = 100;

/// Rows that a new view takes at once while it is filled: the fewer, the less others wait for a core and for the store.
pub const FILL_PIECE_ROWS: usize = 1_024;

/// Bytes of the log that a new view over a stream is filled from at once, about.
pub const FILL_FETCH_BYTES: usize = 256 << 10;

/// How long such a view waits for the log before it looks whether it is still wanted.
pub const FILL_FETCH_WAIT: std::time::Duration = std::time::Duration::from_millis(100);

/// Bytes that a new view may write into the write-ahead log while it is filled; what is more goes past it and is flushed in the
/// end.
pub const FILL_LOGGED_BYTES: usize = 4 << 20;

/// How much longer than a piece took the filling of a view rests where epochs ran meanwhile.
pub const FILL_RESTS: u32 = 2;

/// Bytes of changes that a new view takes at once while it catches up, about.
pub const FILL_STRETCH_BYTES: u64 = 1 << 20;

/// A new view has caught up when it takes all that has changed within this time: as long do epochs wait for its last step.
pub const FILL_CAUGHT_UP: std::time::Duration = std::time::Duration::from_millis(10);

/// Views that wait for another to be filled.
pub const FILLS_WAITING_MAX: usize = 64;

/// Bytes of the changelog that the store keeps for those who resume.
pub const CHANGELOG_BYTES: u64 = 256 << 20;

/// Bytes of changes that a subscription reads at a time; an epoch is read whole.
pub const SUBSCRIBE_READ_BYTES: usize = 1 << 20;

/// How long a subscription waits between two reads: what is published meanwhile is one read.
pub const SUBSCRIBE_PAUSE: Duration = Duration::from_millis(2);

/// Views inlined into one statement, views in views counted each time.
pub const INLINED_VIEWS_MAX: usize = 256;

/// Stack of each thread: planning follows the nesting of a statement by recursion, and must never end the node.
pub const STACK_BYTES: usize = 16 << 20;

/// Roles that there are: customers, their meters, people.
pub const ROLES_MAX: usize = 100_000;

/// Filters of MQTT topics that a role has of its own, of each kind.
pub const TOPIC_FILTERS_MAX: usize = 16;

/// How often a database that stopped for its disk looks whether there is room again.
pub const DISK_PAUSE: Duration = Duration::from_millis(500);

/// Bytes that must be free before a database that stopped for its disk is opened again: opening writes out what the write-ahead
/// log has, and the first epochs need some.
pub const REOPEN_FREE_BYTES_MIN: u64 = 64 << 20;

/// Numbers that `generate_series` makes of one row of another table.
pub const SERIES_ITEMS_MAX: usize = 10_000;

/// Items, and pairs of items that are compared, that a JSON path looks at in one document.
pub const JSONPATH_ITEMS_MAX: u32 = 1_000_000;

/// Digits of one number of a JSON document, its zeros written out.
pub const JSON_NUMBER_DIGITS_MAX: usize = 1_000;
