//! Rows as an encoded multiset: equal bags are equal rows, bit by bit, whatever their order.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use dataflow::row::KeyEncoder;

/// How often each encoded row occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bag {
    rows: BTreeMap<Vec<u8>, i64>,
}

impl Bag {
    /// Adds rows, each as often as `counts` says; without, once.
    pub fn add(&mut self, rows: &RecordBatch, counts: Option<&[i64]>) {
        let types: Vec<_> = rows.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let columns: Vec<usize> = (0..types.len()).collect();
        let keys = KeyEncoder::new(&types).encode(rows, &columns);
        for (at, key) in keys.iter().enumerate() {
            *self.rows.entry(key.to_vec()).or_default() += counts.map_or(1, |counts| counts[at]);
        }
        self.rows.retain(|_, count| *count != 0);
    }

    /// The bag of some batches.
    pub fn of(batches: &[RecordBatch]) -> Bag {
        let mut bag = Bag::default();
        batches.iter().for_each(|batch| bag.add(batch, None));
        bag
    }
}

/// Rows as a table, for the person who reads a failure.
pub fn pretty(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).map_or_else(|error| error.to_string(), |table| table.to_string())
}
