//! A scan of key ranges as a stream of batches, read off the async threads piece by piece.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use dataflow::{Block, Direction, KeyRange, RowCodec};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;
use storage::{Cursor, Snapshot, TenantScope};

use crate::error::SqlError;
use crate::limits::SCAN_BATCH_ROWS;
use crate::relation::Relation;

/// The tenant that there is without any other.
pub const DEFAULT_TENANT: TenantScope = TenantScope::One(1);

/// One relation's rows in some key ranges of a snapshot.
pub struct RangeScan {
    snapshot: Snapshot,
    relation: Arc<Relation>,
    codec: Arc<RowCodec>,
    ranges: Vec<KeyRange>,
    /// Columns to read, in their order.
    columns: Arc<[usize]>,
    schema: SchemaRef,
    limit: Option<usize>,
}

impl RangeScan {
    pub fn new(
        snapshot: Snapshot,
        relation: &Arc<Relation>,
        ranges: Vec<KeyRange>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<RangeScan> {
        let all = relation.schema.columns.fields().len();
        let columns: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..all).collect());
        Ok(RangeScan {
            snapshot,
            codec: Arc::new(RowCodec::new(&relation.schema)),
            schema: Arc::new(relation.schema.columns.project(&columns)?),
            columns: columns.into(),
            relation: relation.clone(),
            ranges,
            limit,
        })
    }

    pub fn schema_ref(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl fmt::Debug for RangeScan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} in {} key ranges", self.relation.name, self.ranges.len())
    }
}

impl PartitionStream for RangeScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reader = self.snapshot.scoped(DEFAULT_TENANT);
        let relation = self.relation.id;
        let cursors: Vec<Cursor> = self
            .ranges
            .iter()
            .rev()
            .map(|range| reader.cursor(relation, range.clone(), Direction::Ascending))
            .collect();
        let reading = Reading {
            relation: self.relation.clone(),
            codec: self.codec.clone(),
            columns: self.columns.clone(),
            schema: self.schema.clone(),
            cursors,
            left: self.limit.unwrap_or(usize::MAX),
            batch_rows: context.session_config().batch_size().min(SCAN_BATCH_ROWS),
        };
        let batches = stream::try_unfold(reading, |reading| async move {
            // The store blocks: an async thread must not. A statement that is cancelled drops this at a batch's end.
            let read = tokio::task::spawn_blocking(move || reading.next()).await;
            read.unwrap_or_else(|failed| Err(DataFusionError::External(Box::new(failed))))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), Box::pin(batches)))
    }
}

/// A scan under way.
struct Reading {
    relation: Arc<Relation>,
    codec: Arc<RowCodec>,
    columns: Arc<[usize]>,
    schema: SchemaRef,
    /// The ranges not read yet, the next one last.
    cursors: Vec<Cursor>,
    /// Rows that are wanted at most.
    left: usize,
    /// Rows of a batch.
    batch_rows: usize,
}

impl Reading {
    /// The next batch that is not empty.
    fn next(mut self) -> Result<Option<(RecordBatch, Reading)>> {
        let (mut keys, mut values) = (Block::default(), Block::default());
        let wanted = self.left.min(self.batch_rows);
        while keys.len() < wanted {
            let Some(cursor) = self.cursors.last_mut() else { break };
            let room = wanted - keys.len();
            let read = cursor.next(&mut keys, &mut values, room).map_err(|error| self.failed(&error))?;
            if read == 0 {
                self.cursors.pop();
            }
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let entries = keys.iter().zip(values.iter());
        let decoded = self.codec.decode(entries, Some(&self.columns)).map_err(|error| self.failed(&error))?;
        let options = RecordBatchOptions::new().with_row_count(Some(decoded.rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), decoded.rows.columns().to_vec(), &options)?;
        let rows = if self.relation.schema.counted { repeated(&rows, &decoded.counts)? } else { rows };
        self.left = self.left.saturating_sub(rows.num_rows());
        Ok(Some((rows, self)))
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
