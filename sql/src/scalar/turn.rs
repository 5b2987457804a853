//! When a comparison with the time turns: what arms a row's timer.
//!
//! One side of the comparison follows the time, the other is the row's. Over the columns of the row and, behind them, the
//! time, each gives the first millisecond after that time at which the comparison has another value than before it.

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use dataflow::{EvalError, Scalar};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::SqlScalar;

/// The turn of `now() + a constant` past a time of the row's.
pub struct Passed {
    /// Timestamp(µs).
    pub time: SqlScalar,
    /// Microseconds to add to it: the constant, taken to the other side.
    pub shift_us: i64,
    /// Whether it is passed only after it, not at it.
    pub after: bool,
}

/// The turn of a comparison that is true up to some time and false from then on, or the other way round, whatever it
/// computes of the time: found by halving.
pub struct Halved {
    pub comparison: SqlScalar,
}

/// How far ahead a turn is looked for, in milliseconds: a hundred years. Later ones are as good as never.
const AHEAD_MS: i64 = 100 * 366 * 86_400_000;

/// The time that each row is asked at, in milliseconds.
fn now_ms(rows: &RecordBatch) -> Vec<i64> {
    let now = rows.column(rows.num_columns() - 1).as_primitive::<TimestampMicrosecondType>();
    now.values().iter().map(|micros| micros.div_euclid(1_000)).collect()
}

impl Scalar for Passed {
    fn eval(&self, rows: &RecordBatch) -> (ArrayRef, Vec<(usize, EvalError)>) {
        let (times, errors) = self.time.eval(rows);
        let first_ms = |micros: i64| {
            let micros = micros.checked_add(self.shift_us)?;
            // The first whole millisecond at it, or after it.
            let later = self.after || micros.rem_euclid(1_000) > 0;
            Some(micros.div_euclid(1_000) + i64::from(later))
        };
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let turns = times.iter().zip(now_ms(rows)).map(|(time, now)| first_ms(time?).filter(|turn| *turn > now));
        (Arc::new(turns.collect::<Int64Array>()), errors)
    }

    fn fingerprint(&self) -> u128 {
        let mut hasher = SipHasher13::new();
        hasher.write_u8(1);
        hasher.write_u128(self.time.fingerprint());
        hasher.write_i64(self.shift_us);
        hasher.write_u8(self.after.into());
        hasher.finish128().as_u128()
    }

    fn sql(&self) -> String {
        self.time.sql()
    }
}

impl Scalar for Halved {
    fn eval(&self, rows: &RecordBatch) -> (ArrayRef, Vec<(usize, EvalError)>) {
        let now = now_ms(rows);
        let present = self.at(rows, &now);
        let later = self.at(rows, &now.iter().map(|now| now.saturating_add(AHEAD_MS)).collect::<Vec<_>>());
        let turns = |row: &u32| {
            let row = *row as usize;
            present.is_valid(row) && later.is_valid(row) && present.value(row) != later.value(row)
        };
        let which: Vec<u32> = (0..rows.num_rows() as u32).filter(turns).collect();
        let mut found = vec![None; rows.num_rows()];
        let turning = take_record_batch(rows, &UInt32Array::from(which.clone())).expect("rows of the batch");
        // It is as at first at the one and has turned at the other.
        let mut before: Vec<i64> = which.iter().map(|&row| now[row as usize]).collect();
        let mut turned: Vec<i64> = before.iter().map(|now| now.saturating_add(AHEAD_MS)).collect();
        while before.iter().zip(&turned).any(|(before, turned)| turned - before > 1) {
            let middle: Vec<i64> =
                before.iter().zip(&turned).map(|(before, turned)| before + (turned - before) / 2).collect();
            let value = self.at(&turning, &middle);
            for (at, &row) in which.iter().enumerate() {
                let same = value.is_valid(at) && value.value(at) == present.value(row as usize);
                if same { before[at] = middle[at] } else { turned[at] = middle[at] }
            }
        }
        which.iter().zip(turned).for_each(|(&row, turn)| found[row as usize] = Some(turn));
        (Arc::new(Int64Array::from(found)), Vec::new())
    }

    fn fingerprint(&self) -> u128 {
        let mut hasher = SipHasher13::new();
        hasher.write_u8(2);
        hasher.write_u128(self.comparison.fingerprint());
        hasher.finish128().as_u128()
    }

    fn sql(&self) -> String {
        self.comparison.sql()
    }
}

impl Halved {
    /// The comparison at other times than the one that the rows have; NULL where it fails.
    fn at(&self, rows: &RecordBatch, times_ms: &[i64]) -> BooleanArray {
        let times = TimestampMicrosecondArray::from_iter_values(times_ms.iter().map(|time| time.saturating_mul(1_000)));
        let mut columns = rows.columns().to_vec();
        let last = columns.len() - 1;
        columns[last] = Arc::new(times.with_data_type(columns[last].data_type().clone()));
        let rows = RecordBatch::try_new(rows.schema(), columns).expect("the same columns");
        self.comparison.eval(&rows).0.as_boolean().clone()
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql())
    }
}

impl fmt::Debug for Halved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql())
    }
}
