//! Gives the space of removed relations back to the disk, beside everything else.
//!
//! A removal is a range delete, which costs the same however much it covers; the rows stay in their files until a compaction
//! passes. This one passes at once, and over nothing but their keys. It waits until the published snapshot is younger than
//! the removal: what an older one sees is kept.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use dataflow::{Epoch, RelationId};
use rocksdb::CompactOptions;

use super::key;
use super::rocks::Rocks;
use crate::limits::RECLAIMED_BYTES_MIN;

/// The thread that compacts, and what it is to compact once an epoch is published.
pub(super) struct Reclaimer {
    rocks: Arc<Rocks>,
    waiting: Mutex<Vec<(Epoch, RelationId)>>,
    thread: Mutex<Option<(Sender<RelationId>, JoinHandle<()>)>>,
}

impl Reclaimer {
    pub(super) fn new(rocks: &Arc<Rocks>) -> Reclaimer {
        Reclaimer { rocks: rocks.clone(), waiting: Mutex::default(), thread: Mutex::default() }
    }

    /// Those of the relations that take enough room on disk to be worth it; asked before they are removed.
    pub(super) fn worthwhile(&self, relations: &[RelationId]) -> Vec<RelationId> {
        let rows = self.rocks.family(key::ROWS);
        let bytes = |relation: &RelationId| {
            let (start, end) = key::relation_range(*relation);
            self.rocks.db.get_approximate_sizes_cf(rows, &[rocksdb::Range::new(&start, &end)])[0]
        };
        relations.iter().copied().filter(|relation| bytes(relation) >= RECLAIMED_BYTES_MIN).collect()
    }

    /// The relations were removed after this epoch was written.
    pub(super) fn removed(&self, written: Epoch, relations: Vec<RelationId>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(relations.into_iter().map(|relation| (written, relation)));
    }

    /// The published snapshot sees all that was removed before this epoch was written.
    pub(super) fn published(&self, epoch: Epoch) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, relation) in waiting.extract_if(.., |(written, _)| *written < epoch) {
            self.send(relation);
        }
    }

    fn send(&self, relation: RelationId) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (sender, receiver) = channel();
            let rocks = self.rocks.clone();
            let name = std::thread::Builder::new().name("reclaim".to_owned());
            match name.spawn(move || run(&rocks, &receiver)) {
                Ok(spawned) => *thread = Some((sender, spawned)),
                // RocksDB's own compactions pass by in the end.
                Err(error) => return tracing::warn!("space is given back later: {error}"),
            }
        }
        if let Some((sender, _)) = &*thread {
            // It ends only with this.
            let _ = sender.send(relation);
        }
    }
}

/// A compaction that is under way is given up: opening again must not wait for it.
impl Drop for Reclaimer {
    fn drop(&mut self) {
        let Some((sender, thread)) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        drop(sender);
        self.rocks.db.cancel_all_background_work(false);
        if thread.join().is_err() {
            tracing::error!("the thread that gives space back has panicked");
        }
    }
}

fn run(rocks: &Rocks, relations: &Receiver<RelationId>) {
    let mut options = CompactOptions::default();
    options.set_exclusive_manual_compaction(false);
    while let Ok(relation) = relations.recv() {
        let (start, end) = key::relation_range(relation);
        rocks.db.compact_range_cf_opt(rocks.family(key::ROWS), Some(start), Some(end), &options);
    }
}
