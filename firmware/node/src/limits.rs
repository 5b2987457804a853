//! Every bound of the meter.

/// Metering chips on a board, three circuits each.
pub const CHIPS: usize = 2;
pub const CIRCUITS: usize = 3 * CHIPS;

/// Largest record on flash: its header, and every number of every circuit as long as it gets.
pub const RECORD_BYTES_MAX: usize = 32 + CIRCUITS * 36;

/// Records that are uploaded together; each circuit's readings of them are one message.
pub const BATCH_RECORDS: usize = 32;

/// Longest message: a batch of readings of one circuit as JSON, every number as long as a meter's gets.
pub const MESSAGE_BYTES_MAX: usize = BATCH_RECORDS * 192;

/// Starts before the present one whose times are remembered, of records that were taken before their clock was set.
pub const ANCHORS: usize = 8;

/// A provisioning document, as it is on flash.
pub const PROVISIONING_BYTES_MAX: usize = 1_024;

/// How often the chips are read.
pub const POLL_MS: u64 = 1_000;

/// Polls after which energy is taken out of the chips though it is not time for a record: their registers hold 204 Wh, half a
/// minute of a 24 kW service.
pub const ENERGY_POLLS: u32 = 20;

/// A clock that is wrong by more is set; by less it is only steered, so that times go on strictly upwards.
pub const CLOCK_STEP_MS: i64 = 2_000;

/// Time between two answers of a time server below which they say nothing about the crystal.
pub const DRIFT_WINDOW_MS: i64 = 600_000;

/// No crystal is worse, in parts per billion: what looks like more is the network.
pub const DRIFT_PPB_MAX: i64 = 200_000;
