//! The root of a view whose rows are a bag.
//!
//! State: row -> how often it occurs. A change costs one look-up and one put or delete.

use arrow::array::UInt32Array;

use super::batch::pieces;
use super::groups::Groups;
use super::rows::{concat, take_rows};
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::relation::RelationId;
use crate::row::{Block, RowCodec};
use crate::state::{State, StateWrite};

/// The epoch's writes of the view and its changes, one for each row whose count changes.
pub(crate) fn counted(
    relation: RelationId,
    codec: &RowCodec,
    state: &dyn State,
    changes: Vec<Changes>,
) -> Result<(StateWrite, Vec<Changes>), EngineError> {
    let mut write = StateWrite::seldom_read(relation);
    let Some(changes) = concat(changes) else {
        return Ok((write, Vec::new()));
    };
    let groups = Groups::of(&codec.keys(&changes.rows));
    let mut net = vec![0_i64; groups.len()];
    for (&group, diff) in groups.of_row.iter().zip(&changes.diffs) {
        net[group as usize] += diff;
    }
    let changed: Vec<usize> = (0..groups.len()).filter(|&group| net[group] != 0).collect();
    let mut keys = Block::default();
    changed.iter().for_each(|&group| keys.push(groups.keys.get(group)));
    let found = state.get_many(relation, &keys)?;
    let (mut rows, mut diffs, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for (index, &group) in changed.iter().enumerate() {
        let before = match found.get(index) {
            Some(value) => codec.read_count(value).map_err(|source| EngineError::Corrupt { relation, source })?,
            None => 0,
        };
        let after = before + net[group];
        assert!(after >= 0, "a row of {relation} would occur {after} times");
        let row = groups.first_row[group];
        if after == 0 {
            write.delete(keys.get(index));
        } else {
            value.clear();
            codec.write_counted(after, &mut value);
            write.put(keys.get(index), &value);
        }
        rows.push(row);
        diffs.push(net[group]);
    }
    Ok((write, pieces(Changes::new(take_rows(&changes.rows, &UInt32Array::from(rows)), diffs))))
}
