//! Arrow batches between operators; keys are encoded into one flat block where a stored operator begins.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::kernels::cmp::gt_eq;
use arrow::compute::kernels::numeric::{rem, sub};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int64Type;
use dataflow::Changes;
use dataflow::row::{KeyDecoder, KeyEncoder};
use timely::Accountable;

use super::Representation;
use super::job::{GROUP_COLUMNS, Groups, MINUTE_US, TYPES, absorb, columns};

/// Changes as they flow; `None` is what timely leaves behind where it has taken a batch.
#[derive(Clone, Default)]
pub struct Batch(Option<Changes>);

impl Accountable for Batch {
    fn record_count(&self) -> i64 {
        self.0.as_ref().map_or(0, |changes| changes.len() as i64)
    }
}

pub struct ArrowBatches;

impl Representation for ArrowBatches {
    const NAME: &'static str = "Arrow batches, key blocks";
    type Batch = Batch;

    fn batch(readings: &RecordBatch) -> Batch {
        Batch(Some(Changes::inserts(readings.clone())))
    }

    fn map_filter(batch: Batch) -> Batch {
        let changes = batch.0.expect("an empty batch is not sent");
        let keep = gt_eq(changes.rows.column(2), &Int64Array::new_scalar(0)).expect("columns of one type");
        let rows = filter_record_batch(&changes.rows, &keep).expect("a mask of the same length");
        let diffs = keep.values().set_indices().map(|row| changes.diffs[row]).collect();
        let columns = vec![rows.column(0).clone(), minute(rows.column(1)), rows.column(2).clone()];
        Batch(Some(Changes::new(RecordBatch::try_new(rows.schema(), columns).expect("the same types"), diffs)))
    }

    fn reduce(batches: Vec<Batch>, groups: &mut Groups) -> Batch {
        let batches: Vec<RecordBatch> = batches.into_iter().filter_map(|batch| Some(batch.0?.rows)).collect();
        let rows = concat_batches(&batches[0].schema(), &batches).expect("batches of one schema");
        let group: Vec<usize> = (0..GROUP_COLUMNS).collect();
        let keys = KeyEncoder::new(&TYPES[..GROUP_COLUMNS]).encode(&rows, &group);
        let (keys, changed) = absorb(groups, &keys, rows.column(2).as_primitive::<Int64Type>().values());

        let of_keys = KeyDecoder::new(&TYPES[..GROUP_COLUMNS]).decode(keys.iter()).expect("keys encoded above");
        let names = ["circuit", "minute", "count", "sum", "min", "max"];
        let rows = RecordBatch::try_from_iter(names.into_iter().zip(of_keys.into_iter().chain(columns(&changed))));
        Batch(Some(Changes::inserts(rows.expect("columns of one length"))))
    }
}

/// The minute that a time in microseconds lies in.
pub fn minute(at: &ArrayRef) -> ArrayRef {
    let within = rem(at, &Int64Array::new_scalar(MINUTE_US)).expect("columns of one type");
    Arc::new(sub(at, &within).expect("columns of one type"))
}
