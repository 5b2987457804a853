//! Every bound of this crate, by name.

/// Rows in one [`crate::Changes`] batch.
pub const CHANGES_ROWS_MAX: usize = 8_192;

/// Rows that one step may hand out per view before it is an error: a join that explodes must not take the node with it.
pub const STEP_ROWS_MAX: usize = 50_000_000;

/// The widest key range that a retracted extreme may scan again, in microseconds of its time column: a day.
pub const RESCAN_MICROS_MAX: i64 = 86_400_000_000;

/// Values of a group that are put together into one: a change reads them all. With more the group is an error row.
pub const SEQUENCE_VALUES_MAX: usize = 10_000;

/// Bytes that those values may have.
pub const SEQUENCE_BYTES_MAX: usize = 1 << 20;

/// Timers of one operator that go off in one epoch, about: where more are due the time goes on in several epochs.
pub const TIMERS_PER_EPOCH_MAX: usize = 65_536;
