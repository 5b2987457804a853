//! The outbox: effects that commits ask for, numbered, until they are delivered.

use bytes::Bytes;
use rocksdb::ReadOptions;

use super::StoreError;
use super::key::{self, Space};
use super::rocks::Batch;
use super::store::Store;

impl Store {
    /// Outbox entries after `number`, oldest first, at most `limit`, published ones only.
    pub fn outbox(&self, after: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let end = self.shared.published.load().head.outbox_next;
        let mut entries = Vec::new();
        self.each_effect(after.saturating_add(1), end, &mut |number, effect| {
            entries.push((number, Bytes::copy_from_slice(effect)));
            entries.len() < limit
        })?;
        entries.truncate(limit);
        Ok(entries)
    }

    /// Forgets outbox entries up to and including `number`: they are delivered.
    pub fn delivered(&self, number: u64) -> Result<(), StoreError> {
        let rocks = &self.shared.rocks;
        let end = self.shared.published.load().head.outbox_next;
        let mut batch = Batch::default();
        self.each_effect(0, end.min(number.saturating_add(1)), &mut |number, _| {
            rocks.delete_meta(&mut batch, &Space::Outbox.key(&number.to_be_bytes()));
            true
        })?;
        if batch.is_empty() { Ok(()) } else { self.write_meta(batch) }
    }

    /// Hands over what is in the outbox from `start` up to `end`, as long as `each` says so.
    fn each_effect(&self, start: u64, end: u64, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), StoreError> {
        if start >= end {
            return Ok(());
        }
        let rocks = &self.shared.rocks;
        let mut options = ReadOptions::default();
        options.set_iterate_range(Space::Outbox.key(&start.to_be_bytes())..Space::Outbox.key(&end.to_be_bytes()));
        let mut entries = rocks.db.raw_iterator_cf_opt(rocks.family(key::META), options);
        entries.seek_to_first();
        while let Some((key, effect)) = entries.item() {
            let number = key::number(key).ok_or_else(|| rocks.corrupt("the outbox"))?;
            if !each(number, effect) {
                return Ok(());
            }
            entries.next();
        }
        entries.status().map_err(|source| rocks.failed(source))
    }
}
