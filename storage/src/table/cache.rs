//! The value cache: rows and operator state of the last written epoch, in front of RocksDB.
//!
//! Absent keys are not kept: the bloom filters answer for them at a fifth of the cost of a hit, and most are put at once.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dataflow::{RelationId, StateWrite};
use hashbrown::DefaultHashBuilder;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, OptionsBuilder, Weighter};

use crate::limits;

/// A bounded map of (relation, key) -> value of the default tenant.
pub(super) struct ValueCache {
    entries: Cache<CacheKey, Arc<[u8]>, ByBytes, DefaultHashBuilder>,
    /// Relations of which something has been kept: what is written of any other is in the cache for sure not.
    relations: RwLock<BTreeSet<RelationId>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct CacheKey {
    relation: RelationId,
    key: Box<[u8]>,
}

/// A key that is only looked for.
struct Sought<'a> {
    relation: RelationId,
    key: &'a [u8],
}

#[derive(Clone)]
struct ByBytes;

impl ValueCache {
    /// An empty cache of about `bytes`.
    pub(super) fn new(bytes: usize) -> ValueCache {
        let entries = bytes / (2 * limits::CACHED_ENTRY_OVERHEAD_BYTES);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(bytes as u64)
            .shards(limits::CACHE_SHARDS)
            .build()
            .expect("both capacities are given");
        let (hashes, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let entries = Cache::with_options(options, ByBytes, hashes, lifecycle);
        ValueCache { entries, relations: RwLock::default(), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The values of keys that are cached, in the order asked.
    pub(super) fn get_many<'a>(
        &self,
        relation: RelationId,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Vec<Option<Arc<[u8]>>> {
        let values: Vec<_> = keys.map(|key| self.entries.get(&Sought { relation, key })).collect();
        let hits = values.iter().flatten().count();
        self.hits.fetch_add(hits as u64, Ordering::Relaxed);
        self.misses.fetch_add((values.len() - hits) as u64, Ordering::Relaxed);
        values
    }

    /// Keeps what was read from RocksDB.
    pub(super) fn insert(&self, relation: RelationId, key: &[u8], value: Arc<[u8]>) {
        // The cache may refuse a large value and go on to give the one before it.
        if value.len() > limits::CACHED_VALUE_BYTES_MAX {
            self.entries.remove(&Sought { relation, key });
        } else {
            if !self.has(relation) {
                self.relations.write().unwrap_or_else(PoisonError::into_inner).insert(relation);
            }
            self.entries.insert(CacheKey { relation, key: key.into() }, value);
        }
    }

    /// Whether something of a relation has been kept.
    fn has(&self, relation: RelationId) -> bool {
        self.relations.read().unwrap_or_else(PoisonError::into_inner).contains(&relation)
    }

    /// Follows what was written to RocksDB.
    pub(super) fn apply(&self, write: &StateWrite) {
        if !write.asked_again && !self.has(write.relation) {
            return;
        }
        let kept = |key| write.asked_again || self.entries.peek(&Sought { relation: write.relation, key }).is_some();
        for (key, value) in write.iter() {
            match value {
                Some(_) if !kept(key) => {}
                Some(value) => self.insert(write.relation, key, value.into()),
                None => drop(self.entries.remove(&Sought { relation: write.relation, key })),
            }
        }
    }

    /// Forgets relations that were removed.
    pub(super) fn forget(&self, relations: &[RelationId]) {
        self.entries.retain(|key, _| !relations.contains(&key.relation));
        self.relations.write().unwrap_or_else(PoisonError::into_inner).retain(|known| !relations.contains(known));
    }

    /// Bytes kept.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    /// (keys found, keys not found) since open.
    pub(super) fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

impl Weighter<CacheKey, Arc<[u8]>> for ByBytes {
    fn weight(&self, key: &CacheKey, value: &Arc<[u8]>) -> u64 {
        (key.key.len() + value.len() + limits::CACHED_ENTRY_OVERHEAD_BYTES) as u64
    }
}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Sought { relation: self.relation, key: &self.key }.hash(state);
    }
}

impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.relation.0);
        state.write(self.key);
    }
}

impl PartialEq for CacheKey {
    fn eq(&self, other: &CacheKey) -> bool {
        self.relation == other.relation && self.key == other.key
    }
}

impl Eq for CacheKey {}

impl Equivalent<CacheKey> for Sought<'_> {
    fn equivalent(&self, kept: &CacheKey) -> bool {
        self.relation == kept.relation && *self.key == *kept.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(cache: &ValueCache, relation: u32, key: &[u8]) -> Option<Arc<[u8]>> {
        cache.get_many(RelationId(relation), [key].into_iter()).remove(0)
    }

    #[test]
    fn a_write_replaces_and_a_delete_removes() {
        let cache = ValueCache::new(1 << 20);
        let mut write = StateWrite::new(RelationId(1));
        write.put(b"a", b"1");
        write.put(b"b", b"2");
        cache.apply(&write);
        assert_eq!(get(&cache, 1, b"a").as_deref(), Some(&b"1"[..]));
        assert_eq!(get(&cache, 2, b"a"), None);
        let mut write = StateWrite::new(RelationId(1));
        write.put(b"a", b"3");
        write.delete(b"b");
        cache.apply(&write);
        assert_eq!(get(&cache, 1, b"a").as_deref(), Some(&b"3"[..]));
        assert_eq!(get(&cache, 1, b"b"), None);
        cache.forget(&[RelationId(1)]);
        assert_eq!((get(&cache, 1, b"a"), cache.bytes()), (None, 0));
        assert_eq!(cache.hits_and_misses(), (2, 3));
    }

    #[test]
    fn what_is_not_asked_again_is_replaced_and_never_added() {
        let cache = ValueCache::new(1 << 20);
        cache.insert(RelationId(1), b"a", b"1"[..].into());
        let mut write = StateWrite::seldom_read(RelationId(1));
        write.put(b"a", b"2");
        write.put(b"b", b"2");
        cache.apply(&write);
        assert_eq!(get(&cache, 1, b"a").as_deref(), Some(&b"2"[..]));
        assert_eq!(get(&cache, 1, b"b"), None);
    }

    #[test]
    fn a_value_too_large_to_keep_leaves_no_older_one() {
        let cache = ValueCache::new(1 << 20);
        cache.insert(RelationId(1), b"k", b"old"[..].into());
        cache.insert(RelationId(1), b"k", vec![0; limits::CACHED_VALUE_BYTES_MAX + 1].into());
        assert_eq!(get(&cache, 1, b"k"), None);
    }

    #[test]
    fn memory_stays_within_the_budget() {
        let cache = ValueCache::new(1 << 20);
        for key in 0..100_000u32 {
            cache.insert(RelationId(1), &key.to_be_bytes(), vec![0; 40].into());
        }
        assert!(cache.bytes() <= 1 << 20, "{}", cache.bytes());
        assert!(cache.bytes() > 1 << 19, "{}", cache.bytes());
    }
}
