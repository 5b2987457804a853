//! Finding a partition's segments at start: what is whole stays, a torn tail goes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::checkpoint::Checkpoint;
use super::home;
use super::producers::Producers;
use super::segment::{self, SegmentIndex};
use crate::log::LogError;

/// Bytes that are copied at once when a tail is written again.
const REWRITE_BYTES: usize = 1 << 20;

/// Holds the offset before which records were deleted, where some were.
const DELETED_BEFORE_FILE: &str = "deleted-before";

/// A partition as found.
#[derive(Debug)]
pub struct Recovered {
    /// All segments but the last, ascending, without gaps.
    pub sealed: Vec<Arc<SegmentIndex>>,
    pub active: SegmentIndex,
    pub file: Arc<File>,
    pub producers: Producers,
    /// Bytes of the active segment that its checkpoint covers.
    pub checkpointed: u64,
    /// Records before this offset were deleted.
    pub deleted_before: u64,
}

/// Makes a partition's directory with an empty segment that begins at offset 0, durably but for the directory's own entry.
pub fn create(dir: &Path) -> io::Result<()> {
    fs::create_dir(dir)?;
    File::create_new(segment::log_path(dir, 0))?.sync_all()?;
    home::sync_dir(dir)
}

/// Finds the segments in `dir`. With `until`, what is beyond that offset goes too: it was never acknowledged.
pub fn recover(dir: &Path, until: Option<u64>) -> Result<Recovered, LogError> {
    let mut bases = bases(dir)?;
    if let Some(until) = until {
        while bases.last().is_some_and(|base| *base > until) {
            let unacknowledged = segment::log_path(dir, bases.pop().expect("there is one"));
            fs::remove_file(&unacknowledged).map_err(|source| LogError::io(&unacknowledged, source))?;
        }
    }
    let Some((active, before)) = bases.split_last() else {
        return Err(LogError::refused(
            dir,
            "it has no segment: restore it from a backup, or delete the topic's directory",
        ));
    };
    let mut producers = Producers::default();
    let mut sealed = Vec::with_capacity(before.len());
    for (base, next) in before.iter().zip(&bases[1..]) {
        sealed.push(Arc::new(recover_sealed(dir, *base, *next, &mut producers)?));
    }
    let path = segment::log_path(dir, *active);
    let (active, file, checkpointed) =
        recover_active(dir, *active, &mut producers, until).map_err(|source| LogError::io(&path, source))?;
    let deleted_before = read_deleted_before(dir)?;
    if deleted_before > active.next {
        let reason = format!("records up to {deleted_before} were deleted and it ends at {}", active.next);
        return Err(LogError::refused(dir, format!("it is damaged: {reason}")));
    }
    Ok(Recovered { sealed, active, file: Arc::new(file), producers, checkpointed, deleted_before })
}

/// Remembers durably that records before this offset are deleted.
pub fn write_deleted_before(dir: &Path, offset: u64) -> io::Result<()> {
    home::write_durably(dir, DELETED_BEFORE_FILE, format!("{offset}\n").as_bytes())
}

fn read_deleted_before(dir: &Path) -> Result<u64, LogError> {
    let path = dir.join(DELETED_BEFORE_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| LogError::refused(&path, "it is not a number")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(LogError::io(&path, source)),
    }
}

fn bases(dir: &Path) -> Result<Vec<u64>, LogError> {
    let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect() };
    let paths = list().map_err(|source| LogError::io(dir, source))?;
    let mut bases: Vec<u64> = paths.iter().filter_map(|path| segment::base_of(path)).collect();
    bases.sort_unstable();
    Ok(bases)
}

/// A sealed segment was synced before the next one was made, so all of it must be there.
fn recover_sealed(dir: &Path, base: u64, next: u64, producers: &mut Producers) -> Result<SegmentIndex, LogError> {
    let path = segment::log_path(dir, base);
    let at = |source| LogError::io(&path, source);
    let file = File::open(&path).map_err(at)?;
    let length = file.metadata().map_err(at)?.len();
    let checkpoint = read_checkpoint(dir, base, length).map_err(at)?;
    if let Some(checkpoint) = checkpoint.filter(|found| (found.index.bytes, found.index.next) == (length, next)) {
        *producers = checkpoint.producers;
        return Ok(checkpoint.index);
    }
    let mut index = SegmentIndex::new(base);
    let reason = segment::scan(&file, &mut index, producers, None).map_err(at)?.err();
    if reason.is_some() || index.next != next {
        let reason = reason.unwrap_or("records are missing after it");
        return Err(LogError::refused(&path, format!("it is damaged at byte {}: {reason}", index.bytes)));
    }
    write_checkpoint(dir, &index, producers);
    Ok(index)
}

/// The last segment may have a torn tail, which no one was told is durable. What is whole after the checkpoint is written once more
/// before it is relied on: the page cache of a machine that went on after a failed sync shows data that no disk has.
fn recover_active(
    dir: &Path,
    base: u64,
    producers: &mut Producers,
    until: Option<u64>,
) -> io::Result<(SegmentIndex, File, u64)> {
    let path = segment::log_path(dir, base);
    let file = File::options().read(true).write(true).open(&path)?;
    let length = file.metadata()?.len();
    let mut index = SegmentIndex::new(base);
    if let Some(checkpoint) = read_checkpoint(dir, base, length)? {
        index = checkpoint.index;
        *producers = checkpoint.producers;
    }
    let checkpointed = index.bytes;
    if let Err(reason) = segment::scan(&file, &mut index, producers, until)? {
        let torn = length - index.bytes;
        warn!(segment = %path.display(), offset = index.next, torn_bytes = torn, reason, "torn tail removed");
        file.set_len(index.bytes)?;
    }
    if index.bytes > checkpointed || index.bytes < length {
        rewrite(&file, checkpointed, index.bytes)?;
        file.sync_all()?;
    }
    home::sync_dir(dir)?;
    Ok((index, file, checkpointed))
}

fn rewrite(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut bytes = vec![0; REWRITE_BYTES.min((to - from) as usize)];
    let mut at = from;
    while at < to {
        let part = &mut bytes[..REWRITE_BYTES.min((to - at) as usize)];
        file.read_exact_at(part, at)?;
        file.write_all_at(part, at)?;
        at += part.len() as u64;
    }
    Ok(())
}

/// The checkpoint of a segment of `length` bytes, if there is a valid one that covers no more than that.
fn read_checkpoint(dir: &Path, base: u64, length: u64) -> io::Result<Option<Checkpoint>> {
    match fs::read(segment::index_path(dir, base)) {
        Ok(file) => {
            let checkpoint = Checkpoint::decode(&file);
            Ok(checkpoint.filter(|found| found.index.base == base && found.index.bytes <= length))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps a checkpoint for the next start. It is not synced and may fail: without it the segment is read again.
pub fn write_checkpoint(dir: &Path, index: &SegmentIndex, producers: &Producers) {
    let path = segment::index_path(dir, index.base);
    let temporary = path.with_extension("index~new");
    let write = || {
        fs::write(&temporary, Checkpoint::encode(index, producers))?;
        fs::rename(&temporary, &path)
    };
    if let Err(error) = write() {
        warn!(path = %path.display(), %error, "checkpoint not written; the next start reads the segment instead");
    }
}
