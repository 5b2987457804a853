//! Reading a partition: whole batches from an offset on, and offsets by time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::partition::{Partition, Reach};
use super::segment::{self, SegmentIndex};
use crate::limits::INDEX_INTERVAL_BYTES;
use crate::log::batch::{self, BatchHeader, HEADER_BYTES};
use crate::log::record::Records;
use crate::log::{LogError, Position, Record};

/// Whole batches of one segment.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The first may begin with records before the offset asked for.
    pub batches: Bytes,
    /// The offset after the last record in `batches`.
    pub next: u64,
    /// The partition's first offset and the one after the last record that may be read.
    pub start: u64,
    pub end: u64,
}

/// A part of a segment's file.
struct Extent {
    file: Option<Arc<File>>,
    base: u64,
    position: u64,
    limit: u64,
}

impl Partition {
    /// Reads what is durable from `offset` on: at least one batch if there is one, else as many whole ones of one segment as
    /// fit into `max_bytes`.
    pub fn read(&self, offset: u64, max_bytes: usize) -> Result<Slice, LogError> {
        self.read_to(Reach::Durable, offset, max_bytes)
    }

    /// Reads as far as `reach`; otherwise like [`Partition::read`].
    pub fn read_to(&self, reach: Reach, offset: u64, max_bytes: usize) -> Result<Slice, LogError> {
        let (extent, start, end) = {
            let readable = self.readable();
            let (start, end) = (readable.start(), readable.end(reach));
            if offset < start || offset > end {
                let position = Position { partition: self.id.clone(), offset };
                return Err(LogError::OutOfRange { position, start, end });
            }
            if offset == end {
                return Ok(Slice { batches: Bytes::new(), next: offset, start, end });
            }
            let (segment, file) = self.segment_of(&readable, offset);
            let (position, limit) = match offset < readable.active.next {
                true => (segment.position_before(offset), segment.bytes),
                false => (segment.bytes, readable.written.bytes),
            };
            (Extent { file, base: segment.base, position, limit }, start, end)
        };
        match self.read_extent(extent, offset, max_bytes) {
            Ok((batches, next)) => Ok(Slice { batches, next, start, end }),
            Err(error) => Err(self.explain(error, offset)),
        }
    }

