//! Room for the operators of queries: each query has its memory, of what all together may have, and they share one directory
//! of temporary files.
//!
//! Sorts, groupings and joins of sorted inputs write to it what does not fit. A file is removed with the operator that wrote
//! it, whether its query ended or was dropped; what a killed process leaves is removed when the directory is opened again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::DataFusionError;
use datafusion::execution::context::TaskContext;
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionConfig;

use storage::DiskSpace;

use crate::error::SqlError;
use crate::limits::{
    QUERIES_BYTES_MAX, QUERY_BATCH_ROWS, SPILL_BYTES_MAX, SPILL_BYTES_PER_ROW, SPILL_FREE_BYTES_MIN, SPILL_MERGE_PART,
};

/// What an error of a query begins with that gets no more because of others.
pub const ALL_HELD: &str = "all queries together hold what they may";

/// Where queries put what does not fit into their memory.
#[derive(Debug)]
pub struct Room {
    disk: Arc<DiskManager>,
    dir: PathBuf,
    /// What all queries have alike.
    runtime: RuntimeEnv,
    /// Bytes that the operators of all queries hold.
    held: Arc<AtomicUsize>,
}

/// The settings of a query whose operators have so many bytes of memory.
pub fn config(config: SessionConfig, bytes: usize) -> SessionConfig {
    config
        // What a sort keeps back so that it can merge what it has written.
        .with_sort_spill_reservation_bytes(bytes / SPILL_MERGE_PART)
        // An operator can only spill what it has before it takes a batch: many must fit.
        .with_batch_size((bytes / SPILL_BYTES_PER_ROW).clamp(1, QUERY_BATCH_ROWS))
}

impl Room {
    /// Makes the directory and empties it: nobody else may be using it.
    pub fn open(dir: &Path) -> Result<Room, SqlError> {
        let failed = |error: std::io::Error| {
            SqlError::new(
                "58030",
                format!("the directory of temporary files {} cannot be made: {error}", dir.display()),
            )
        };
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => std::fs::create_dir_all(dir).map_err(failed)?,
        }
        let builder = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![dir.to_owned()]))
            .with_max_temp_directory_size(SPILL_BYTES_MAX);
        let (runtime, held) = Default::default();
        Ok(Room { disk: Arc::new(builder.build()?), dir: dir.to_owned(), runtime, held })
    }

    /// Where one query's operators run, with so many bytes of memory; `settings` are from [`config`].
    pub fn task(&self, settings: SessionConfig, bytes: usize) -> Result<Arc<TaskContext>, DataFusionError> {
        self.disk.set_max_temp_directory_size(self.bytes_max())?;
        let runtime = RuntimeEnv {
            memory_pool: Arc::new(Share::new(bytes, self.held.clone())),
            disk_manager: self.disk.clone(),
            ..self.runtime.clone()
        };
        let (scalars, aggregates, windows) = Default::default();
        let none = HashMap::new();
        let task =
            TaskContext::new(None, String::new(), settings, scalars, none, aggregates, windows, Arc::new(runtime));
        Ok(Arc::new(task))
    }

    /// Bytes that the operators of all queries hold.
    pub fn bytes_held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Bytes of temporary files that there are.
    pub fn bytes_used(&self) -> u64 {
        self.disk.used_disk_space()
    }

    /// The room of the disk; none where it does not say.
    pub fn disk_space(&self) -> DiskSpace {
        storage::disk_space(&self.dir).unwrap_or(DiskSpace { total: 0, free: 0 })
    }

    /// Bytes that temporary files may take: what the log and the store need of the disk is not theirs.
    fn bytes_max(&self) -> u64 {
        (self.bytes_used() + self.disk_space().free).saturating_sub(SPILL_FREE_BYTES_MIN).min(SPILL_BYTES_MAX)
    }
}

/// The memory of one query.
#[derive(Debug)]
struct Share {
    /// A part each for operators that can spill: one that takes all would leave the next nothing to spill from.
    own: FairSpillPool,
    bytes: usize,
    /// Bytes that the operators of all queries hold.
    held: Arc<AtomicUsize>,
}

impl Share {
    fn new(bytes: usize, held: Arc<AtomicUsize>) -> Share {
        Share { own: FairSpillPool::new(bytes), bytes, held }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "a query's {} bytes", self.bytes)
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &str {
        "share"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.held.fetch_add(additional, Ordering::Relaxed);
        self.own.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.held.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        let fits = |held: usize| held.checked_add(additional).filter(|held| *held <= QUERIES_BYTES_MAX);
        if let Err(held) = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            let name = reservation.consumer().name();
            let words =
                format!("{ALL_HELD}, {held} of {QUERIES_BYTES_MAX} bytes, and {name} asks for {additional} more");
            return Err(DataFusionError::ResourcesExhausted(words));
        }
        self.own.try_grow(reservation, additional).inspect_err(|_| {
            self.held.fetch_sub(additional, Ordering::Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_share_what_all_may_hold() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::open(dir.path()).unwrap();
        let each = QUERIES_BYTES_MAX / 2 + 1;
        let ask = || {
            let task = room.task(SessionConfig::new(), each).unwrap();
            MemoryConsumer::new("sort").with_can_spill(true).register(task.memory_pool())
        };
        let (first, second) = (ask(), ask());
        first.try_grow(each).unwrap();
        let refused = second.try_grow(each).unwrap_err();
        assert!(matches!(&refused, DataFusionError::ResourcesExhausted(_)), "{refused}");
        let told = SqlError::from(refused);
        assert_eq!((told.sqlstate, told.message.contains("together")), ("53200", true), "{told:?}");
        assert_eq!(room.bytes_held(), each);
        // More than a query's own is refused as well, and takes nothing from others.
        first.free();
        second.try_grow(each).unwrap();
        second.try_grow(1).unwrap_err();
        drop(second);
        assert_eq!(room.bytes_held(), 0);
    }
}
