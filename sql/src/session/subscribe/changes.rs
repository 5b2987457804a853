//! The changelog of a followed relation, read from an epoch on.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::compute::{concat_batches, take_record_batch};
use arrow::row::{OwnedRow, RowConverter, SortField};
use dataflow::{Changes, Epoch, RowCodec};
use storage::Trimmed;

use super::broken;
use crate::error::SqlError;
use crate::limits::SUBSCRIBE_READ_BYTES;
use crate::pipeline::{BEGINNING, Shared};
use crate::planner::Followed;

/// What is read, and what becomes of it.
pub struct Source {
    shared: Arc<Shared>,
    followed: Followed,
    codec: RowCodec,
}

/// Changes, each epoch's consolidated, up to an epoch.
pub struct Read {
    pub epochs: Vec<(Epoch, Changes)>,
    pub upto: Epoch,
}

impl Source {
    pub fn new(shared: Arc<Shared>, followed: Followed) -> Source {
        let codec = RowCodec::new(&followed.relation.schema);
        Source { shared, followed, codec }
    }

    /// The changes in published epochs after `after`, or as many as may be held at a time.
    pub async fn read(self: Arc<Source>, after: Epoch) -> Result<Read, SqlError> {
        // The store blocks: an async thread must not.
        let read = tokio::task::spawn_blocking(move || self.read_now(after)).await;
        read.map_err(|failed| SqlError::new("XX000", failed.to_string()))?
    }

    fn read_now(&self, after: Epoch) -> Result<Read, SqlError> {
        let (id, name) = (self.followed.relation.id, &self.followed.relation.name);
        // What comes in the meantime is in the next read.
        let mut upto = self.shared.store.snapshot().epoch();
        let trimmed = |trimmed| match trimmed {
            Trimmed::Before(kept) => lost(name, after, kept),
            Trimmed::Store(error) => error.into(),
        };
        let mut epochs: Vec<(Epoch, Vec<Changes>)> = Vec::new();
        let mut bytes = 0;
        for entry in self.shared.store.changes(id, after).map_err(trimmed)? {
            let (epoch, entry) = entry?;
            if entry == BEGINNING {
                return Err(lost(name, after, epoch));
            }
            if epochs.last().is_none_or(|(last, _)| *last != epoch) {
                if bytes >= SUBSCRIBE_READ_BYTES {
                    upto = epochs.last().expect("some bytes were read").0;
                    break;
                }
                epochs.push((epoch, Vec::new()));
                upto = upto.max(epoch);
            }
            bytes += entry.len();
            let corrupt = |error| SqlError::new("XX001", format!("the changes of {name} cannot be read: {error}"));
            let (_, changes) = epochs.last_mut().expect("one was pushed");
            for batch in self.codec.decode_changes(&entry, None).map_err(corrupt)? {
                changes.push(self.followed.changes(batch)?);
            }
        }
        // After the changes: what was removed before them is not in the catalogue any more.
        if self.shared.catalog().by_id(id).is_none() {
            let words = format!("relation \"{name}\" was dropped, or is being built anew: SUBSCRIBE is ended");
            return Err(SqlError::new("42P01", words));
        }
        let mut consolidated = Vec::with_capacity(epochs.len());
        for (epoch, changes) in epochs {
            consolidated.extend(self.consolidated(&changes)?.map(|changes| (epoch, changes)));
        }
        Ok(Read { epochs: consolidated, upto })
    }

    /// The same changes with each row once, those taken away before those added.
    fn consolidated(&self, changes: &[Changes]) -> Result<Option<Changes>, SqlError> {
        let schema = self.followed.schema();
        let rows = concat_batches(&schema, changes.iter().map(|batch| &batch.rows)).map_err(broken)?;
        let diffs: Vec<i64> = changes.iter().flat_map(|batch| batch.diffs.iter().copied()).collect();
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let keys = RowConverter::new(fields).and_then(|converter| converter.convert_columns(rows.columns()));
        let keys = keys.map_err(broken)?;
        let mut sums: HashMap<OwnedRow, (usize, i64)> = HashMap::with_capacity(diffs.len());
        for (at, diff) in diffs.into_iter().enumerate() {
            sums.entry(keys.row(at).owned()).or_insert((at, 0)).1 += diff;
        }
        let mut sums: Vec<(usize, i64)> = sums.into_values().filter(|(_, diff)| *diff != 0).collect();
        sums.sort_unstable_by_key(|&(at, diff)| (diff > 0, at));
        if sums.is_empty() {
            return Ok(None);
        }
        let (at, diffs): (Vec<u32>, Vec<i64>) = sums.into_iter().map(|(at, diff)| (at as u32, diff)).unzip();
        Ok(Some(Changes::new(take_record_batch(&rows, &UInt32Array::from(at)).map_err(broken)?, diffs)))
    }
}

/// The changes that would be next are not there.
fn lost(name: &str, after: Epoch, kept: Epoch) -> SqlError {
    let words = format!("the changes of \"{name}\" after epoch {after} are not kept: those from epoch {kept} on are");
    SqlError::new("72000", words).hint("Take the snapshot again: SUBSCRIBE without AS OF.")
}
