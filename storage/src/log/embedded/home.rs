//! The log's directory: its format, its lock and the producer ids given out.
//!
//! ```text
//! DIR/format                       "caudal log 1"
//! DIR/lock                         locked while the log is open
//! DIR/producer-ids                 ids below this number may have been given out
//! DIR/offsets                      what consumer groups committed, see [`super::offsets`]
//! DIR/topics/NAME/topic.json       partitions and settings
//! DIR/topics/NAME/0/000...0.log    a segment: record batches, named by its first offset
//! DIR/topics/NAME/0/000...0.index  its checkpoint, see [`super::checkpoint`]
//! DIR/topics/NAME/0/deleted-before the offset before which records were deleted, where some were
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::limits::LOCK_WAIT_MAX;
use crate::log::LogError;

/// The version of everything in the directory. A change that this code could not read gets the next number.
const FORMAT_VERSION: u32 = 1;
const FORMAT_PREFIX: &str = "caudal log ";
const FORMAT_FILE: &str = "format";
const LOCK_FILE: &str = "lock";
const PRODUCER_IDS_FILE: &str = "producer-ids";
const TOPICS_DIR: &str = "topics";

/// A directory that is ours until dropped.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    /// The lock goes when the file is closed, also by the death of the process.
    _lock: File,
}

impl Home {
    /// Opens the directory, making it if there is none. Refused while another holds it, and when its format is unknown.
    pub fn open(dir: &Path) -> Result<Home, LogError> {
        let at = |source| LogError::io(dir, source);
        fs::create_dir_all(dir).map_err(at)?;
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK_FILE)).map_err(at)?;
        match locked(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "it is in use by another node: stop that one, or choose another data directory";
                return Err(LogError::refused(dir, reason));
            }
            Err(TryLockError::Error(source)) => return Err(at(source)),
        }
        let home = Home { dir: dir.to_path_buf(), _lock: lock };
        match fs::read_to_string(dir.join(FORMAT_FILE)) {
            Ok(format) => home.check_format(&format)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => home.initialize()?,
            Err(source) => return Err(at(source)),
        }
        Ok(home)
    }

    /// Where the topics are.
    pub fn topics_dir(&self) -> PathBuf {
        self.dir.join(TOPICS_DIR)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The first producer id that was not given out.
    pub fn producer_ids(&self) -> Result<u64, LogError> {
        let path = self.dir.join(PRODUCER_IDS_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| LogError::refused(&path, "it is not a number")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(LogError::io(&path, source)),
        }
    }

    /// Remembers durably that ids below `next` may have been given out.
    pub fn reserve_producer_ids(&self, next: u64) -> io::Result<()> {
        write_durably(&self.dir, PRODUCER_IDS_FILE, format!("{next}\n").as_bytes())
    }

    fn check_format(&self, format: &str) -> Result<(), LogError> {
        let version = format.trim().strip_prefix(FORMAT_PREFIX).and_then(|version| version.parse::<u32>().ok());
        match version {
            Some(FORMAT_VERSION) => Ok(()),
            Some(newer) if newer > FORMAT_VERSION => {
                let reason = format!(
                    "it was written by a newer version (format {newer}, this one reads up to {FORMAT_VERSION}): \
                     use that version"
                );
                Err(LogError::refused(&self.dir, reason))
            }
            _ => Err(LogError::refused(&self.dir, format!("its format {:?} is not one of a log", format.trim()))),
        }
    }

    fn initialize(&self) -> Result<(), LogError> {
        let at = |source| LogError::io(&self.dir, source);
        for entry in fs::read_dir(&self.dir).map_err(at)? {
            let name = entry.map_err(at)?.file_name();
            // What an attempt leaves that died before the format was written: it holds no records.
            let ours = [LOCK_FILE, TOPICS_DIR, &temporary(FORMAT_FILE)].iter().any(|ours| name == **ours);
            if !ours {
                let reason = format!("it holds {name:?} but no log: choose an empty directory");
                return Err(LogError::refused(&self.dir, reason));
            }
        }
        fs::create_dir_all(self.topics_dir()).map_err(at)?;
        write_durably(&self.dir, FORMAT_FILE, format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n").as_bytes()).map_err(at)?;
        match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent).map_err(at),
            _ => Ok(()),
        }
    }
}

/// Replaces a file as a whole: after a crash there is the old one or the new one.
pub fn write_durably(dir: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    let temporary = dir.join(temporary(name));
    let mut file = File::create(&temporary)?;
    file.write_all(contents)?;
    file.sync_data()?;
    fs::rename(&temporary, dir.join(name))?;
    sync_dir(dir)
}

/// Makes the entries of a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn temporary(name: &str) -> String {
    format!("{name}~new")
}

/// Takes the lock. A process that is just ending, or a child that it is just starting, may hold it for a moment longer.
fn locked(lock: &File) -> Result<(), TryLockError> {
    let deadline = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_WAIT_MAX / 50),
            outcome => return outcome,
        }
    }
}
