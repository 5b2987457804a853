//! Room for the operators of queries: each query has its memory, and all of them share one directory of temporary files.
//!
//! Sorts, groupings and joins of sorted inputs write to it what does not fit. A file is removed with the operator that wrote
//! it, whether its query ended or was dropped; what a killed process leaves is removed when the directory is opened again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::context::TaskContext;
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionConfig;

use storage::DiskSpace;

use crate::error::SqlError;
use crate::limits::{QUERY_BATCH_ROWS, SPILL_BYTES_MAX, SPILL_BYTES_PER_ROW, SPILL_FREE_BYTES_MIN, SPILL_MERGE_PART};

/// Where queries put what does not fit into their memory.
#[derive(Debug)]
pub struct Room {
    disk: Arc<DiskManager>,
    dir: PathBuf,
    /// What all queries have alike.
    runtime: RuntimeEnv,
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
        Ok(Room { disk: Arc::new(builder.build()?), dir: dir.to_owned(), runtime: RuntimeEnv::default() })
    }

    /// Where one query's operators run, with so many bytes of memory; `settings` are from [`config`].
    pub fn task(&self, settings: SessionConfig, bytes: usize) -> Result<Arc<TaskContext>, DataFusionError> {
        self.disk.set_max_temp_directory_size(self.bytes_max())?;
        let runtime = RuntimeEnv {
            // A share each for those that can spill: one that takes all would leave the next nothing to spill from.
            memory_pool: Arc::new(FairSpillPool::new(bytes)),
            disk_manager: self.disk.clone(),
            ..self.runtime.clone()
        };
        let (scalars, aggregates, windows) = Default::default();
        let none = HashMap::new();
        let task =
            TaskContext::new(None, String::new(), settings, scalars, none, aggregates, windows, Arc::new(runtime));
        Ok(Arc::new(task))
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
