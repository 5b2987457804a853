//! Which segments a topic's settings let go, and that nothing goes that is not in a durable commit yet.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use super::partition::Partition;
use super::segment;
use crate::log::{Position, TopicPartition};

/// How far each partition that feeds a table has been taken into a durable commit.
#[derive(Debug, Default)]
pub struct Guards {
    /// Whether anybody has said what feeds a table. Before, everything might.
    armed: bool,
    consumed: HashMap<TopicPartition, Consumed>,
}

/// How far the tables that a partition feeds have come.
#[derive(Clone, Copy, Debug)]
struct Consumed {
    before: u64,
    /// Where the partition ended when it began to feed one.
    from: u64,
}

impl Guards {
    /// Records before these positions may go; those after stay.
    /// `end`: where a partition ends now.
    pub fn consumed(&mut self, positions: &[Position], end: impl Fn(&TopicPartition) -> u64) {
        self.armed = true;
        for Position { partition, offset } in positions {
            match self.consumed.get_mut(partition) {
                Some(consumed) => consumed.before = consumed.before.max(*offset),
                None => {
                    let consumed = Consumed { before: *offset, from: end(partition) };
                    self.consumed.insert(partition.clone(), consumed);
                }
            }
        }
    }

    /// These partitions feed no table any more.
    pub fn released(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.consumed.remove(partition);
        }
    }

    /// Whether a topic feeds a table.
    pub fn is_topic_of_table(&self, topic: &str) -> bool {
        self.consumed.keys().any(|partition| *partition.topic == *topic)
    }

    /// Records before this offset may go, since no table reads the partition or it has read them.
    pub fn read_before(&self, partition: &TopicPartition) -> u64 {
        self.consumed.get(partition).map_or(u64::MAX, |consumed| consumed.before)
    }

    /// From where on what has come is yet to be taken: the history that a table begins with is not. `None` where no table reads
    /// the partition.
    pub fn awaited(&self, partition: &TopicPartition) -> Option<u64> {
        self.consumed.get(partition).map(|consumed| consumed.before.max(consumed.from))
    }

    /// Records before this offset may go; `None` if none may.
    fn allowed(&self, partition: &TopicPartition) -> Option<u64> {
        self.armed.then(|| self.read_before(partition))
    }
}

/// Removes the segments of `partition` that its settings let go at `now_ms` and that `guards` allow.
/// A segment is as old as its last record's arrival: a history that is imported stays as long as news.
pub fn enforce(partition: &Partition, guards: &Guards, now_ms: i64) -> io::Result<()> {
    let Some(allowed) = guards.allowed(&partition.id) else { return Ok(()) };
    let (sealed, active) = {
        let readable = partition.readable();
        (readable.sealed.clone(), readable.active.clone())
    };
    let settings = partition.settings();
    let expired = |base| -> io::Result<bool> {
        let Some(retention_ms) = settings.retention_ms else { return Ok(false) };
        Ok(arrived_ms(partition, base)?.saturating_add_unsigned(retention_ms) < now_ms)
    };
    let mut kept_bytes = active.bytes + sealed.iter().map(|segment| segment.bytes).sum::<u64>();
    let mut count = 0;
    for segment in &sealed {
        let too_much = settings.retention_bytes.is_some_and(|bytes| kept_bytes - segment.bytes >= bytes);
        if segment.next > allowed || !(too_much || expired(segment.base)?) {
            break;
        }
        kept_bytes -= segment.bytes;
        count += 1;
    }
    if count == sealed.len() && active.bytes > 0 && active.next <= allowed && expired(active.base)? {
        partition.roll_active()?;
        count += 1;
    }
    if count > 0 {
        partition.remove_oldest(count)?;
        tracing::debug!(topic = %partition.id.topic, partition = partition.id.partition, count, "segments expired");
    }
    Ok(())
}

/// When the last record of a segment arrived, in milliseconds since 1970.
fn arrived_ms(partition: &Partition, base: u64) -> io::Result<i64> {
    Ok(unix_ms(fs::metadata(segment::log_path(&partition.dir, base))?.modified()?))
}

/// Milliseconds since 1970; 0 before.
pub fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
