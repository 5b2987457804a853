//! The readings, and the groups that both representations keep alike.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use dataflow::Block;
use dataflow::row::sorted_order;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub const CIRCUITS: usize = 1_000;
pub const MINUTE_US: i64 = 60_000_000;
/// A circuit is read this often.
const PERIOD_US: i64 = 10_000_000;
/// Types of circuit, time (microseconds) and value.
pub const TYPES: [DataType; 3] = [DataType::Int32, DataType::Int64, DataType::Int64];
/// How many of the columns make a group.
pub const GROUP_COLUMNS: usize = 2;

/// Readings in time order, `epoch_rows` a batch: circuit, at, value. Some values are negative.
pub fn readings(rows: usize, epoch_rows: usize) -> Vec<RecordBatch> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let epochs = (0..rows).step_by(epoch_rows).map(|start| {
        let rows = start..rows.min(start + epoch_rows);
        let circuits = rows.clone().map(|row| (row * 7 % CIRCUITS) as i32);
        let times = rows.clone().map(|row| 1_700_000_000_000_000 + (row / CIRCUITS) as i64 * PERIOD_US);
        let values: Vec<i64> = rows.clone().map(|_| random.random_range(-50..1_000)).collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("circuit", Arc::new(Int32Array::from_iter_values(circuits))),
            ("at", Arc::new(Int64Array::from_iter_values(times))),
            ("value", Arc::new(Int64Array::from(values))),
        ];
        RecordBatch::try_from_iter(columns).expect("columns of one length")
    });
    epochs.collect()
}

/// What is kept of a circuit's minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub count: i64,
    pub sum: i64,
    pub min: i64,
    pub max: i64,
}

/// Encoded (circuit, minute) -> what is kept.
pub type Groups = HashMap<Box<[u8]>, Group>;

/// Adds one value a key; the groups that changed, by their keys in order.
pub fn absorb(groups: &mut Groups, keys: &Block, values: &[i64]) -> (Block, Vec<Group>) {
    let order = sorted_order(keys);
    let mut changed = (Block::default(), Vec::new());
    for run in order.chunk_by(|&left, &right| keys.get(left as usize) == keys.get(right as usize)) {
        let key = keys.get(run[0] as usize);
        let values = || run.iter().map(|&row| values[row as usize]);
        let added = Group {
            count: run.len() as i64,
            sum: values().sum(),
            min: values().min().expect("a run is not empty"),
            max: values().max().expect("a run is not empty"),
        };
        let group = match groups.get_mut(key) {
            Some(group) => {
                group.count += added.count;
                group.sum += added.sum;
                group.min = group.min.min(added.min);
                group.max = group.max.max(added.max);
                *group
            }
            None => *groups.entry(key.into()).or_insert(added),
        };
        changed.0.push(key);
        changed.1.push(group);
    }
    changed
}

/// Count, sum, min and max as columns.
pub fn columns(groups: &[Group]) -> [ArrayRef; 4] {
    let column = |of: fn(&Group) -> i64| -> ArrayRef { Arc::new(groups.iter().map(of).collect::<Int64Array>()) };
    [column(|group| group.count), column(|group| group.sum), column(|group| group.min), column(|group| group.max)]
}
