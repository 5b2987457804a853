//! A partition: its segments, the end that readers see, and the tail that only the writer touches.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use arc_swap::ArcSwap;

use super::home;
use super::producers::{Producers, Verdict};
use super::recovery::{self, Recovered};
use super::segment::{self, SegmentIndex};
use super::settings::TopicSettings;
use crate::limits::CHECKPOINT_INTERVAL_BYTES;
use crate::log::batch::{self, BatchHeader};
use crate::log::{LogError, TopicPartition};

/// Bytes of memory for unwritten batches that a partition keeps between groups.
const PENDING_BYTES_KEPT: usize = 64 << 10;

/// A partition of a topic, shared by readers and the writer.
#[derive(Debug)]
pub struct Partition {
    pub id: TopicPartition,
    pub(super) dir: PathBuf,
    settings: ArcSwap<TopicSettings>,
    deleted: AtomicBool,
    readable: RwLock<Readable>,
    tail: Mutex<Tail>,
}

/// What is durable, and where what is not ends.
#[derive(Debug)]
pub(super) struct Readable {
    /// Ascending, without gaps.
    pub sealed: Vec<Arc<SegmentIndex>>,
    pub active: SegmentIndex,
    pub file: Arc<File>,
    /// The end of what the active segment's file has, be it durable or not.
    pub written: End,
    /// Records before this offset were deleted, though their segment may still be there.
    pub deleted_before: u64,
}

/// An end of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The offset of the next record.
    pub next: u64,
    pub bytes: u64,
}

/// How far a reader may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Durable,
    /// What a crash may still take back, too.
    Written,
}

/// What is on its way. Locked by the writer only, so never waited for.
#[derive(Debug)]
struct Tail {
    file: Arc<File>,
    /// The offset of the next record.
    next: u64,
    /// Bytes of the active segment, with those pending.
    bytes: u64,
    producers: Producers,
    /// Batches that are not written yet, as they will be in the file.
    pending: Vec<u8>,
    /// Headers of the batches that are not durable yet.
    staged: Vec<BatchHeader>,
    checkpointed: u64,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    pub base_offset: u64,
    pub duplicate: bool,
}

impl Partition {
    /// Opens a partition that [`recovery::create`] made.
    pub fn open(id: TopicPartition, dir: PathBuf, settings: TopicSettings) -> Result<Partition, LogError> {
        let (readable, tail) = split(recovery::recover(&dir, None)?);
        let deleted = AtomicBool::new(false);
        let settings = ArcSwap::from_pointee(settings);
        Ok(Partition { id, dir, settings, deleted, readable: RwLock::new(readable), tail: Mutex::new(tail) })
    }

    /// Goes back to what was acknowledged, after a failed write or sync.
    pub fn reopen(&self) -> Result<(), LogError> {
        let mut tail = self.tail();
        let (readable, recovered) = split(recovery::recover(&self.dir, Some(self.bounds().1))?);
        *self.readable.write().expect("no reader panics holding the lock") = readable;
        *tail = recovered;
        Ok(())
    }

    /// The first offset and the one after the last durable record.
    pub fn bounds(&self) -> (u64, u64) {
        let readable = self.readable();
        (readable.start(), readable.active.next)
    }

    /// The offset up to which a reader may look.
    pub fn end(&self, reach: Reach) -> u64 {
        self.readable().end(reach)
    }

    /// Bytes of the records at and after an offset, to within an entry of the index.
    pub fn bytes_from(&self, offset: u64) -> u64 {
        let readable = self.readable();
        if offset >= readable.active.next {
            return 0;
        }
        let active = readable.active.bytes - readable.active.position_before(offset);
        let sealed = readable.sealed.iter().rev().take_while(|segment| segment.next > offset);
        active + sealed.map(|segment| segment.bytes - segment.position_before(offset)).sum::<u64>()
    }

    pub fn settings(&self) -> Arc<TopicSettings> {
        self.settings.load_full()
    }

