//! A record batch in Kafka's format v2: its header, and the check that a stranger's batch is whole.

use bytes::{Bytes, BytesMut};

use super::LogError;
use super::compression::Compression;
use super::record::Records;
use crate::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

/// Bytes of the header; the records follow.
pub const HEADER_BYTES: usize = 61;
/// Bytes up to and including the length field, which does not count them.
const LENGTH_END: usize = 12;
const MAGIC: u8 = 2;
/// The checksum covers everything from the attributes on, so base offset and leader epoch can be set without it.
const CRC_START: usize = 21;
const ATTRIBUTE_COMPRESSION: i16 = 0x07;
const ATTRIBUTE_LOG_APPEND_TIME: i16 = 0x08;
const ATTRIBUTE_TRANSACTIONAL: i16 = 0x10;
const ATTRIBUTE_CONTROL: i16 = 0x20;
/// There is one node and no election, so every batch is of leader epoch 0.
const LEADER_EPOCH: i32 = 0;
/// In place of a producer id: the batch is not of an idempotent producer.
pub const NO_PRODUCER: i64 = -1;

/// The header of a record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: u64,
    /// The whole batch, header included.
    pub bytes: usize,
    pub crc: u32,
    pub attributes: i16,
    /// Offset of the last record minus `base_offset`.
    pub last_offset_delta: i32,
    /// Milliseconds since 1970.
    pub base_timestamp_ms: i64,
    /// The latest of the records' timestamps.
    pub max_timestamp_ms: i64,
    /// [`NO_PRODUCER`] unless the producer is idempotent.
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Sequence number of the first record.
    pub base_sequence: i32,
    pub records: i32,
}

impl BatchHeader {
    /// Reads the header of the batch that `bytes` begin with; the words say why there is none.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, &'static str> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Err("it ends within the header") };
        if header[16] != MAGIC {
            return Err("it is not of format version 2: use a client for Kafka 0.11 or newer");
        }
        let length = i32::from_be_bytes(field(header, 8));
        if length < (HEADER_BYTES - LENGTH_END) as i32 {
            return Err("its length is smaller than a header");
        }
        let parsed = BatchHeader {
            base_offset: u64::from_be_bytes(field(header, 0)),
            bytes: length as usize + LENGTH_END,
            crc: u32::from_be_bytes(field(header, 17)),
            attributes: i16::from_be_bytes(field(header, 21)),
            last_offset_delta: i32::from_be_bytes(field(header, 23)),
            base_timestamp_ms: i64::from_be_bytes(field(header, 27)),
            max_timestamp_ms: i64::from_be_bytes(field(header, 35)),
            producer_id: i64::from_be_bytes(field(header, 43)),
            producer_epoch: i16::from_be_bytes(field(header, 51)),
            base_sequence: i32::from_be_bytes(field(header, 53)),
            records: i32::from_be_bytes(field(header, 57)),
        };
        if parsed.records < 1 || i64::from(parsed.last_offset_delta) != i64::from(parsed.records) - 1 {
            return Err("its offsets do not match its number of records");
        }
        Ok(parsed)
    }

    /// The offset after the last record.
    pub fn end(&self) -> u64 {
        // A damaged header can have any base offset.
        self.base_offset.saturating_add(self.records as u64)
    }

    /// How the records are compressed; `None` for a method that does not exist.
    pub fn compression(&self) -> Option<Compression> {
        Compression::from_attribute(self.attributes & ATTRIBUTE_COMPRESSION)
    }

    /// Whether the batch is of an idempotent producer.
    pub fn is_idempotent(&self) -> bool {
        self.producer_id != NO_PRODUCER
    }
}

