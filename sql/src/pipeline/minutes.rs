//! `caudal.clock`: a row for each minute, while a view reads it.
//!
//! A view that begins to read it finds the minutes of the last days. From then on each comes once, in the first epoch that is
//! not before it: after a time in which the node was down all of them together, as far as rows are kept. Older ones go, and
//! the views are not told, as of a table with a retention. While no view reads it there are no rows, and it costs nothing.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use dataflow::{Changes, Direction, KeyRange, RowCodec, State, StateWrite};

use super::table::TableError;
use crate::limits::CLOCK_ROWS_MAX;
use crate::system;
use crate::types::UTC;

const MINUTE_MS: i64 = 60_000;

/// The rows of the clock; minutes are counted since 1970.
pub struct Minutes {
    codec: RowCodec,
    /// Those that there are, one after the other.
    kept: Range<i64>,
    read: bool,
}

/// What a turn of the clock does.
pub struct Turn {
    pub write: StateWrite,
    pub come: Changes,
    pub gone: Changes,
}

impl Minutes {
    /// The clock as it was left.
    pub fn resume(codec: RowCodec, state: &dyn State) -> Result<Minutes, TableError> {
        let end = |direction: Direction| -> Result<Option<i64>, TableError> {
            let mut found: Option<(Vec<u8>, Vec<u8>)> = None;
            state.scan(system::CLOCK, &KeyRange::all(), direction, &mut |key, value| {
                found = Some((key.to_vec(), value.to_vec()));
                ControlFlow::Break(())
            })?;
            let entry = found.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            let corrupt = |source| TableError::Corrupt { relation: system::CLOCK, source };
            let rows = codec.decode(entry, None).map_err(corrupt)?.rows;
            let micros = rows.column(0).as_primitive::<TimestampMicrosecondType>().values().first().copied();
            Ok(micros.map(|micros| micros.div_euclid(1_000 * MINUTE_MS)))
        };
        let kept = match (end(Direction::Ascending)?, end(Direction::Descending)?) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        };
        Ok(Minutes { codec, kept, read: false })
    }

    /// Whether views read it.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// From here on views read it.
    pub fn start(&mut self) {
        self.read = true;
    }

    /// No view reads it any more: its rows go.
    pub fn stop(&mut self) -> StateWrite {
        self.read = false;
        let mut write = StateWrite::new(system::CLOCK);
        let gone = std::mem::take(&mut self.kept);
        self.codec.keys(&rows(&gone)).iter().for_each(|key| write.delete(key));
        write
    }

    /// When the next minute begins, in milliseconds since 1970; `None` while nobody asks.
    pub fn next_ms(&self) -> Option<i64> {
        self.read.then(|| if self.kept.is_empty() { i64::MIN } else { self.kept.end * MINUTE_MS })
    }

    /// The minutes that have begun by now, and those that are too old. `None` where there are none.
    pub fn turn(&mut self, now_ms: i64) -> Option<Turn> {
        if self.next_ms().is_none_or(|next_ms| next_ms > now_ms) {
            return None;
        }
        let end = now_ms.div_euclid(MINUTE_MS) + 1;
        let first = end - CLOCK_ROWS_MAX as i64;
        let come = if self.kept.is_empty() { first..end } else { self.kept.end.max(first)..end };
        let gone = self.kept.start..self.kept.end.min(first).max(self.kept.start);
        let start = if self.kept.is_empty() { first } else { self.kept.start.max(first) };
        self.kept = start..end;
        let (come, gone) = (rows(&come), rows(&gone));
        let mut write = StateWrite::new(system::CLOCK);
        self.codec.keys(&gone).iter().for_each(|key| write.delete(key));
        let values = self.codec.values(&come);
        self.codec.keys(&come).iter().zip(values.iter()).for_each(|(key, value)| write.put(key, value));
        let diffs = vec![-1; gone.num_rows()];
        Some(Turn { write, come: Changes::inserts(come), gone: Changes::new(gone, diffs) })
    }
}

fn rows(minutes: &Range<i64>) -> RecordBatch {
    let micros = minutes.clone().map(|minute| minute * MINUTE_MS * 1_000);
    let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone(UTC));
    RecordBatch::try_new(system::clock(), vec![column]).expect("a column of minutes")
}