    /// From now on the partition is kept like this.
    pub fn set_settings(&self, settings: TopicSettings) {
        self.settings.store(Arc::new(settings));
    }

    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    pub fn set_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
    }

    pub(super) fn readable(&self) -> std::sync::RwLockReadGuard<'_, Readable> {
        self.readable.read().expect("no writer panics holding the lock")
    }

    fn tail(&self) -> std::sync::MutexGuard<'_, Tail> {
        self.tail.lock().expect("the writer ends when it panics")
    }

    /// Gives a batch its place, without writing it. Outer error: the disk failed. Inner error: the batch is refused.
    pub fn stage(&self, header: &BatchHeader, batch: &[u8]) -> io::Result<Result<Staged, LogError>> {
        let mut tail = self.tail();
        match tail.producers.judge(header) {
            Err(refused) => return Ok(Err(refused)),
            Ok(Verdict::Duplicate(base_offset)) => return Ok(Ok(Staged { base_offset, duplicate: true })),
            Ok(Verdict::New) => {}
        }
        if tail.bytes > 0 && tail.bytes + batch.len() as u64 > self.settings.load().segment_bytes {
            self.roll(&mut tail)?;
        }
        let base_offset = tail.next;
        let start = tail.pending.len();
        tail.pending.extend_from_slice(batch);
        batch::place(&mut tail.pending[start..], base_offset);
        let placed = BatchHeader { base_offset, ..*header };
        tail.producers.note(&placed);
        tail.staged.push(placed);
        tail.next = placed.end();
        tail.bytes += batch.len() as u64;
        Ok(Ok(Staged { base_offset, duplicate: false }))
    }

    /// Writes what was staged into the file.
    pub fn write(&self) -> io::Result<()> {
        let mut tail = self.tail();
        tail.write()?;
        self.readable.write().expect("no reader panics holding the lock").written = tail.end();
        Ok(())
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> io::Result<()> {
        let file = self.tail().file.clone();
        file.sync_data()
    }

    /// Shows what was synced to readers.
    pub fn publish(&self) {
        self.publish_tail(&mut self.tail());
    }

    fn publish_tail(&self, tail: &mut Tail) {
        let mut readable = self.readable.write().expect("no reader panics holding the lock");
        for header in tail.staged.drain(..) {
            readable.active.push(&header);
        }
        assert_eq!(
            (readable.active.next, readable.active.bytes),
            (tail.next, tail.bytes),
            "all that was staged is durable"
        );
        readable.written = tail.end();
        drop(readable);
        if tail.bytes - tail.checkpointed >= CHECKPOINT_INTERVAL_BYTES {
            self.checkpoint_tail(tail);
        }
    }

    /// Keeps a checkpoint of what is durable, so that the next start need not read it.
    pub fn checkpoint(&self) {
        let mut tail = self.tail();
        if tail.bytes > tail.checkpointed && tail.staged.is_empty() {
            self.checkpoint_tail(&mut tail);
        }
    }

    fn checkpoint_tail(&self, tail: &mut Tail) {
        recovery::write_checkpoint(&self.dir, &self.readable().active, &tail.producers);
        tail.checkpointed = tail.bytes;
    }

    /// Ends the active segment and begins the next.
    fn roll(&self, tail: &mut Tail) -> io::Result<()> {
        tail.write()?;
        tail.file.sync_data()?;
        self.publish_tail(tail);
        self.checkpoint_tail(tail);
        let file = Arc::new(
            File::options().read(true).write(true).create_new(true).open(segment::log_path(&self.dir, tail.next))?,
        );
        home::sync_dir(&self.dir)?;
        let mut readable = self.readable.write().expect("no reader panics holding the lock");
        let sealed = std::mem::replace(&mut readable.active, SegmentIndex::new(tail.next));
        readable.sealed.push(Arc::new(sealed));
        readable.file = file.clone();
        readable.written = End { next: tail.next, bytes: 0 };
        tail.file = file;
        tail.bytes = 0;
        tail.checkpointed = 0;
        Ok(())
    }

    /// Begins a new segment, so that retention can take the present one.
    pub fn roll_active(&self) -> io::Result<()> {
        self.roll(&mut self.tail())
    }

    /// Deletes the records before `offset`: their segments go, and what else is before it is not shown any more.
    pub fn delete_before(&self, offset: u64) -> io::Result<()> {
        let (start, end) = self.bounds();
        if offset <= start {
            return Ok(());
        }
        recovery::write_deleted_before(&self.dir, offset)?;
        self.readable.write().expect("no reader panics holding the lock").deleted_before = offset;
        if offset == end && self.tail().bytes > 0 {
            self.roll_active()?;
        }
        let whole = self.readable().sealed.iter().take_while(|segment| segment.next <= offset).count();
        self.remove_oldest(whole)
    }

    /// Removes the `count` oldest segments.
    pub fn remove_oldest(&self, count: usize) -> io::Result<()> {
        let removed: Vec<_> = {
            let mut readable = self.readable.write().expect("no reader panics holding the lock");
            readable.sealed.drain(..count).collect()
        };
        for segment in removed {
            fs::remove_file(segment::log_path(&self.dir, segment.base))?;
            remove_if_there(&segment::index_path(&self.dir, segment.base))?;
        }
        home::sync_dir(&self.dir)
    }
}

impl Readable {
    pub fn start(&self) -> u64 {
        self.sealed.first().map_or(self.active.base, |segment| segment.base).max(self.deleted_before)
    }

    pub fn end(&self, reach: Reach) -> u64 {
        match reach {
            Reach::Durable => self.active.next,
            Reach::Written => self.written.next,
        }
    }
}

impl Tail {
    /// The end once all that is pending is written.
    fn end(&self) -> End {
        End { next: self.next, bytes: self.bytes }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.bytes - self.pending.len() as u64)?;
        self.pending.clear();
        self.pending.shrink_to(PENDING_BYTES_KEPT);
        Ok(())
    }
}

fn split(recovered: Recovered) -> (Readable, Tail) {
    let Recovered { sealed, active, file, producers, checkpointed, deleted_before } = recovered;
    let tail = Tail {
        file: file.clone(),
        next: active.next,
        bytes: active.bytes,
        producers,
        pending: Vec::new(),
        staged: Vec::new(),
        checkpointed,
    };
    let written = tail.end();
    (Readable { sealed, active, file, written, deleted_before }, tail)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
