//! Packets on their way into the log: a reading for each channel that the table of channels has.
//!
//! A GEM cannot say a password. Who it is says its serial number, and what that may feed the table of channels; what is not there,
//! and what is no packet, goes to quarantine, so much of it in an hour that strangers cannot fill the disk.

use std::sync::{Arc, Mutex, PoisonError};

use sql::{Database, SqlError, feed};
use storage::Event;

use super::stream::Found;
use super::{Malformed, Packet};
use crate::limits::{GEM_REFUSED_KEPT_MAX, GEM_REFUSED_PERIOD_MS};
use crate::metrics;

/// Puts packets into the log.
pub(crate) struct Keeping {
    database: Arc<Database>,
    refused: Mutex<Refusals>,
}

/// What was refused and kept since a moment.
#[derive(Default)]
struct Refusals {
    since_ms: i64,
    kept: usize,
}

/// Why a packet is not among the rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Damaged(Malformed),
    #[error("meter {serial} has no channel in {table}")]
    Unknown { serial: String, table: String },
}

/// Why nothing was taken: the same may be sent again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    #[error("no table has the channels of GEMs: the energy pack brings one, or CREATE TABLE .. WITH (gem = 'table')")]
    NoTable,
    #[error("{}", .0.message)]
    Database(#[from] SqlError),
}

impl Keeping {
    pub(crate) fn new(database: Arc<Database>) -> Keeping {
        Keeping { database, refused: Mutex::default() }
    }

    /// Keeps what was found: durable on return. `from` names the sender in the quarantine. What was refused, with as many packets that
    /// were not.
    pub(crate) async fn keep(&self, found: Vec<Found>, from: &str) -> Result<(usize, Vec<Refused>), NotKept> {
        let now_ms = self.database.now_ms();
        let (mut events, mut refused, mut taken, mut fed) = (Vec::new(), Vec::new(), 0, None);
        for found in found {
            let serial = match &found {
                Found::Packet(packet, _) => packet.serial.as_str(),
                Found::Damaged(..) => "",
            };
            let channels = self.database.channels(serial).await?.ok_or(NotKept::NoTable)?;
            let (why, bytes) = match found {
                Found::Packet(packet, _) if !channels.feeds.is_empty() => {
                    events.extend(readings(&packet, &channels, now_ms));
                    taken += 1;
                    fed = Some(channels.fed);
                    continue;
                }
                Found::Packet(packet, bytes) => {
                    (Refused::Unknown { serial: packet.serial, table: channels.table }, bytes)
                }
                Found::Damaged(why, bytes) => (Refused::Damaged(why), bytes),
            };
            metrics::doors().gem_refused.inc();
            if self.may_keep(now_ms) {
                tracing::warn!(from, "a GEM's packet is in quarantine: {why}");
                events.push(feed::refused(&format!("gem from {from}"), shown(&bytes), why.to_string(), now_ms));
                fed = Some(channels.fed);
            }
            refused.push(why);
        }
        if let Some(fed) = fed {
            self.database.append(&fed, events).await?;
        }
        metrics::doors().gem_packets.inc_by(taken as u64);
        Ok((taken, refused))
    }

    /// Whether one more that is refused is kept.
    fn may_keep(&self, now_ms: i64) -> bool {
        let mut refusals = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if !(0..GEM_REFUSED_PERIOD_MS).contains(&(now_ms - refusals.since_ms)) {
            *refusals = Refusals { since_ms: now_ms, kept: 0 };
        }
        refusals.kept += 1;
        refusals.kept <= GEM_REFUSED_KEPT_MAX
    }
}

/// The events of those channels that feed a row.
fn readings(packet: &Packet, channels: &feed::Channels, arrived_ms: i64) -> Vec<Event> {
    let mut events = Vec::new();
    for channel in &packet.channels {
        let Some(feed) = channels.feeds.get(&i64::from(channel.number)) else { continue };
        let Some(reading) = channel.reading(packet, arrived_ms) else { continue };
        let mut json = String::new();
        wire::json::encode(&[reading], &mut json).expect("a string takes any text");
        events.extend(feed.events(json.as_bytes(), arrived_ms));
    }
    events
}

/// A packet as people read it: text as it is, bytes as hexadecimal digits.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace()) => text.to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
