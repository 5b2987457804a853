//! The thread that makes commits durable and tells everybody of them.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use dataflow::{Epoch, RelationId};
use storage::{Position, TopicPartition, Written};
use tokio::sync::oneshot;

use super::table::Verdict;
use super::{Defined, Shared};
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::metrics::seconds;

/// A commit that is written, and what to tell once it is durable.
pub struct Publication {
    pub written: Written,
    pub epoch: Epoch,
    pub positions: Vec<Position>,
    pub verdicts: Vec<(TopicPartition, u64, Verdict)>,
    pub definition: Option<Redefinition>,
    /// The timestamp of its first event.
    pub oldest_ms: Option<i64>,
}

/// A changed catalogue, and who asked for it.
pub struct Redefinition {
    pub catalog: Arc<Catalog>,
    /// Relations that nothing refers to any more.
    pub removed: Vec<RelationId>,
    /// Partitions that feed no table any more.
    pub released: Vec<TopicPartition>,
    pub reply: Option<oneshot::Sender<Result<Defined, SqlError>>>,
}

/// Publishes until the pipeline ends or the disk fails.
pub fn run(shared: &Shared, publications: &Receiver<Publication>) {
    while let Ok(first) = publications.recv() {
        // One sync makes all commits before it durable.
        let mut waiting = vec![first];
        waiting.extend(publications.try_iter());
        if let Err(error) = publish(shared, waiting) {
            shared.halt(error);
            return;
        }
    }
}

fn publish(shared: &Shared, waiting: Vec<Publication>) -> Result<(), SqlError> {
    let started = Instant::now();
    let mut last = None;
    let mut told = Vec::with_capacity(waiting.len());
    for Publication { written, epoch, positions, verdicts, definition, oldest_ms } in waiting {
        last = Some(written);
        told.push((epoch, positions, verdicts, definition, oldest_ms));
    }
    shared.store.sync(last.expect("at least one commit waits"))?;
    shared.metrics.sync_s.observe(seconds(started.elapsed()));
    for (epoch, positions, verdicts, definition, oldest_ms) in told {
        if let Some(definition) = &definition {
            shared.catalog.store(definition.catalog.clone());
        }
        shared.published.send_replace(epoch);
        shared.metrics.published_epoch.set(epoch.0 as i64);
        if let Some(oldest_ms) = oldest_ms {
            let age_ms = shared.now_ms().saturating_sub(oldest_ms).max(0);
            shared.metrics.freshness_s.observe(age_ms as f64 / 1_000.0);
        }
        shared.interests.published(verdicts);
        shared.log.consumed(&positions);
        let Some(Redefinition { removed, released, reply, .. }) = definition else { continue };
        if let Some(reply) = reply {
            // Whoever asked may have gone.
            let _ = reply.send(Ok(Defined::Done));
        }
        shared.log.released(&released);
        shared.store.remove(&removed)?;
    }
    Ok(())
}
