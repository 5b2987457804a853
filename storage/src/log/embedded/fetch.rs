//! Fetching from several partitions at once, waiting for the first records.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Embedded;
use super::partition::Partition;
use super::read::{self, Slice};
use crate::log::{Fetched, LogError, Position};

/// A partition to read from, and how much.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub position: Position,
    pub max_bytes: usize,
}

impl Embedded {
    /// Reads on from positions: what is durable there, at most about `max_bytes`, waiting up to `wait` for the first record.
    /// Partitions without new records are left out of the answer.
    pub async fn fetch(&self, from: &[Position], max_bytes: usize, wait: Duration) -> Result<Vec<Fetched>, LogError> {
        let wanted = from.iter().map(|position| Ok((self.partition(&position.partition)?, position.offset)));
        let mut wanted: Vec<(Arc<Partition>, u64)> = wanted.collect::<Result<_, LogError>>()?;
        if !wanted.is_empty() {
            // Whoever has much must not keep the others waiting for ever.
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % wanted.len();
            wanted.rotate_left(first);
        }
        let deadline = Instant::now() + wait;
        let mut arrived = self.shared.arrived.subscribe();
        loop {
            arrived.mark_unchanged();
            if wanted.iter().any(|(partition, offset)| partition.is_deleted() || partition.bounds().1 != *offset) {
                let wanted = wanted.clone();
                return blocking(move || read_records(&wanted, max_bytes)).await?;
            }
            if !matches!(timeout_at(deadline, arrived.changed()).await, Ok(Ok(()))) {
                return Ok(Vec::new());
            }
        }
    }

    /// Reads whole batches for those who decode them themselves: one answer for each partition wanted, in that order.
    /// Waits up to `wait` until there are `min_bytes` altogether, or an error to tell.
    pub async fn fetch_raw(
        &self,
        wanted: Vec<Wanted>,
        max_bytes: usize,
        min_bytes: usize,
        wait: Duration,
    ) -> Vec<Result<Slice, LogError>> {
        let deadline = Instant::now() + wait;
        let mut arrived = self.shared.arrived.subscribe();
        loop {
            arrived.mark_unchanged();
            let partitions = wanted.iter().map(|wanted| self.partition(&wanted.position.partition)).collect();
            let slices = self.read_raw(partitions, &wanted, max_bytes).await;
            let bytes: usize = slices.iter().flatten().map(|slice| slice.batches.len()).sum();
            if bytes >= min_bytes.min(max_bytes) || slices.iter().any(Result::is_err) {
                return slices;
            }
            if !matches!(timeout_at(deadline, arrived.changed()).await, Ok(Ok(()))) {
                return slices;
            }
        }
    }

    async fn read_raw(
        &self,
        partitions: Vec<Result<Arc<Partition>, LogError>>,
        wanted: &[Wanted],
        max_bytes: usize,
    ) -> Vec<Result<Slice, LogError>> {
        let nothing_new = |(partition, wanted): (&Result<Arc<Partition>, LogError>, &Wanted)| {
            partition.as_ref().is_ok_and(|partition| partition.bounds().1 == wanted.position.offset)
        };
        if partitions.iter().zip(wanted).all(nothing_new) {
            let empty = |(partition, wanted): (Result<Arc<Partition>, LogError>, &Wanted)| {
                partition?.read(wanted.position.offset, 0)
            };
            return partitions.into_iter().zip(wanted).map(empty).collect();
        }
        let limits: Vec<_> = wanted.iter().map(|wanted| (wanted.position.offset, wanted.max_bytes)).collect();
        let count = limits.len();
        let read = blocking(move || {
            let mut left = max_bytes;
            let read = |(partition, (offset, partition_max)): (Result<Arc<Partition>, LogError>, (u64, usize))| {
                let partition = partition?;
                if left == 0 {
                    let (start, end) = partition.bounds();
                    return Ok(Slice { batches: Default::default(), next: offset, start, end });
                }
                let slice = partition.read(offset, partition_max.min(left))?;
                left = left.saturating_sub(slice.batches.len());
                Ok(slice)
            };
            partitions.into_iter().zip(limits).map(read).collect::<Vec<_>>()
        });
        match read.await {
            Ok(slices) => slices,
            Err(_) => (0..count).map(|_| Err(LogError::Stopped("the node is ending".into()))).collect(),
        }
    }
}

fn read_records(wanted: &[(Arc<Partition>, u64)], max_bytes: usize) -> Result<Vec<Fetched>, LogError> {
    let mut left = max_bytes;
    let mut fetched = Vec::new();
    for (partition, offset) in wanted {
        if partition.is_deleted() {
            return Err(LogError::UnknownTopic(partition.id.topic.to_string()));
        }
        if left == 0 {
            break;
        }
        let slice = partition.read(*offset, left)?;
        if slice.batches.is_empty() {
            continue;
        }
        left = left.saturating_sub(slice.batches.len());
        let mut records = Vec::new();
        read::decode(&slice.batches, *offset, &mut records)
            .map_err(|reason| LogError::refused(&partition.dir, format!("it is damaged: {reason}")))?;
        fetched.push(Fetched { partition: partition.id.clone(), records, next: slice.next, end: slice.end });
    }
    Ok(fetched)
}

/// Runs what reads files or takes long where it does not hold up connections.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        if error.is_panic() {
            std::panic::resume_unwind(error.into_panic())
        }
        LogError::Stopped("the node is ending".into())
    })
}
