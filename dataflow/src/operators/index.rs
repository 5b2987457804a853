//! (group, item) -> how often the item occurs in the group, in the order of items.
//!
//! An item is the bytes of a value, or of an order and a row: whatever an operator must find in order. A change costs one
//! look-up and one put. What comes next to an item is one short scan, however large the group is.

pub(crate) mod deltas;

use std::ops::{ControlFlow, Range};

use self::deltas::{Delta, Deltas};
use crate::engine::EngineError;
use crate::engine::report::Shared;
use crate::operators::groups::Groups;
use crate::relation::RelationId;
use crate::row::varint::{read_unsigned, write_unsigned};
use crate::row::{Block, CorruptRow};
use crate::state::{Direction, KeyRange, State, StateWrite, after_prefix};

/// The format byte of counts written today; a varint follows.
const FORMAT: u8 = 1;

/// A state table of counted items.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index {
    pub(crate) relation: RelationId,
}

/// What an epoch does to the items of one group, on top of what is stored.
#[derive(Clone, Copy)]
pub(crate) struct Pending<'a> {
    deltas: &'a Deltas,
    /// Ascending by item.
    of_group: &'a [Delta],
    /// The count of each delta's item after the epoch.
    counts: &'a [i64],
}

impl<'a> Pending<'a> {
    /// The deltas of each group that has any, with the counts that [`Index::count`] gave for all of them.
    pub(crate) fn by_group(deltas: &'a Deltas, counts: &'a [i64]) -> impl Iterator<Item = Pending<'a>> {
        let mut from = 0;
        deltas.by_group().map(move |of_group| {
            let counts = &counts[from..from + of_group.len()];
            from += of_group.len();
            Pending { deltas, of_group, counts }
        })
    }

    /// The position of the group.
    pub(crate) fn group(&self) -> usize {
        self.of_group[0].group as usize
    }

    /// (item, how often more or less, how often after the epoch), ascending by item.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&'a [u8], i64, i64)> {
        let deltas = self.deltas;
        self.of_group.iter().zip(self.counts).map(move |(delta, count)| (deltas.bytes(delta), delta.net, *count))
    }

    /// The count of an item after the epoch, where the epoch changes it.
    pub(crate) fn count_of(&self, item: &[u8]) -> Option<i64> {
        let found = self.of_group.binary_search_by(|delta| self.deltas.bytes(delta).cmp(item));
        found.ok().map(|position| self.counts[position])
    }

    /// The items that there are after the epoch, beyond `from` in a direction and in its order.
    fn beyond(&self, from: Option<&[u8]>, direction: Direction) -> Coming<'a> {
        let item = |delta: &Delta| self.deltas.bytes(delta);
        let range = match (from, direction) {
            (None, _) => 0..self.of_group.len(),
            (Some(from), Direction::Ascending) => {
                self.of_group.partition_point(|delta| item(delta) <= from)..self.of_group.len()
            }
            (Some(from), Direction::Descending) => 0..self.of_group.partition_point(|delta| item(delta) < from),
        };
        Coming { pending: *self, range, direction }
    }
}

/// Walks what an epoch brings of one group.
struct Coming<'a> {
    pending: Pending<'a>,
    range: Range<usize>,
    direction: Direction,
}