/// Writes a header in front of `records`, which has [`HEADER_BYTES`] of room for it, and sets its checksum.
/// `header.bytes` and `header.crc` are taken from the records, not from the header given.
pub fn seal(batch: &mut BytesMut, header: &BatchHeader) {
    let length = i32::try_from(batch.len() - LENGTH_END).expect("a batch is far smaller than 2 GiB");
    batch[0..8].copy_from_slice(&header.base_offset.to_be_bytes());
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[12..16].copy_from_slice(&LEADER_EPOCH.to_be_bytes());
    batch[16] = MAGIC;
    batch[21..23].copy_from_slice(&header.attributes.to_be_bytes());
    batch[23..27].copy_from_slice(&header.last_offset_delta.to_be_bytes());
    batch[27..35].copy_from_slice(&header.base_timestamp_ms.to_be_bytes());
    batch[35..43].copy_from_slice(&header.max_timestamp_ms.to_be_bytes());
    batch[43..51].copy_from_slice(&header.producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&header.producer_epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&header.base_sequence.to_be_bytes());
    batch[57..61].copy_from_slice(&header.records.to_be_bytes());
    let crc = crc32c::crc32c(&batch[CRC_START..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// Gives a batch its place in the partition. The checksum does not cover it.
pub fn place(batch: &mut [u8], base_offset: u64) {
    batch[0..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[12..16].copy_from_slice(&LEADER_EPOCH.to_be_bytes());
}

/// Whether the checksum in the header is that of the batch.
pub fn checksum_holds(header: &BatchHeader, batch: &[u8]) -> bool {
    crc32c::crc32c(&batch[CRC_START..header.bytes]) == header.crc
}

/// Checks a batch that a producer sent, down to each record: what is accepted here can be read for ever after.
/// A latest timestamp that is not that of the records is corrected, since look-ups by time rely on it.
pub fn accept(batch: Bytes) -> Result<(BatchHeader, Bytes), LogError> {
    if batch.len() > BATCH_BYTES_MAX {
        return Err(LogError::TooLarge { bytes: batch.len(), limit: BATCH_BYTES_MAX });
    }
    let refuse = |reason: &str| LogError::InvalidBatch(reason.to_string());
    let header = BatchHeader::parse(&batch).map_err(refuse)?;
    if header.bytes != batch.len() {
        return Err(refuse("there must be exactly one batch, and it must be whole"));
    }
    if !checksum_holds(&header, &batch) {
        return Err(LogError::Checksum);
    }
    if header.attributes & (ATTRIBUTE_TRANSACTIONAL | ATTRIBUTE_CONTROL) != 0 {
        return Err(refuse("transactions are not supported: produce without a transactional id"));
    }
    if header.attributes & ATTRIBUTE_LOG_APPEND_TIME != 0 {
        return Err(refuse("only the log may set its own append time: send the time of creation"));
    }
    if header.records as usize > BATCH_RECORDS_MAX {
        return Err(refuse("it has too many records: make batches smaller"));
    }
    if header.is_idempotent() && (header.producer_id < 0 || header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(refuse("its producer id, epoch or sequence is negative"));
    }
    let latest_ms = latest_timestamp(&header, &batch).map_err(LogError::InvalidBatch)?;
    if latest_ms == header.max_timestamp_ms {
        return Ok((header, batch));
    }
    let mut corrected = BytesMut::from(&batch[..]);
    seal(&mut corrected, &BatchHeader { max_timestamp_ms: latest_ms, ..header });
    let header = BatchHeader::parse(&corrected).map_err(refuse)?;
    Ok((header, corrected.freeze()))
}

/// Reads every record and returns the latest timestamp.
fn latest_timestamp(header: &BatchHeader, batch: &Bytes) -> Result<i64, String> {
    // The sender's base offset means nothing: the records are numbered from 0 until the batch has its place.
    let unplaced = BatchHeader { base_offset: 0, ..*header };
    let mut latest_ms = i64::MIN;
    for (expected, record) in (0..).zip(Records::of(&unplaced, batch)?) {
        let record = record?;
        if record.offset != expected {
            return Err("its records are not numbered in order".into());
        }
        latest_ms = latest_ms.max(record.timestamp_ms);
    }
    Ok(latest_ms)
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    header[at..at + N].try_into().expect("fields lie within the header")
}
