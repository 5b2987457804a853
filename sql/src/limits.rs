//! Every bound of this crate, by name.

/// Rows that a table may have, by its `max_rows`, to be kept in memory for joins.
pub const RESIDENT_ROWS_MAX: u64 = 1_000_000;

/// Equalities of one join in a view.
pub const JOIN_COLUMNS_MAX: usize = 8;

/// Rows of the batches that queries compute on.
pub const QUERY_BATCH_ROWS: usize = 8_192;
