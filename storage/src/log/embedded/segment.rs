//! A segment: a file of record batches, and a sparse index over it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::producers::Producers;
use crate::limits::INDEX_INTERVAL_BYTES;
use crate::log::batch::{self, BatchHeader, HEADER_BYTES};

const LOG_EXTENSION: &str = "log";
const INDEX_EXTENSION: &str = "index";

/// Where the batches of a segment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentIndex {
    /// Offset of the first record, present or to come; it names the file.
    pub base: u64,
    /// The offset after the last record.
    pub next: u64,
    pub bytes: u64,
    /// `i64::MIN` while there are no records.
    pub max_timestamp_ms: i64,
    /// Ascending; at most one per [`INDEX_INTERVAL_BYTES`].
    pub entries: Vec<IndexEntry>,
}

/// A batch that begins at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    pub offset: u64,
    pub position: u64,
    /// The latest timestamp of the segment before this batch.
    pub max_timestamp_before_ms: i64,
}

impl SegmentIndex {
    /// An empty segment.
    pub fn new(base: u64) -> SegmentIndex {
        SegmentIndex { base, next: base, bytes: 0, max_timestamp_ms: i64::MIN, entries: Vec::new() }
    }

    /// Takes in the batch that follows.
    pub fn push(&mut self, batch: &BatchHeader) {
        assert_eq!(batch.base_offset, self.next, "batches of a segment follow each other");
        let indexed_to = self.entries.last().map_or(0, |entry| entry.position);
        if self.bytes >= indexed_to + INDEX_INTERVAL_BYTES {
            self.entries.push(IndexEntry {
                offset: batch.base_offset,
                position: self.bytes,
                max_timestamp_before_ms: self.max_timestamp_ms,
            });
        }
        self.next = batch.end();
        self.bytes += batch.bytes as u64;
        self.max_timestamp_ms = self.max_timestamp_ms.max(batch.max_timestamp_ms);
    }

    /// The start of a batch from which on to look for `offset`.
    pub fn position_before(&self, offset: u64) -> u64 {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        after.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }

    /// The start of a batch before which no record is as late as `timestamp_ms`.
    pub fn position_before_time(&self, timestamp_ms: i64) -> u64 {
        let after = self.entries.partition_point(|entry| entry.max_timestamp_before_ms < timestamp_ms);
        after.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }
}

/// The file of the segment that begins with offset `base`.
pub fn log_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.{LOG_EXTENSION}"))
}

/// The checkpoint of that segment.
pub fn index_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.{INDEX_EXTENSION}"))
}

/// The first offset of a segment by its file's name; `None` for another file.
pub fn base_of(path: &Path) -> Option<u64> {
    if path.extension()? != LOG_EXTENSION {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// Reads the batches after `index.bytes`, checks each and adds it to the index and the producers, up to the end of the file
/// or the offset `until`. In words, why it ended before the end of the file.
pub fn scan(
    file: &File,
    index: &mut SegmentIndex,
    producers: &mut Producers,
    until: Option<u64>,
) -> io::Result<Result<(), &'static str>> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    reader.seek(SeekFrom::Start(index.bytes))?;
    let mut batch = Vec::new();
    while index.bytes < length {
        let left = length - index.bytes;
        if until.is_some_and(|until| index.next >= until) {
            return Ok(Err("what follows was never acknowledged"));
        }
        batch.resize(HEADER_BYTES.min(left as usize), 0);
        reader.read_exact(&mut batch)?;
        let header = match BatchHeader::parse(&batch) {
            Ok(header) => header,
            Err(reason) => return Ok(Err(reason)),
        };
        if header.base_offset != index.next {
            return Ok(Err("a batch does not follow the one before"));
        }
        if header.bytes as u64 > left {
            return Ok(Err("the last batch is not whole"));
        }
        batch.resize(header.bytes, 0);
        reader.read_exact(&mut batch[HEADER_BYTES..])?;
        if !batch::checksum_holds(&header, &batch) {
            return Ok(Err("a batch does not match its checksum"));
        }
        index.push(&header);
        producers.note(&header);
    }
    Ok(Ok(()))
}
