//! The changelog: each epoch's changes of a relation, for those who follow it, kept up to a number of bytes.
//!
//! It is accounted for in stretches of epochs. When it is over its budget, the oldest stretch is taken out of every relation
//! by a range delete in the next commit, so trimming costs nothing between. A stretch is closed once it has its share of the
//! budget; closed ones have an entry in the store, the open one is part of the [`Head`]. What a [`super::Pin`] may still ask
//! for is kept beyond the budget.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use dataflow::{Epoch, RelationId};
use rocksdb::ReadOptions;

use super::StoreError;
use super::head::Head;
use super::held::HeldIterator;
use super::key::{self, Space};
use super::rocks::{Batch, Rocks};
use crate::limits;

/// What the changelog holds, in large.
pub(super) struct Changelog {
    bytes_max: u64,
    /// (first epoch, bytes) of closed stretches, oldest first.
    closed: VecDeque<(u64, u64)>,
    /// Bytes of the closed stretches.
    closed_bytes: u64,
    /// The last epoch with changes of each relation that has any.
    latest: BTreeMap<RelationId, u64>,
    /// Epochs after which changes are kept as long as somebody holds them.
    pins: Vec<Weak<Epoch>>,
}

impl Changelog {
    /// What the changelog holds as of the last commit.
    pub(super) fn read(rocks: &Rocks, bytes_max: u64) -> Result<Changelog, StoreError> {
        let mut closed = VecDeque::new();
        rocks.each_meta(Space::ChangelogStretch, &mut |key, value| {
            let bytes = value.try_into().ok().map(u64::from_be_bytes)?;
            closed.push_back((key::number(key)?, bytes));
            Some(())
        })?;
        let mut latest = BTreeMap::new();
        let mut entries = rocks.db.raw_iterator_cf(rocks.family(key::CHANGELOG));
        entries.seek_to_first();
        while let Some(relation) = entries.key().and_then(key::relation_of) {
            let (_, end) = key::relation_range(relation);
            entries.seek_for_prev(&end);
            let epoch = entries.key().and_then(key::change_epoch);
            latest.insert(relation, epoch.ok_or_else(|| rocks.corrupt("the changelog"))?);
            entries.seek(&end);
        }
        entries.status().map_err(|source| rocks.failed(source))?;
        let closed_bytes = closed.iter().map(|(_, bytes)| bytes).sum();
        Ok(Changelog { bytes_max, closed, closed_bytes, latest, pins: Vec::new() })
    }

    /// Adds an epoch's changes to the batch and its part to the head, and trims what is over the budget. Nothing here is
    /// undone when the batch cannot be written, since the store takes no other then.
    pub(super) fn add(&mut self, rocks: &Rocks, batch: &mut Batch, head: &mut Head, changes: &[(RelationId, Bytes)]) {
        let family = rocks.family(key::CHANGELOG);
        let epoch = head.epoch.0;
        let mut seqs = BTreeMap::new();
        for (relation, change) in changes {
            let seq = seqs.entry(*relation).or_insert(0);
            let key = key::change(*relation, epoch, *seq);
            *seq += 1;
            head.stretch_bytes += (key.len() + change.len()) as u64;
            batch.put_cf(family, key, change);
            self.latest.insert(*relation, epoch);
        }
        if head.stretch_bytes >= self.bytes_max / limits::CHANGELOG_STRETCHES {
            let key = Space::ChangelogStretch.key(&head.stretch_from.to_be_bytes());
            rocks.put_meta(batch, &key, &head.stretch_bytes.to_be_bytes());
            self.closed.push_back((head.stretch_from, head.stretch_bytes));
            self.closed_bytes += head.stretch_bytes;
            head.stretch_from = epoch + 1;
            head.stretch_bytes = 0;
        }
        self.trim(rocks, batch, head);
    }

    /// Keeps the changes after an epoch until what is returned is dropped.
    pub(super) fn pin(&mut self, epoch: Epoch) -> Arc<Epoch> {
        let pin = Arc::new(epoch);
        self.pins.retain(|pin| pin.strong_count() > 0);
        self.pins.push(Arc::downgrade(&pin));
        pin
    }

    fn trim(&mut self, rocks: &Rocks, batch: &mut Batch, head: &mut Head) {
        let before = head.changes_from;
        let pinned = self.pins.iter().filter_map(Weak::upgrade).map(|epoch| epoch.0).min().unwrap_or(u64::MAX);
        while self.closed_bytes + head.stretch_bytes > self.bytes_max
            && let Some((first, bytes)) = self.closed.front().copied()
        {
            let kept_from = self.closed.get(1).map_or(head.stretch_from, |(first, _)| *first);
            if kept_from > pinned.saturating_add(1) {
                break;
            }
            self.closed.pop_front();
            rocks.delete_meta(batch, &Space::ChangelogStretch.key(&first.to_be_bytes()));
            self.closed_bytes -= bytes;
            head.changes_from = kept_from;
        }
        if head.changes_from == before {
            return;
        }
        let family = rocks.family(key::CHANGELOG);
        self.latest.retain(|relation, latest| {
            let (start, _) = key::relation_range(*relation);
            batch.delete_range_cf(family, start, key::changes_from(*relation, head.changes_from));
            *latest >= head.changes_from
        });
    }

    /// Follows the removal of relations, whose entries are deleted elsewhere.
    pub(super) fn forget(&mut self, relations: &[RelationId]) {
        self.latest.retain(|relation, _| !relations.contains(relation));
    }

    /// Relations with entries.
    pub(super) fn relations(&self) -> impl Iterator<Item = RelationId> {
        self.latest.keys().copied()
    }
}

/// (epoch, encoded changes) of one relation, ascending.
pub struct ChangeIter {
    entries: HeldIterator,
}

impl ChangeIter {
    /// A relation's changes after an epoch, as `options` see them.
    pub(super) fn start(
        rocks: &Arc<Rocks>,
        relation: RelationId,
        after: Epoch,
        mut options: ReadOptions,
    ) -> ChangeIter {
        let (_, end) = key::relation_range(relation);
        options.set_iterate_range(key::changes_from(relation, after.0.saturating_add(1))..end);
        let mut entries = HeldIterator::start(rocks, key::CHANGELOG, options);
        entries.seek_to_first();
        ChangeIter { entries }
    }
}

impl Iterator for ChangeIter {
    type Item = Result<(Epoch, Bytes), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rocks = self.entries.rocks();
        let Some((key, change)) = self.entries.item() else {
            return self.entries.status().err().map(|source| Err(rocks.failed(source)));
        };
        rocks.count_read(key.len() + change.len());
        let entry = match key::change_epoch(key) {
            Some(epoch) => Ok((Epoch(epoch), Bytes::copy_from_slice(change))),
            None => Err(rocks.corrupt("the changelog")),
        };
        self.entries.next();
        Some(entry)
    }
}
