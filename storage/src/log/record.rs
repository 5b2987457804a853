//! Records within a batch: reading them, and making a batch of events.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{self, BatchHeader, HEADER_BYTES, NO_PRODUCER};
use super::compression::{self, Compression};
use super::{Event, LogError, Record};
use crate::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

/// A header of a record takes at least these bytes: the lengths of its name and of its value.
const RECORD_HEADER_BYTES_MIN: usize = 2;

/// The records of a batch, in offset order. Their keys and values share the batch's memory where it is not compressed.
pub struct Records {
    rest: Cursor,
    header: BatchHeader,
    remaining: i32,
}

impl Records {
    /// The records of `batch`, whose header is `header`.
    pub fn of(header: &BatchHeader, batch: &Bytes) -> Result<Records, String> {
        let compression = header.compression().ok_or("its compression is not one of gzip, snappy, lz4 and zstd")?;
        let records = compression.decompress(batch.slice(HEADER_BYTES..header.bytes))?;
        Ok(Records { rest: Cursor(records), header: *header, remaining: header.records })
    }

    fn read(&mut self) -> Option<Record> {
        let length = self.rest.varint().and_then(|length| usize::try_from(length).ok())?;
        let mut record = Cursor(self.rest.take(length)?);
        record.take(1)?; // Attributes of a record: none are defined.
        let timestamp_delta = record.varint()?;
        let offset_delta = record.varint().and_then(|delta| u64::try_from(delta).ok())?;
        let key = record.sized()?;
        let value = record.sized()?;
        let count = record.varint().and_then(|count| usize::try_from(count).ok())?;
        // The count is a stranger's: memory is taken only for headers that the bytes have room for.
        let mut headers = Vec::with_capacity(count.min(record.0.len() / RECORD_HEADER_BYTES_MIN));
        for _ in 0..count {
            let name = String::from_utf8(record.sized()??.to_vec()).ok()?;
            headers.push((name, record.sized()?));
        }
        record.0.is_empty().then_some(())?;
        Some(Record {
            offset: self.header.base_offset.checked_add(offset_delta)?,
            key,
            value,
            headers,
            timestamp_ms: self.header.base_timestamp_ms.wrapping_add(timestamp_delta),
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, String>;

    fn next(&mut self) -> Option<Result<Record, String>> {
        if self.remaining == 0 {
            return (!std::mem::take(&mut self.rest.0).is_empty())
                .then(|| Err("it has bytes after its last record".into()));
        }
        let read = self.read();
        self.remaining = if read.is_some() { self.remaining - 1 } else { 0 };
        if read.is_none() {
            self.rest.0.clear();
        }
        Some(read.ok_or_else(|| "a record in it is malformed".into()))
    }
}

/// Makes one batch of the events, which are at least one, in their order. Its offsets are relative until it is placed.
pub fn batch_of(events: &[&Event], compression: Compression) -> Result<(BatchHeader, Bytes), LogError> {
    assert!(!events.is_empty(), "a batch has at least one event");
    if events.len() > BATCH_RECORDS_MAX {
        return Err(LogError::InvalidBatch(format!(
            "{} events at once are more than {BATCH_RECORDS_MAX}: append fewer",
            events.len()
        )));
    }
    let base_timestamp_ms = events[0].timestamp_ms;
    let mut batch = BytesMut::with_capacity(events.iter().map(|event| size_hint(event)).sum::<usize>() + HEADER_BYTES);
    batch.put_bytes(0, HEADER_BYTES);
    let mut record = Vec::new();
    for (offset_delta, event) in events.iter().enumerate() {
        record.clear();
        encode(&mut record, event, base_timestamp_ms, offset_delta);
        put_varint(&mut batch, record.len() as i64);
        batch.put_slice(&record);
    }
    let attributes = match compression {
        Compression::None => 0,
        Compression::Lz4 => {
            let compressed = compression::compress_lz4(&batch[HEADER_BYTES..])
                .map_err(|error| LogError::InvalidBatch(format!("it cannot be compressed: {error}")))?;
            batch.truncate(HEADER_BYTES);
            batch.put_slice(&compressed);
            3
        }
        other => return Err(LogError::InvalidBatch(format!("the log itself compresses with lz4 only, not {other:?}"))),
    };
    if batch.len() > BATCH_BYTES_MAX {
        return Err(LogError::TooLarge { bytes: batch.len(), limit: BATCH_BYTES_MAX });
    }
    let header = BatchHeader {
        base_offset: 0,
        bytes: 0,
        crc: 0,
        attributes,
        last_offset_delta: events.len() as i32 - 1,
        base_timestamp_ms,
        max_timestamp_ms: events.iter().map(|event| event.timestamp_ms).max().expect("there is an event"),
        producer_id: NO_PRODUCER,
        producer_epoch: -1,
        base_sequence: -1,
        records: events.len() as i32,
    };
    batch::seal(&mut batch, &header);
    let header = BatchHeader::parse(&batch).expect("a header just written is valid");
    Ok((header, batch.freeze()))
}

fn size_hint(event: &Event) -> usize {
    let headers: usize = event.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    event.key.as_ref().map_or(0, Bytes::len) + event.value.as_ref().map_or(0, Bytes::len) + headers + 24
}

fn encode(record: &mut Vec<u8>, event: &Event, base_timestamp_ms: i64, offset_delta: usize) {
    record.put_u8(0);
    put_varint(record, event.timestamp_ms.wrapping_sub(base_timestamp_ms));
    put_varint(record, offset_delta as i64);
    put_sized(record, event.key.as_deref());
    put_sized(record, event.value.as_deref());
    put_varint(record, event.headers.len() as i64);
    for (name, value) in &event.headers {
        put_sized(record, Some(name.as_bytes()));
        put_sized(record, Some(value));
    }
}

fn put_sized(buffer: &mut impl BufMut, bytes: Option<&[u8]>) {
    put_varint(buffer, bytes.map_or(-1, |bytes| bytes.len() as i64));
    buffer.put_slice(bytes.unwrap_or_default());
}

/// Zigzag and seven bits a byte, low ones first.
fn put_varint(buffer: &mut impl BufMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        buffer.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.put_u8(rest as u8);
}

/// Reads from the front; `None` where the bytes end or make no sense.
struct Cursor(Bytes);

impl Cursor {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn varint(&mut self) -> Option<i64> {
        let mut value = 0u64;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                let _ = self.0.split_to(at + 1);
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    /// A length and that many bytes; a length of -1 is `Some(None)`.
    fn sized(&mut self) -> Option<Option<Bytes>> {
        match self.varint()? {
            -1 => Some(None),
            length => Some(Some(self.take(usize::try_from(length).ok()?)?)),
        }
    }
}
