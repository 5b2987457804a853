//! What is known of a segment up to some byte: its index and the producers, so that a start need not read it again.
//!
//! ```text
//! "CDLX" | version u16 | crc32c u32 of what follows
//! base u64 | next u64 | bytes u64 | max timestamp i64
//! entries u32, each: offset u64 | position u64 | max timestamp before i64
//! producers u32, each: id i64 | epoch i16 | batches u8, each: base sequence i32 | records i32 | base offset u64
//! ```
//!
//! Everything is big-endian. The file is a help, not a source: one that is missing or damaged is made again from the segment.

use bytes::{Buf, BufMut};

use super::producers::Producers;
use super::segment::{IndexEntry, SegmentIndex};

const MAGIC: &[u8; 4] = b"CDLX";
const VERSION: u16 = 1;
const PREAMBLE_BYTES: usize = 10;

/// A segment's index and its partition's producers as of the segment's byte `index.bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub index: SegmentIndex,
    pub producers: Producers,
}

impl Checkpoint {
    pub fn encode(index: &SegmentIndex, producers: &Producers) -> Vec<u8> {
        let mut file = Vec::new();
        file.put_slice(MAGIC);
        file.put_u16(VERSION);
        file.put_u32(0);
        file.put_u64(index.base);
        file.put_u64(index.next);
        file.put_u64(index.bytes);
        file.put_i64(index.max_timestamp_ms);
        file.put_u32(index.entries.len() as u32);
        for entry in &index.entries {
            file.put_u64(entry.offset);
            file.put_u64(entry.position);
            file.put_i64(entry.max_timestamp_before_ms);
        }
        producers.encode(&mut file);
        let crc = crc32c::crc32c(&file[PREAMBLE_BYTES..]);
        file[6..PREAMBLE_BYTES].copy_from_slice(&crc.to_be_bytes());
        file
    }

    /// `None` if the file is not a whole checkpoint of this version.
    pub fn decode(file: &[u8]) -> Option<Checkpoint> {
        let (mut preamble, mut body) = file.split_at_checked(PREAMBLE_BYTES)?;
        if preamble.copy_to_bytes(MAGIC.len()) != MAGIC[..] || preamble.get_u16() != VERSION {
            return None;
        }
        if preamble.get_u32() != crc32c::crc32c(body) {
            return None;
        }
        let mut index = SegmentIndex::new(body.try_get_u64().ok()?);
        index.next = body.try_get_u64().ok()?;
        index.bytes = body.try_get_u64().ok()?;
        index.max_timestamp_ms = body.try_get_i64().ok()?;
        for _ in 0..body.try_get_u32().ok()? {
            index.entries.push(IndexEntry {
                offset: body.try_get_u64().ok()?,
                position: body.try_get_u64().ok()?,
                max_timestamp_before_ms: body.try_get_i64().ok()?,
            });
        }
        let producers = Producers::decode(&mut body)?;
        body.is_empty().then_some(Checkpoint { index, producers })
    }
}
