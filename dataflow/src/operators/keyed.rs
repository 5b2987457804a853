//! The root of a view whose rows are unique by its key.
//!
//! State: the rows themselves, by key. A change costs one put or delete and no look-up.

use arrow::array::UInt32Array;

use super::batch::pieces;
use super::rows::{concat, take_rows};
use crate::changes::Changes;
use crate::relation::RelationId;
use crate::row::{RowCodec, sorted_order};
use crate::state::StateWrite;

/// The epoch's writes of the view and its changes, consolidated: at most one retraction and one insertion a key.
pub(crate) fn keyed(relation: RelationId, codec: &RowCodec, changes: Vec<Changes>) -> (StateWrite, Vec<Changes>) {
    let mut write = StateWrite::seldom_read(relation);
    let Some(changes) = concat(changes) else {
        return (write, Vec::new());
    };
    let keys = codec.keys(&changes.rows);
    let values = codec.values(&changes.rows);
    let order = sorted_order(&keys);
    write.reserve(keys.len(), keys.byte_len(), values.byte_len());
    let (mut rows, mut diffs) = (Vec::new(), Vec::new());
    for run in order.chunk_by(|left, right| keys.get(*left as usize) == keys.get(*right as usize)) {
        let (retracted, inserted) = net_of_key(relation, run, |row| values.get(row), &changes.diffs);
        let key = keys.get(run[0] as usize);
        match inserted {
            Some(row) => write.put(key, values.get(row as usize)),
            None if retracted.is_some() => write.delete(key),
            None => (),
        }
        for (row, diff) in [(retracted, -1), (inserted, 1)] {
            rows.extend(row);
            diffs.extend(row.map(|_| diff));
        }
    }
    (write, pieces(Changes::new(take_rows(&changes.rows, &UInt32Array::from(rows)), diffs)))
}

/// The row that the changes of one key retract and the one that they insert, after those that cancel.
fn net_of_key<'a>(
    relation: RelationId,
    rows: &[u32],
    value: impl Fn(usize) -> &'a [u8],
    diffs: &[i64],
) -> (Option<u32>, Option<u32>) {
    let of_one_row = |row: u32, diff: i64| match diff {
        0 => (None, None),
        1 => (None, Some(row)),
        -1 => (Some(row), None),
        _ => panic!("rows of {relation} are not unique by its key: one changes by {diff}"),
    };
    if let [row] = rows {
        return of_one_row(*row, diffs[*row as usize]);
    }
    let mut by_value = rows.to_vec();
    by_value.sort_by(|left, right| value(*left as usize).cmp(value(*right as usize)));
    let (mut retracted, mut inserted) = (None, None);
    for run in by_value.chunk_by(|left, right| value(*left as usize) == value(*right as usize)) {
        let (minus, plus) = of_one_row(run[0], run.iter().map(|&row| diffs[row as usize]).sum());
        let twice = minus.is_some() && retracted.is_some() || plus.is_some() && inserted.is_some();
        assert!(!twice, "rows of {relation} are not unique by its key: two with one key change");
        retracted = retracted.or(minus);
        inserted = inserted.or(plus);
    }
    (retracted, inserted)
}
