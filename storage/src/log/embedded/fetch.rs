//! Fetching from several partitions at once, waiting for the first records.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Embedded;
use super::partition::{Partition, Reach};
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
        let wanted = self.wanted(from)?;
        if !some_has_more(&wanted, Reach::Durable, self.shared.arrived.subscribe(), wait).await {
            return Ok(Vec::new());
        }
        blocking(move || read_records(&wanted, Reach::Durable, max_bytes)).await?
    }

    /// Reads on from positions as [`Embedded::fetch`] does, but what was written and is being synced too, so that work on it
    /// can begin: nobody may be told of it before [`Embedded::durable`]. Reads on the thread that calls.
    pub async fn fetch_ahead(
        &self,
        from: &[Position],
        max_bytes: usize,
        wait: Duration,
    ) -> Result<Vec<Fetched>, LogError> {
        let wanted = self.wanted(from)?;
        if !some_has_more(&wanted, Reach::Written, self.shared.written.subscribe(), wait).await {
            return Ok(Vec::new());
        }
        read_records(&wanted, Reach::Written, max_bytes)
    }

    /// Waits until everything before these positions is durable; an error if it will not be.
    pub async fn durable(&self, positions: &[Position]) -> Result<(), LogError> {
        let wanted = self.wanted(positions)?;
        let mut arrived = self.shared.arrived.subscribe();
        loop {
            arrived.mark_unchanged();
            if wanted.iter().all(|(partition, offset)| partition.end(Reach::Durable) >= *offset) {
                return Ok(());
            }
            self.refuse_if_stopped()?;
            if let Some((gone, _)) = wanted.iter().find(|(partition, _)| partition.is_deleted()) {
                return Err(LogError::UnknownTopic(gone.id.topic.to_string()));
            }
            arrived.changed().await.map_err(|_| LogError::Stopped("it is closed".into()))?;
        }
    }

    /// The partitions of positions, and the offsets; each time another one first.
    fn wanted(&self, from: &[Position]) -> Result<Vec<(Arc<Partition>, u64)>, LogError> {
        let wanted = from.iter().map(|position| Ok((self.partition(&position.partition)?, position.offset)));
        let mut wanted: Vec<(Arc<Partition>, u64)> = wanted.collect::<Result<_, LogError>>()?;
        if !wanted.is_empty() {
            // Whoever has much must not keep the others waiting for ever.
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % wanted.len();
            wanted.rotate_left(first);
        }
        Ok(wanted)
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

/// Waits up to `wait` until a partition has more than was read, or an error to tell.
async fn some_has_more(
    wanted: &[(Arc<Partition>, u64)],
    reach: Reach,
    mut changed: watch::Receiver<u64>,
    wait: Duration,
) -> bool {
    let deadline = Instant::now() + wait;
    loop {
        changed.mark_unchanged();
        if wanted.iter().any(|(partition, offset)| partition.is_deleted() || partition.end(reach) != *offset) {
            return true;
        }
        if !matches!(timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
            return false;
        }
    }
}

fn read_records(wanted: &[(Arc<Partition>, u64)], reach: Reach, max_bytes: usize) -> Result<Vec<Fetched>, LogError> {
    let mut left = max_bytes;
    let mut fetched = Vec::new();
    for (partition, offset) in wanted {
        if partition.is_deleted() {
            return Err(LogError::UnknownTopic(partition.id.topic.to_string()));
        }
        if left == 0 {
            break;
        }
        let slice = partition.read_to(reach, *offset, left)?;
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
pub(in crate::log) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        if error.is_panic() {
            std::panic::resume_unwind(error.into_panic())
        }
        LogError::Stopped("the node is ending".into())
    })
}
