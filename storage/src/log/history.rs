//! Reading what the log has had for long, beside whoever follows its end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cluster::{Cluster, Reader};
use super::embedded::Embedded;
use super::{Fetched, LogError, LogHome, Position, TopicPartition};

/// A way into the log's past: what is fetched here leaves [`LogHome::fetch`] where it is.
pub struct LogHistory {
    from: Home,
}

enum Home {
    Embedded(Arc<Embedded>),
    Cluster(Arc<Cluster>, Reader),
}

impl LogHome {
    pub fn history(&self) -> Result<LogHistory, LogError> {
        let from = match self {
            LogHome::Embedded(log) => Home::Embedded(log.clone()),
            LogHome::Cluster(log) => Home::Cluster(log.clone(), log.other_reader()?),
        };
        Ok(LogHistory { from })
    }
}

impl LogHistory {
    /// As [`LogHome::fetch`].
    pub async fn fetch(&self, from: &[Position], max_bytes: usize, wait: Duration) -> Result<Vec<Fetched>, LogError> {
        match &self.from {
            Home::Embedded(log) => log.fetch(from, max_bytes, wait).await,
            Home::Cluster(log, reader) => log.fetch_by(reader, from, max_bytes, wait).await,
        }
    }

    /// As [`LogHome::bounds`].
    pub async fn bounds(&self, partition: &TopicPartition) -> Result<(u64, u64), LogError> {
        match &self.from {
            Home::Embedded(log) => log.bounds(partition).await,
            Home::Cluster(log, _) => log.bounds(partition).await,
        }
    }
}

impl fmt::Debug for LogHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHistory").finish_non_exhaustive()
    }
}
