//! State in a BTreeMap: for simulations that run thousands of histories, and for tests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::{Direction, Found, KeyRange, State, StateError, StateWrite};
use crate::relation::RelationId;
use crate::row::Block;

/// All relations in one ordered map, `(relation, key) -> value`.
#[derive(Debug, Default, Clone)]
pub struct MemoryState {
    entries: RefCell<BTreeMap<(RelationId, Vec<u8>), Vec<u8>>>,
}

impl MemoryState {
    /// Applies an epoch's writes: from here on look-ups see them.
    pub fn apply(&self, writes: &[StateWrite]) {
        let mut entries = self.entries.borrow_mut();
        for write in writes {
            for (key, value) in write.iter() {
                match value {
                    Some(value) => entries.insert((write.relation, key.to_vec()), value.to_vec()),
                    None => entries.remove(&(write.relation, key.to_vec())),
                };
            }
        }
    }

    /// Every (key, value) of a relation, in key order.
    pub fn entries(&self, relation: RelationId) -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = self.entries.borrow();
        let of_relation = entries.range((relation, Vec::new())..(RelationId(relation.0 + 1), Vec::new()));
        of_relation.map(|((_, key), value)| (key.clone(), value.clone())).collect()
    }
}

impl State for MemoryState {
    fn get_many(&self, relation: RelationId, keys: &Block) -> Result<Found, StateError> {
        let entries = self.entries.borrow();
        let mut found = Found::default();
        for key in keys.iter() {
            let value = entries.get(&(relation, key.to_vec()));
            found.values.push(value.map_or(&[][..], |value| value));
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
        let start = Bound::Included((relation, range.start.clone()));
        let end = match &range.end {
            Some(end) if *end <= range.start => return Ok(()),
            Some(end) => Bound::Excluded((relation, end.clone())),
            None => Bound::Excluded((RelationId(relation.0 + 1), Vec::new())),
        };
        let entries = self.entries.borrow();
        let found = entries.range((start, end));
        let mut visit = |((_, key), value): (&(RelationId, Vec<u8>), &Vec<u8>)| each(key, value);
        let _ = match direction {
            Direction::Ascending => found.into_iter().try_for_each(&mut visit),
            Direction::Descending => found.rev().try_for_each(&mut visit),
        };
        Ok(())
    }
}