    /// The first record at or after `timestamp_ms`: its offset and timestamp.
    pub fn offset_for_time(&self, timestamp_ms: i64) -> Result<Option<(u64, i64)>, LogError> {
        let (extents, start) = {
            let readable = self.readable();
            let sealed = readable.sealed.iter().map(|segment| (&**segment, None));
            let all = sealed.chain([(&readable.active, Some(readable.file.clone()))]);
            let late = all.filter(|(segment, _)| segment.bytes > 0 && segment.max_timestamp_ms >= timestamp_ms);
            let extents = late.map(|(segment, file): (&SegmentIndex, _)| {
                let position = segment.position_before_time(timestamp_ms);
                Extent { file, base: segment.base, position, limit: segment.bytes }
            });
            (extents.collect::<Vec<_>>(), readable.start())
        };
        for extent in extents {
            let base = extent.base;
            // What is as late in this segment may be before the start, since records were deleted: then the next one has it.
            if let Some(found) =
                self.find_time(extent, start, timestamp_ms).map_err(|error| self.explain(error, base))?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first of the records that are the latest by their time: its offset and timestamp.
    pub fn latest_by_time(&self) -> Result<Option<(u64, i64)>, LogError> {
        let (whole, cut, start) = {
            let readable = self.readable();
            let start = readable.start();
            let sealed = readable.sealed.iter().map(|segment| (&**segment, None));
            let all = sealed.chain([(&readable.active, Some(readable.file.clone()))]);
            let (cut, whole): (Vec<_>, Vec<_>) = all
                .filter(|(segment, _)| segment.next > start)
                .partition(|(segment, _): &(&SegmentIndex, _)| segment.base < start);
            let whole = whole.iter().map(|(segment, _)| segment.max_timestamp_ms).max();
            let cut = cut.into_iter().map(|(segment, file)| {
                let position = segment.position_before(start);
                Extent { file, base: segment.base, position, limit: segment.bytes }
            });
            (whole, cut.collect::<Vec<_>>(), start)
        };
        let mut latest = whole;
        // What the index of a segment has may be the time of a record that was deleted.
        for extent in cut {
            let base = extent.base;
            latest = latest.max(self.latest_from(extent, start).map_err(|error| self.explain(error, base))?);
        }
        latest.map_or(Ok(None), |timestamp_ms| self.offset_for_time(timestamp_ms))
    }

    fn segment_of<'a>(
        &self,
        readable: &'a super::partition::Readable,
        offset: u64,
    ) -> (&'a SegmentIndex, Option<Arc<File>>) {
        if offset >= readable.active.base {
            return (&readable.active, Some(readable.file.clone()));
        }
        let after = readable.sealed.partition_point(|segment| segment.base <= offset);
        (&readable.sealed[after - 1], None)
    }

    fn read_extent(&self, extent: Extent, offset: u64, max_bytes: usize) -> io::Result<(Bytes, u64)> {
        let file = self.file_of(&extent)?;
        let wanted = (extent.limit - extent.position).min(INDEX_INTERVAL_BYTES + max_bytes as u64);
        let mut chunk = vec![0; wanted as usize];
        file.read_exact_at(&mut chunk, extent.position)?;
        let mut first: Option<usize> = None;
        let (mut at, mut next) = (0, offset);
        while at + HEADER_BYTES <= chunk.len() {
            let header = BatchHeader::parse(&chunk[at..]).map_err(damaged)?;
            if header.end() > offset {
                let from = *first.get_or_insert(at);
                let fits = at + header.bytes - from <= max_bytes && at + header.bytes <= chunk.len();
                if !fits && at > from {
                    break;
                }
                if at + header.bytes > chunk.len() {
                    let mut batch = vec![0; header.bytes];
                    file.read_exact_at(&mut batch, extent.position + at as u64)?;
                    return Ok((Bytes::from(batch), header.end()));
                }
                next = header.end();
            }
            at += header.bytes;
            if first.is_some_and(|from| at - from >= max_bytes) {
                break;
            }
        }
        let Some(from) = first else {
            // The batch before it was longer than the chunk: go on behind that one.
            let position = extent.position + at as u64;
            return self.read_extent(Extent { file: Some(file), position, ..extent }, offset, max_bytes);
        };
        let to = at.min(chunk.len());
        Ok((Bytes::from(chunk).slice(from..to), next))
    }

    fn find_time(&self, extent: Extent, start: u64, timestamp_ms: i64) -> io::Result<Option<(u64, i64)>> {
        let file = self.file_of(&extent)?;
        for batch in batches(&file, &extent) {
            let (position, header) = batch?;
            if header.max_timestamp_ms >= timestamp_ms && header.end() > start {
                let records = records(&file, position, &header, start)?;
                if let Some(found) = records.into_iter().find(|record| record.timestamp_ms >= timestamp_ms) {
                    return Ok(Some((found.offset, found.timestamp_ms)));
                }
            }
        }
        Ok(None)
    }

    /// The latest timestamp of the records from `start` on.
    fn latest_from(&self, extent: Extent, start: u64) -> io::Result<Option<i64>> {
        let file = self.file_of(&extent)?;
        let mut latest = None;
        for batch in batches(&file, &extent) {
            let (position, header) = batch?;
            let of_batch = match header.base_offset >= start || header.end() <= start {
                true => (header.base_offset >= start).then_some(header.max_timestamp_ms),
                false => records(&file, position, &header, start)?.iter().map(|record| record.timestamp_ms).max(),
            };
            latest = latest.max(of_batch);
        }
        Ok(latest)
    }

    fn file_of(&self, extent: &Extent) -> io::Result<Arc<File>> {
        match &extent.file {
            Some(file) => Ok(file.clone()),
            None => Ok(Arc::new(File::open(segment::log_path(&self.dir, extent.base))?)),
        }
    }

    /// A segment that retention took between looking and opening is simply no longer in range.
    fn explain(&self, error: io::Error, offset: u64) -> LogError {
        let (start, end) = self.bounds();
        if error.kind() == io::ErrorKind::NotFound && offset < start {
            return LogError::OutOfRange { position: Position { partition: self.id.clone(), offset }, start, end };
        }
        LogError::io(&self.dir, error)
    }
}

/// Where the batches of a part of a segment begin, and their headers.
fn batches(file: &File, extent: &Extent) -> impl Iterator<Item = io::Result<(u64, BatchHeader)>> {
    let (mut position, limit) = (extent.position, extent.limit);
    std::iter::from_fn(move || {
        (position < limit).then(|| {
            let mut bytes = [0; HEADER_BYTES];
            file.read_exact_at(&mut bytes, position)?;
            let header = BatchHeader::parse(&bytes).map_err(damaged)?;
            let at = position;
            position += header.bytes as u64;
            Ok((at, header))
        })
    })
}

/// The records of one batch from offset `from` on.
fn records(file: &File, position: u64, header: &BatchHeader, from: u64) -> io::Result<Vec<Record>> {
    let mut batch = vec![0; header.bytes];
    file.read_exact_at(&mut batch, position)?;
    let mut records = Vec::new();
    decode(&Bytes::from(batch), from, &mut records).map_err(damaged)?;
    Ok(records)
}

/// Appends the records of whole batches to `records`, leaving out those before `from`. In words, what is wrong with the batches.
pub fn decode(batches: &Bytes, from: u64, records: &mut Vec<Record>) -> Result<(), String> {
    let mut rest = batches.clone();
    while !rest.is_empty() {
        let header = BatchHeader::parse(&rest)?;
        if header.bytes > rest.len() || !batch::checksum_holds(&header, &rest) {
            return Err(format!("the batch at offset {} does not match its checksum", header.base_offset));
        }
        let batch = rest.split_to(header.bytes);
        for record in Records::of(&header, &batch)? {
            let record = record?;
            if record.offset >= from {
                records.push(record);
            }
        }
    }
    Ok(())
}

fn damaged(reason: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("damaged: {reason}"))
}
