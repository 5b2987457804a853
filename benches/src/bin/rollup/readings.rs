//! Readings of 1,000 circuits in time order; one in a hundred corrects an earlier one.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub const CIRCUITS: u64 = 1_000;
/// A circuit is read this often.
const PERIOD_US: i64 = 10_000_000;
/// Midnight, so that the windows of a short run are whole.
const START_US: i64 = 1_699_920_000_000_000;
/// One reading in so many corrects one that is at least `CORRECTED_BEFORE` readings old.
const CORRECTION_EVERY: u64 = 100;
const CORRECTED_BEFORE: u64 = 30_000;

/// What a meter sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub circuit: i32,
    /// Microseconds since 1970.
    pub at: i64,
    pub energy_wh: i64,
}

/// One epoch's readings, in both forms.
pub struct Epoch {
    pub readings: Vec<Reading>,
    pub rows: RecordBatch,
}

/// The columns of [`Epoch::rows`].
pub fn schema() -> SchemaRef {
    let at = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    Arc::new(Schema::new(vec![
        Field::new("circuit", DataType::Int32, false),
        Field::new("at", at, false),
        Field::new("energy_wh", DataType::Int64, true),
    ]))
}

/// The first `rows` readings, `epoch_rows` an epoch.
pub fn epochs(rows: u64, epoch_rows: u64) -> Vec<Epoch> {
    let starts = (0..rows).step_by(epoch_rows as usize);
    starts.map(|start| epoch((start..rows.min(start + epoch_rows)).map(reading).collect())).collect()
}

fn epoch(readings: Vec<Reading>) -> Epoch {
    let at = TimestampMicrosecondArray::from_iter_values(readings.iter().map(|reading| reading.at));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(readings.iter().map(|reading| reading.circuit))),
        Arc::new(at.with_timezone("+00:00")),
        Arc::new(Int64Array::from_iter_values(readings.iter().map(|reading| reading.energy_wh))),
    ];
    Epoch { rows: RecordBatch::try_new(schema(), columns).expect("the columns of the schema"), readings }
}

/// The `number`-th reading to arrive. Corrections of one epoch never meet in one key.
fn reading(number: u64) -> Reading {
    let energy_wh = (mixed(number) % 1_000) as i64;
    let correction = number % CORRECTION_EVERY == CORRECTION_EVERY - 1;
    let of = match correction && number >= 2 * CORRECTED_BEFORE {
        true => number - CORRECTED_BEFORE - 1 - mixed(!number) % (CORRECTION_EVERY - 2),
        false => number,
    };
    Reading { circuit: (of % CIRCUITS) as i32, at: START_US + (of / CIRCUITS) as i64 * PERIOD_US, energy_wh }
}

/// SplitMix64: numbers that look random and are the same in every run.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
