//! The engine's look-ups: the last written state, through the value cache.

use std::ops::ControlFlow;
use std::sync::Arc;

use dataflow::{Block, Direction, Found, KeyRange, RelationId, State, StateError};
use rocksdb::{DBRawIterator, ReadOptions};

use super::key;
use super::store::Store;

impl State for Store {
    fn get_many(&self, relation: RelationId, keys: &Block) -> Result<Found, StateError> {
        let shared = &*self.shared;
        let _coherence = shared.coherence.read().expect("writes do not panic");
        let last = shared.ends.last(&shared.rocks, relation).map_err(|source| state_error(relation, source))?;
        let within = keys.iter().enumerate().filter(|(_, key)| last.as_deref().is_some_and(|last| *key <= last));
        let within: Vec<usize> = within.map(|(index, _)| index).collect();
        let cached = shared.cache.get_many(relation, within.iter().map(|&index| keys.get(index)));
        let mut values = vec![None; keys.len()];
        within.iter().zip(cached).for_each(|(&index, value)| values[index] = value);
        let missed: Vec<usize> = within.into_iter().filter(|&index| values[index].is_none()).collect();
        if !missed.is_empty() {
            let sought: Vec<&[u8]> = missed.iter().map(|&index| keys.get(index)).collect();
            let prefix = key::row_prefix(relation, key::DEFAULT_TENANT);
            let mut keep = |index: usize, value: Option<&[u8]>| {
                if let Some(value) = value {
                    let value: Arc<[u8]> = value.into();
                    shared.cache.insert(relation, sought[index], value.clone());
                    values[missed[index]] = Some(value);
                }
            };
            let looked_up = shared.rocks.look_up(prefix, &sought, &ReadOptions::default(), &mut keep);
            looked_up.map_err(|source| state_error(relation, source))?;
        }
        let mut found = Found::default();
        for value in &values {
            found.values.push(value.as_deref().unwrap_or_default());
            found.present.push(value.is_some());
        }
        Ok(found)
    }

    fn scan(
        &self,
        relation: RelationId,
        range: &KeyRange,
        direction: Direction,
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        let rocks = &self.shared.rocks;
        let prefix = key::row_prefix(relation, key::DEFAULT_TENANT);
        let mut options = ReadOptions::default();
        if !bound(&mut options, prefix, range) {
            return Ok(());
        }
        let mut entries = rocks.db.raw_iterator_cf_opt(rocks.family(key::ROWS), options);
        to_first(&mut entries, direction);
        while let Some((key, value)) = entries.item() {
            rocks.count_read(key.len() + value.len());
            if each(&key[prefix.len()..], value).is_break() {
                return Ok(());
            }
            step(&mut entries, direction);
        }
        entries.status().map_err(|source| state_error(relation, source))
    }

    fn scan_each(
        &self,
        relation: RelationId,
        ranges: &[KeyRange],
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Ok(()) };
        let rocks = &self.shared.rocks;
        let prefix = key::row_prefix(relation, key::DEFAULT_TENANT);
        let mut options = ReadOptions::default();
        if !bound(&mut options, prefix, &KeyRange { start: first.start.clone(), end: last.end.clone() }) {
            return Ok(());
        }
        let mut entries = rocks.db.raw_iterator_cf_opt(rocks.family(key::ROWS), options);
        entries.seek_to_first();
        let mut start = prefix.to_vec();
        for range in ranges {
            start.truncate(prefix.len());
            start.extend_from_slice(&range.start);
            // Where few of the ranges have rows, the row behind one of them is behind many.
            if entries.key().is_some_and(|key| key < &start[..]) {
                entries.seek(&start);
            }
            while let Some((key, value)) = entries.item() {
                let key = &key[prefix.len()..];
                if range.end.as_deref().is_some_and(|end| key >= end) {
                    break;
                }
                rocks.count_read(prefix.len() + key.len() + value.len());
                if each(key, value).is_break() {
                    return Ok(());
                }
                entries.next();
            }
            if !entries.valid() {
                break;
            }
        }
        entries.status().map_err(|source| state_error(relation, source))
    }
}

/// RocksDB could not read a relation.
pub(super) fn state_error(relation: RelationId, source: rocksdb::Error) -> StateError {
    StateError { relation, reason: source.to_string() }
}

/// Bounds a walk to a key range below `prefix`; false when the range is empty.
pub(super) fn bound(options: &mut ReadOptions, prefix: [u8; key::ROW_PREFIX_BYTES], range: &KeyRange) -> bool {
    if range.end.as_ref().is_some_and(|end| *end <= range.start) {
        return false;
    }
    let start = [&prefix[..], &range.start].concat();
    let end = match &range.end {
        Some(end) => [&prefix[..], end].concat(),
        None => key::after_row_prefix(prefix),
    };
    options.set_iterate_range(start..end);
    true
}

/// Goes to where a walk begins.
pub(super) fn to_first(entries: &mut DBRawIterator<'_>, direction: Direction) {
    match direction {
        Direction::Ascending => entries.seek_to_first(),
        Direction::Descending => entries.seek_to_last(),
    }
}

/// Goes one entry on.
pub(super) fn step(entries: &mut DBRawIterator<'_>, direction: Direction) {
    match direction {
        Direction::Ascending => entries.next(),
        Direction::Descending => entries.prev(),
    }
}
