//! Where relations end: a key beyond the last of its relation is not there, and is not looked for.
//!
//! New rows often sort behind all others, as numbers given in sequence and times do; to learn from the filters of a dozen
//! table files that each of them is new costs more than to write it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use dataflow::{Direction, KeyRange, RelationId, StateWrite};
use rocksdb::ReadOptions;

use super::key;
use super::lookup::{bound, to_first};
use super::rocks::Rocks;

/// For each relation that was written or looked up, a key of the default tenant that none of its keys is beyond.
#[derive(Default)]
pub(super) struct Ends {
    last: Mutex<HashMap<RelationId, Last>>,
}

/// `None` where a relation has no rows. Deletes leave it where it is.
pub(super) type Last = Option<Arc<[u8]>>;

impl Ends {
    /// The bound of a relation's keys.
    pub(super) fn last(&self, rocks: &Rocks, relation: RelationId) -> Result<Last, rocksdb::Error> {
        self.with(rocks, relation, |last| last.clone())
    }

    /// Makes room for what is going to be written; called before it is.
    pub(super) fn extend(&self, rocks: &Rocks, writes: &[StateWrite]) -> Result<(), rocksdb::Error> {
        for write in writes {
            let Some(put) = write.puts.iter().rposition(|put| *put) else { continue };
            let key = write.keys.get(put);
            self.with(rocks, write.relation, |last| {
                if last.as_deref().is_none_or(|last| last < key) {
                    *last = Some(key.into());
                }
            })?;
        }
        Ok(())
    }

    /// Forgets relations that were removed.
    pub(super) fn forget(&self, relations: &[RelationId]) {
        let mut ends = self.last.lock().expect("ends are not left halfway");
        relations.iter().for_each(|relation| drop(ends.remove(relation)));
    }

    /// The first time, the end is looked for in what is stored, while nobody can extend it.
    fn with<T>(
        &self,
        rocks: &Rocks,
        relation: RelationId,
        each: impl FnOnce(&mut Last) -> T,
    ) -> Result<T, rocksdb::Error> {
        let mut ends = self.last.lock().expect("ends are not left halfway");
        if let Some(last) = ends.get_mut(&relation) {
            return Ok(each(last));
        }
        let prefix = key::row_prefix(relation, key::DEFAULT_TENANT);
        let mut options = ReadOptions::default();
        bound(&mut options, prefix, &KeyRange::all());
        let mut entries = rocks.db.raw_iterator_cf_opt(rocks.family(key::ROWS), options);
        to_first(&mut entries, Direction::Descending);
        let stored = entries.key().map(|key| key[prefix.len()..].into());
        entries.status()?;
        Ok(each(ends.entry(relation).or_insert(stored)))
    }
}
