//! What is sent together: the oldest records, as a message for each circuit.

use heapless::Vec;
use minicbor::encode::write::Cursor;
use minicbor::{Decode, Encode};
use wire::Reading;

use crate::limits::{BATCH_RECORDS, MESSAGE_BYTES_MAX};
use crate::record::Sample;

pub type Message = Vec<u8, MESSAGE_BYTES_MAX>;

/// What readings are sent as.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, PartialEq, Eq)]
#[cbor(index_only)]
pub enum Encoding {
    #[default]
    #[n(0)]
    Json,
    /// A third of the bytes.
    #[n(1)]
    Cbor,
}

/// The oldest records that were not acknowledged, dated. Once the broker has acknowledged the messages of all circuits, it is
/// given back to the meter; until then the same records come again.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) samples: Vec<(i64, Sample), BATCH_RECORDS>,
    /// The last record that it deals with.
    pub(crate) through: Option<u32>,
    /// Records that never will have a date.
    pub(crate) undatable: u32,
}

impl Batch {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// A circuit's readings, oldest first.
    pub fn readings(&self, circuit: usize) -> Vec<Reading, BATCH_RECORDS> {
        self.samples.iter().filter_map(|(at_ms, sample)| sample.reading(circuit, *at_ms)).collect()
    }

    /// A circuit's message; `None` where it has no reading.
    pub fn message(&self, circuit: usize, encoding: Encoding) -> Option<Message> {
        let readings = self.readings(circuit);
        if readings.is_empty() {
            return None;
        }
        let mut message = Message::new();
        match encoding {
            Encoding::Json => wire::json::encode(&readings, &mut message).expect("a batch fits a message"),
            Encoding::Cbor => {
                message.resize_default(MESSAGE_BYTES_MAX).expect("it is the capacity");
                let mut cursor = Cursor::new(&mut message[..]);
                wire::cbor::encode(&readings, &mut cursor).expect("a batch fits a message");
                let length = cursor.position();
                message.truncate(length);
            }
        }
        Some(message)
    }
}
