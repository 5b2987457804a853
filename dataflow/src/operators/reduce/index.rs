//! (group, value) -> how often the value occurs in the group, in the order of values.
//!
//! A change costs one look-up and one put; a retracted extreme one short scan more.

use std::ops::ControlFlow;

use super::deltas::Deltas;
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::operators::groups::Groups;
use crate::operators::small::Row;
use crate::relation::RelationId;
use crate::row::varint::{read_unsigned, write_unsigned};
use crate::row::{Block, CorruptRow};
use crate::state::{Direction, KeyRange, State, StateWrite, after_prefix};

/// The format byte of counts written today; a varint follows.
const FORMAT: u8 = 1;

/// A state table of counted values.
pub(super) struct Index {
    pub(super) relation: RelationId,
}

impl Index {
    /// Counts an epoch's changes. Returns the new count of each delta's value.
    pub(super) fn count(&self, shared: &Shared, groups: &Groups, deltas: &Deltas) -> Result<Vec<i64>, EngineError> {
        let mut keys = Block::default();
        for delta in &deltas.deltas {
            keys.push_with(|out| {
                out.extend_from_slice(groups.keys.get(delta.group as usize));
                out.extend_from_slice(deltas.bytes(delta));
            });
        }
        let found = shared.state.get_many(self.relation, &keys)?;
        let mut write = StateWrite::new(self.relation);
        let mut counts = Vec::with_capacity(keys.len());
        let mut value = Vec::new();
        for (position, delta) in deltas.deltas.iter().enumerate() {
            let before = found.get(position).map_or(Ok(0), |value| self.read(value))?;
            let after = before + delta.net;
            assert!(after >= 0, "a group would have a value {after} times");
            if after == 0 {
                write.delete(keys.get(position));
            } else {
                value.clear();
                write_count(after, &mut value);
                write.put(keys.get(position), &value);
            }
            counts.push(after);
        }
        shared.write(write);
        Ok(counts)
    }

    /// The value next to `from`, further in, that is still there. `count_of`: the new counts of values that change.
    pub(super) fn next(
        &self,
        state: &dyn State,
        group: &[u8],
        from: &[u8],
        max: bool,
        count_of: &dyn Fn(&[u8]) -> Option<i64>,
    ) -> Result<Option<Row>, EngineError> {
        let at = [group, from].concat();
        let (range, direction) = match max {
            true => (KeyRange { start: group.to_vec(), end: Some(at) }, Direction::Descending),
            false => (KeyRange { start: at, end: after_prefix(group) }, Direction::Ascending),
        };
        let mut next = None;
        state.scan(self.relation, &range, direction, &mut |key, _| {
            let value = &key[group.len()..];
            if count_of(value) == Some(0) {
                return ControlFlow::Continue(());
            }
            next = Some(Row::new(value));
            ControlFlow::Break(())
        })?;
        Ok(next)
    }

    fn read(&self, value: &[u8]) -> Result<i64, EngineError> {
        let count = match value.split_first() {
            Some((&FORMAT, mut rest)) => read_unsigned(&mut rest).filter(|_| rest.is_empty()),
            _ => None,
        };
        let count = count.and_then(|count| i64::try_from(count).ok());
        let source = || CorruptRow(format!("{value:x?} is not a count of a value"));
        count.ok_or_else(|| EngineError::Corrupt { relation: self.relation, source: source() })
    }
}

fn write_count(count: i64, out: &mut Vec<u8>) {
    out.push(FORMAT);
    write_unsigned(count as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_count_stay_as_they_are() {
        let index = Index { relation: RelationId(7) };
        let mut value = Vec::new();
        write_count(300, &mut value);
        assert_eq!(value, [1, 0xac, 0x02]);
        assert_eq!(index.read(&value).unwrap(), 300);
        for bytes in [&[][..], &[1], &[2, 5], &[1, 5, 0]] {
            assert!(
                matches!(index.read(bytes), Err(EngineError::Corrupt { relation: RelationId(7), .. })),
                "{bytes:x?}"
            );
        }
    }
}
