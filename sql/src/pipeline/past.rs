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
    /// Partitions of which it is not known yet where they begin, or begin now.
    unknown: Vec<TopicPartition>,
    /// Where to read on, of the partitions that are not read to their end.
    from: BTreeMap<TopicPartition, u64>,
    to: BTreeMap<TopicPartition, u64>,
    /// How much of it is read, in offsets.
    read: u64,
    /// The time of the first event that there is, by the log's account, where there were others before it that the log has
    /// dropped; the latest such of the partitions. Milliseconds since 1970.
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
        Ok(Past {
            reader,
            log: log.history()?,
            runtime,
            unknown: to.keys().cloned().collect(),
            from: BTreeMap::new(),
            to,
            read: 0,
            covers_from_ms: None,
            cut: Vec::new(),
            now_ms,
        })
    }

    /// Begins with the partitions that are not begun; false where the log does not answer.
    fn begin(&mut self) -> Result<bool, SqlError> {
        while let Some(partition) = self.unknown.last() {
            let start = match self.runtime.block_on(self.log.bounds(partition)) {
                Ok((start, _)) => start,
                Err(LogError::Unreachable { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let partition = self.unknown.pop().expect("it was just the last");
            if start > 0 && !self.cut.contains(&partition) {
                self.cut.push(partition.clone());
            }
            self.from.insert(partition, start);
        }
        self.from.retain(|partition, from| *from < self.to[partition]);
        Ok(true)
    }

    /// The next rows, in the order of each partition; none where none came for now. `None`: that was all.
    pub fn next(&mut self) -> Result<Option<Vec<Changes>>, SqlError> {
        if !self.begin()? {
            std::thread::sleep(FILL_FETCH_WAIT);
            return Ok(Some(Vec::new()));
        }
        if self.from.is_empty() {
            return Ok(None);
        }
        let from: Vec<Position> = self.from.iter().map(|(partition, &offset)| position(partition, offset)).collect();
        let fetched = match self.runtime.block_on(self.log.fetch(&from, FILL_FETCH_BYTES, FILL_FETCH_WAIT)) {
            // Retention was faster.
            Err(LogError::OutOfRange { position, .. }) => {
                self.unknown.push(position.partition);
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
        let left: u64 = self.from.iter().map(|(partition, from)| self.to[partition] - from).sum();
        self.read as f64 / (self.read + left).max(1) as f64
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