impl<'a> Iterator for Coming<'a> {
    type Item = (&'a [u8], i64);

    fn next(&mut self) -> Option<(&'a [u8], i64)> {
        loop {
            let next = match self.direction {
                Direction::Ascending => self.range.next(),
                Direction::Descending => self.range.next_back(),
            }?;
            if self.pending.counts[next] > 0 {
                return Some((self.pending.deltas.bytes(&self.pending.of_group[next]), self.pending.counts[next]));
            }
        }
    }
}

impl Index {
    /// Counts an epoch's changes. Returns the new count of each delta's item.
    pub(crate) fn count(&self, shared: &Shared, groups: &Groups, deltas: &Deltas) -> Result<Vec<i64>, EngineError> {
        let group_bytes = groups.keys.byte_len() / groups.len().max(1);
        let bytes = deltas.items.byte_len() + deltas.deltas.len() * group_bytes;
        let mut keys = Block::with_capacity(deltas.deltas.len(), bytes);
        for delta in &deltas.deltas {
            keys.push_with(|out| {
                out.extend_from_slice(groups.keys.get(delta.group as usize));
                out.extend_from_slice(deltas.bytes(delta));
            });
        }
        let found = shared.state.get_many(self.relation, &keys)?;
        let mut write = StateWrite::seldom_read(self.relation);
        write.reserve(keys.len(), keys.byte_len(), 2 * keys.len());
        let mut counts = Vec::with_capacity(keys.len());
        let mut value = Vec::new();
        for (position, delta) in deltas.deltas.iter().enumerate() {
            let before = found.get(position).map_or(Ok(0), |value| self.read(value))?;
            let after = before + delta.net;
            assert!(after >= 0, "a group would have an item {after} times");
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

    /// Writes how often an item occurs in a group: at least once.
    pub(crate) fn put(&self, write: &mut StateWrite, group: &[u8], item: &[u8], count: i64) {
        let mut value = Vec::new();
        write_count(count, &mut value);
        write.put(&[group, item].concat(), &value);
    }

    /// How often an item occurs in a group. With `pending`: after the epoch.
    pub(crate) fn get(
        &self,
        state: &dyn State,
        group: &[u8],
        item: &[u8],
        pending: Option<&Pending>,
    ) -> Result<i64, EngineError> {
        if let Some(count) = pending.and_then(|pending| pending.count_of(item)) {
            return Ok(count);
        }
        let mut keys = Block::default();
        keys.push(&[group, item].concat());
        state.get_many(self.relation, &keys)?.get(0).map_or(Ok(0), |value| self.read(value))
    }

    /// Walks the items of a group beyond `from`, or all of them, and hands over each with its count until told to stop.
    /// With `pending`: as they are after the epoch.
    pub(crate) fn walk(
        &self,
        state: &dyn State,
        group: &[u8],
        from: Option<&[u8]>,
        direction: Direction,
        pending: Option<&Pending>,
        each: &mut dyn FnMut(&[u8], i64) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        self.walk_both(state, group, from, direction, pending, &mut |item, _, after| match after {
            0 => ControlFlow::Continue(()),
            after => each(item, after),
        })
    }

    /// Walks likewise over the items that there are before or after the epoch, with the count of each before and after it.
    pub(crate) fn walk_both(
        &self,
        state: &dyn State,
        group: &[u8],
        from: Option<&[u8]>,
        direction: Direction,
        pending: Option<&Pending>,
        each: &mut dyn FnMut(&[u8], i64, i64) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let at = from.map(|from| [group, from].concat());
        let range = match (at, direction) {
            (None, _) => KeyRange::prefix(group),
            // The least key after one is that key and a zero byte.
            (Some(at), Direction::Ascending) => KeyRange { start: [&at[..], &[0]].concat(), end: after_prefix(group) },
            (Some(at), Direction::Descending) => KeyRange { start: group.to_vec(), end: Some(at) },
        };
        let coming = pending.map(|pending| pending.beyond(from, direction));
        let mut coming = coming.into_iter().flatten().peekable();
        let before = |coming: &[u8], stored: &[u8]| match direction {
            Direction::Ascending => coming < stored,
            Direction::Descending => coming > stored,
        };
        let mut failed = Ok(());
        let mut stopped = ControlFlow::Continue(());
        state.scan(self.relation, &range, direction, &mut |key, value| {
            let item = &key[group.len()..];
            while let Some((next, count)) = coming.next_if(|(next, _)| before(next, item)) {
                stopped = each(next, 0, count);
                if stopped.is_break() {
                    return stopped;
                }
            }
            match self.read(value) {
                Ok(stored) => {
                    coming.next_if(|(next, _)| *next == item);
                    let after = pending.and_then(|pending| pending.count_of(item)).unwrap_or(stored);
                    stopped = each(item, stored, after);
                }
                Err(error) => {
                    failed = Err(error);
                    stopped = ControlFlow::Break(());
                }
            }
            stopped
        })?;
        failed?;
        if stopped.is_continue() {
            for (item, count) in coming {
                if each(item, 0, count).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn read(&self, value: &[u8]) -> Result<i64, EngineError> {
        let count = match value.split_first() {
            Some((&FORMAT, mut rest)) => read_unsigned(&mut rest).filter(|_| rest.is_empty()),
            _ => None,
        };
        let count = count.and_then(|count| i64::try_from(count).ok());
        let source = || CorruptRow(format!("{value:x?} is not a count of an item"));
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
