//! Rows grouped by their encoded key.

use std::hash::BuildHasher;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::DataType;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::rows::take_rows;
use crate::changes::Changes;
use crate::row::{Block, KeyEncoder, sorted_order};

/// The distinct keys among many, and which row has which.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// The distinct keys, ascending.
    pub(crate) keys: Block,
    /// The position in `keys` of each row's key.
    pub(crate) of_row: Vec<u32>,
    /// The first row with each key.
    pub(crate) first_row: Vec<u32>,
}

impl Groups {
    /// Groups rows by their keys, one key a row. Hashing first leaves only distinct keys to sort.
    pub(crate) fn of(keys: &Block) -> Groups {
        let build = DefaultHashBuilder::default();
        let mut table: HashTable<u32> = HashTable::with_capacity(keys.len());
        // Side by side, where looking for one finds the others in the processor's cache.
        let mut distinct = Block::default();
        let mut first_row: Vec<u32> = Vec::new();
        let mut of_row: Vec<u32> = Vec::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            // Rows of one key often come one after the other.
            if let Some(&last) = of_row.last()
                && keys.get(row - 1) == key
            {
                of_row.push(last);
                continue;
            }
            let found = table.entry(
                build.hash_one(key),
                |&group| distinct.get(group as usize) == key,
                |&group| build.hash_one(distinct.get(group as usize)),
            );
            let group = match found {
                hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
                hashbrown::hash_table::Entry::Vacant(entry) => {
                    let group = first_row.len() as u32;
                    entry.insert(group);
                    first_row.push(row as u32);
                    distinct.push(key);
                    group
                }
            };
            of_row.push(group);
        }
        ranked(&distinct, &first_row, of_row)
    }

    /// Groups rows that are the same in all columns.
    pub(crate) fn of_rows(rows: &RecordBatch) -> Groups {
        let types: Vec<DataType> = rows.columns().iter().map(|column| column.data_type().clone()).collect();
        Groups::of(&KeyEncoder::new(&types).encode_arrays(rows.columns(), rows.num_rows()))
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The position of a key, if a row has it.
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.keys.get(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// The rows of every group: group `g` has `rows[starts[g]..starts[g + 1]]`, ascending.
    pub(crate) fn rows(&self) -> (Vec<u32>, Vec<u32>) {
        let mut starts = vec![0_u32; self.len() + 1];
        for &group in &self.of_row {
            starts[group as usize + 1] += 1;
        }
        for group in 0..self.len() {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut rows = vec![0_u32; self.of_row.len()];
        for (row, &group) in self.of_row.iter().enumerate() {
            rows[next[group as usize] as usize] = row as u32;
            next[group as usize] += 1;
        }
        (starts, rows)
    }
}

/// Numbers groups by their key's rank instead of by first appearance.
fn ranked(distinct: &Block, first_row: &[u32], mut of_row: Vec<u32>) -> Groups {
    let order = sorted_order(distinct);
    let mut rank = vec![0_u32; order.len()];
    let mut sorted = Block::with_capacity(order.len(), distinct.byte_len());
    for (position, &group) in order.iter().enumerate() {
        rank[group as usize] = position as u32;
        sorted.push(distinct.get(group as usize));
    }
    let first = order.iter().map(|&group| first_row[group as usize]).collect();
    for group in &mut of_row {
        *group = rank[*group as usize];
    }
    Groups { keys: sorted, of_row, first_row: first }
}

/// The same changes with each different row once, and none that cancel.
pub(crate) fn consolidated(changes: &Changes) -> Changes {
    let groups = Groups::of_rows(&changes.rows);
    let mut net = vec![0_i64; groups.len()];
    groups.of_row.iter().zip(&changes.diffs).for_each(|(&group, diff)| net[group as usize] += diff);
    let changed: Vec<usize> = (0..groups.len()).filter(|&group| net[group] != 0).collect();
    let rows = UInt32Array::from_iter_values(changed.iter().map(|&group| groups.first_row[group]));
    Changes::new(take_rows(&changes.rows, &rows), changed.iter().map(|&group| net[group]).collect())
}
