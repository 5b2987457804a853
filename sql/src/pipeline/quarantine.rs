//! Events that are no rows, kept in `caudal.quarantine`.

use dataflow::{RowCodec, StateWrite};
use storage::TopicPartition;

use super::sorted::sorted_puts;
use crate::decode::{Cell, Reason, RowsBuilder};
use crate::system;

/// An event, and why it is no row.
#[derive(Clone, Debug)]
pub struct Quarantined {
    pub partition: TopicPartition,
    pub offset: u64,
    pub table: String,
    /// What it carried, or its key where it was a delete.
    pub payload: Option<String>,
    pub reason: Reason,
    /// When the event was, microseconds since 1970.
    pub time_us: i64,
    /// What it was about: the topic of MQTT.
    pub subject: Option<String>,
}

/// The rows to add to `caudal.quarantine`.
pub fn writes(codec: &RowCodec, quarantined: &[Quarantined]) -> Option<StateWrite> {
    if quarantined.is_empty() {
        return None;
    }
    let mut rows = RowsBuilder::new(system::quarantine());
    for event in quarantined {
        rows.push(&[
            (&*event.partition.topic).into(),
            Cell::Int(i64::from(event.partition.partition)),
            Cell::Int(event.offset as i64),
            event.table.as_str().into(),
            event.payload.as_deref().into(),
            event.reason.0.as_str().into(),
            Cell::Timestamp(event.time_us),
            event.subject.as_deref().into(),
        ]);
    }
    let rows = rows.finish();
    Some(sorted_puts(system::QUARANTINE, &codec.keys(&rows), &codec.values(&rows)))
}
