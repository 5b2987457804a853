//! The past of a stream: what a view that is made later is filled from, as far back as the log goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflow::Changes;
use storage::{LogError, LogHistory, LogHome, Position, TopicPartition};
use tokio::runtime::Handle;

use super::input::TableReader;
use super::table::in_pieces;
use crate::error::SqlError;
use crate::limits::{FILL_FETCH_BYTES, FILL_FETCH_WAIT};

/// The rows of a stream that the log still has, up to where the tables are.
pub struct Past {
    reader: Arc<TableReader>,
    log: LogHistory,
    runtime: Handle,
    /// Where to read on, of the partitions that are not read to their end.
    from: BTreeMap<TopicPartition, u64>,
    to: BTreeMap<TopicPartition, u64>,
    /// What there is to read, and how much of it is read, in offsets.
    offsets: u64,
    read: u64,
    /// When the oldest event was, where there were older ones that the log has dropped; milliseconds since 1970.
    covers_from_ms: Option<i64>,
    /// Partitions whose first events the log has dropped, until one is read of what there is.
    cut: Vec<TopicPartition>,
    /// What time it is where the past ends.
    now_ms: i64,
}

impl Past {
    /// `to`: the first offset of each partition that is not of the past, which ends at `now_ms`.
    pub fn new(
        reader: Arc<TableReader>,
        log: &LogHome,
        runtime: Handle,
        to: BTreeMap<TopicPartition, u64>,
        now_ms: i64,
    ) -> Result<Past, SqlError> {
        let mut past = Past {
            reader,
            log: log.history()?,
            runtime,
            from: BTreeMap::new(),
            to,
            offsets: 0,
            read: 0,
            covers_from_ms: None,
            cut: Vec::new(),
            now_ms,
        };
        let partitions: Vec<TopicPartition> = past.to.keys().cloned().collect();
        for partition in partitions {
            past.begin(&partition)?;
        }
        past.offsets = past.from.iter().map(|(partition, from)| past.to[partition] - from).sum();
        Ok(past)
    }

    /// Begins where the log begins, or now does.
    fn begin(&mut self, partition: &TopicPartition) -> Result<(), SqlError> {
        let (start, _) = self.runtime.block_on(self.log.bounds(partition))?;
        if start > 0 && !self.cut.contains(partition) {
            self.cut.push(partition.clone());
        }
        self.from.insert(partition.clone(), start);
        self.from.retain(|partition, from| *from < self.to[partition]);
        Ok(())
    }

    /// The next rows, in the order of each partition; none where none came for now. `None`: that was all.
    pub fn next(&mut self) -> Result<Option<Vec<Changes>>, SqlError> {
        if self.from.is_empty() {
            return Ok(None);
        }
        let from: Vec<Position> = self.from.iter().map(|(partition, &offset)| position(partition, offset)).collect();
        let fetched = match self.runtime.block_on(self.log.fetch(&from, FILL_FETCH_BYTES, FILL_FETCH_WAIT)) {
            // Retention was faster.
            Err(LogError::OutOfRange { position, .. }) => {
                self.begin(&position.partition)?;
                return Ok(Some(Vec::new()));
            }
            fetched => fetched?,
        };
        let mut changes = Vec::new();
        for mut fetched in fetched {
            let to = self.to[&fetched.partition];
            fetched.records.retain(|record| record.offset < to);
            if let Some(first) = fetched.records.first()
                && let Some(at) = self.cut.iter().position(|cut| *cut == fetched.partition)
            {
                self.cut.swap_remove(at);
                self.covers_from_ms = self.covers_from_ms.max(Some(first.timestamp_ms));
            }
            changes.extend(in_pieces(&self.reader.rows(&fetched), 1));
            let next = fetched.next.min(to);
            let from = self.from.insert(fetched.partition, next).expect("it was asked for");
            self.read += next - from;
        }
        self.from.retain(|partition, from| *from < self.to[partition]);
        Ok(Some(changes))
    }

    /// How much of it has been read, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.offsets == 0 { 1.0 } else { (self.read as f64 / self.offsets as f64).min(1.0) }
    }

    /// From when on all rows were there, once all is read, where the log has dropped older ones.
    pub fn covers_from_ms(&self) -> Option<i64> {
        match self.cut.is_empty() {
            true => self.covers_from_ms,
            // There was nothing left of a partition.
            false => Some(self.now_ms),
        }
    }
}

fn position(partition: &TopicPartition, offset: u64) -> Position {
    Position { partition: partition.clone(), offset }
}
