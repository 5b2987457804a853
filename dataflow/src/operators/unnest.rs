//! Unnest: a row for each item of a list.
//!
//! No state. A change costs as many changes as its lists have items.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

use super::rows::batch;
use crate::changes::Changes;

/// A [`Plan::Unnest`](crate::plan::Plan::Unnest).
pub(crate) struct Unnest {
    pub(crate) lists: Vec<usize>,
    pub(crate) outer: bool,
    pub(crate) schema: SchemaRef,
}

impl Unnest {
    pub(crate) fn apply(&self, changes: &Changes) -> Changes {
        let lists: Vec<&ListArray> =
            self.lists.iter().map(|&column| changes.rows.column(column).as_list::<i32>()).collect();
        let places =
            |row: usize| lists.iter().map(|list| len(list, row)).max().unwrap_or(0).max(usize::from(self.outer));
        let (mut rows, mut diffs) = (Vec::new(), Vec::new());
        let mut items: Vec<Vec<Option<u32>>> = vec![Vec::new(); lists.len()];
        for row in 0..changes.len() {
            let places = places(row);
            rows.extend(std::iter::repeat_n(row as u32, places));
            diffs.extend(std::iter::repeat_n(changes.diffs[row], places));
            for (list, items) in lists.iter().zip(&mut items) {
                let (first, len) = (list.value_offsets()[row] as u32, len(list, row));
                items.extend((0..places).map(|place| (place < len).then(|| first + place as u32)));
            }
        }
        let count = rows.len();
        let rows = UInt32Array::from(rows);
        let moved =
            |values: &ArrayRef, positions: &UInt32Array| take(values, positions, None).expect("positions within");
        let columns = changes.rows.columns().iter().enumerate().map(|(column, values)| {
            match self.lists.iter().position(|&list| list == column) {
                Some(list) => moved(lists[list].values(), &UInt32Array::from(std::mem::take(&mut items[list]))),
                None => moved(values, &rows),
            }
        });
        let columns: Vec<ArrayRef> = columns.collect();
        Changes::new(batch(&Arc::clone(&self.schema), columns, count), diffs)
    }
}

fn len(list: &ListArray, row: usize) -> usize {
    if list.is_null(row) { 0 } else { list.value_length(row) as usize }
}
