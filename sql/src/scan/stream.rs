//! A scan of key ranges as a stream of batches. A few rows that memory has are read on the spot, any others off the async
//! threads, piece by piece.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use dataflow::{Block, Direction, KeyRange, RowCodec, StateError};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use storage::{Cursor, Reader};

use crate::error::SqlError;
use crate::limits::{SCAN_RANGES_AT_ONCE, SCAN_ROWS_AT_ONCE};
use crate::relation::Relation;

/// A scan under way.
pub struct Reading {
    pub reader: Reader,
    pub relation: Arc<Relation>,
    pub codec: Arc<RowCodec>,
    pub columns: Arc<[usize]>,
    pub schema: SchemaRef,
    /// Those not read yet, the next one last.
    pub ranges: Vec<KeyRange>,
    /// Each range is of one key.
    pub whole_keys: bool,
    /// In the range that is being read.
    pub cursor: Option<Cursor>,
    pub direction: Direction,
    /// Rows that are wanted at most.
    pub left: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
}

impl Reading {
    /// All rows.
    pub fn batches(self, metrics: BaselineMetrics) -> SendableRecordBatchStream {
        let schema = self.schema.clone();
        let entries_max = if self.whole_keys { self.ranges.len() } else { usize::MAX };
        let small = self.left.min(entries_max) <= SCAN_ROWS_AT_ONCE && self.ranges.len() <= SCAN_RANGES_AT_ONCE;
        let batches = stream::try_unfold((self, small, metrics), |(mut reading, small, metrics)| async move {
            if reading.is_done() {
                return Ok(None);
            }
            let at_once = if small { reading.at_once()? } else { None };
            let read = match at_once {
                Some(read) => Ok(read.map(|rows| (rows, reading))),
                None => {
                    // The store blocks: an async thread must not. A statement that is cancelled drops this at a batch's end.
                    let read = tokio::task::spawn_blocking(move || reading.next()).await;
                    read.unwrap_or_else(|failed| Err(DataFusionError::External(Box::new(failed))))
                }
            };
            let read = read?;
            if let Some((rows, _)) = &read {
                metrics.record_output(rows.num_rows());
            }
            Ok(read.map(|(rows, reading)| (rows, (reading, false, metrics))))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, Box::pin(batches)))
    }

    fn is_done(&self) -> bool {
        self.ranges.is_empty() && self.cursor.is_none()
    }

    /// All rows, where there are few and memory has them; then nothing is left to read.
    fn at_once(&mut self) -> Result<Option<Option<RecordBatch>>> {
        let wanted = self.left;
        let read = if self.whole_keys { self.cached_keys() } else { self.cached_ranges(wanted) };
        let Some((keys, values)) = read.map_err(|error| self.failed(&error))? else { return Ok(None) };
        let rows = self.decoded(&keys, &values)?;
        // Some of the entries may be of deleted rows: there are more behind the last one, unless that was the end.
        if self.left > 0 && keys.len() == wanted && !self.whole_keys {
            self.left = wanted;
            return Ok(None);
        }
        self.ranges.clear();
        Ok(Some(rows))
    }

    /// The entries of keys: a look-up asks the filters of table files, where a walk opens every one.
    fn cached_keys(&self) -> Result<Option<(Block, Block)>, StateError> {
        let mut sought = Block::default();
        self.ranges.iter().rev().for_each(|range| sought.push(&range.start));
        let found = self.reader.get_cached(self.relation.id, &sought)?;
        Ok(found.map(|found| {
            let (mut keys, mut values) = (Block::default(), Block::default());
            let present = found.present.iter().enumerate().filter(|(_, present)| **present);
            for (at, _) in present {
                keys.push(sought.get(at));
                values.push(found.values.get(at));
            }
            (keys, values)
        }))
    }

    /// The first entries of the ranges.
    fn cached_ranges(&self, wanted: usize) -> Result<Option<(Block, Block)>, StateError> {
        let (mut keys, mut values) = (Block::default(), Block::default());
        for range in self.ranges.iter().rev() {
            match self.reader.cached(self.relation.id, range, self.direction, wanted - keys.len())? {
                None => return Ok(None),
                Some(read) if keys.is_empty() => (keys, values) = read,
                Some((more, theirs)) => {
                    more.iter().for_each(|key| keys.push(key));
                    theirs.iter().for_each(|value| values.push(value));
                }
            }
        }
        Ok(Some((keys, values)))
    }

    /// The next batch that is not empty.
    fn next(mut self) -> Result<Option<(RecordBatch, Reading)>> {
        let (mut keys, mut values) = (Block::default(), Block::default());
        let wanted = self.left.min(self.batch_rows);
        while keys.len() < wanted {
            let cursor = match &mut self.cursor {
                Some(cursor) => cursor,
                none => {
                    let Some(range) = self.ranges.pop() else { break };
                    none.insert(self.reader.cursor(self.relation.id, range, self.direction))
                }
            };
            let room = wanted - keys.len();
            let read = cursor.next(&mut keys, &mut values, room).map_err(|error| self.failed(&error))?;
            if read == 0 {
                self.cursor = None;
            }
        }
        Ok(self.decoded(&keys, &values)?.map(|rows| (rows, self)))
    }

    /// The entries as rows; `None` where there are none.
    fn decoded(&mut self, keys: &Block, values: &Block) -> Result<Option<RecordBatch>> {
        if keys.is_empty() {
            return Ok(None);
        }
        let entries = keys.iter().zip(values.iter());
        let decoded = self.codec.decode(entries, Some(&self.columns)).map_err(|error| self.failed(&error))?;
        let options = RecordBatchOptions::new().with_row_count(Some(decoded.rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), decoded.rows.columns().to_vec(), &options)?;
        let rows = if self.relation.schema.counted { repeated(&rows, &decoded.counts)? } else { rows };
        let rows = if rows.num_rows() > self.left { rows.slice(0, self.left) } else { rows };
        self.left -= rows.num_rows();
        Ok(Some(rows))
    }

    fn failed(&self, error: &dyn fmt::Display) -> DataFusionError {
        SqlError::new("XX001", format!("{} cannot be read: {error}", self.relation.name)).into()
    }
}

/// Each row of a bag as often as it occurs.
fn repeated(rows: &RecordBatch, counts: &[i64]) -> Result<RecordBatch> {
    if counts.iter().all(|&count| count == 1) {
        return Ok(rows.clone());
    }
    let times = |(row, &count): (usize, &i64)| std::iter::repeat_n(row as u32, count.max(0) as usize);
    let indices: Vec<u32> = counts.iter().enumerate().flat_map(times).collect();
    Ok(take_record_batch(rows, &UInt32Array::from(indices))?)
}
