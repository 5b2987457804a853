//! The store's directory: which format it has, and that nobody else uses it.
//!
//! `FORMAT` says in words which format the rest is in, `IN_USE` is locked while a store is open, `rocks/` is RocksDB's. The
//! format is read and the lock is taken before anything else is touched.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The format that this version writes. Formats up to it are read.
pub(super) const FORMAT_KNOWN: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_DRAFT: &str = "FORMAT.draft";
const FORMAT_WORDS: &str = "caudal table store, format ";
const LOCK_FILE: &str = "IN_USE";
const ROCKS_DIR: &str = "rocks";

/// A directory that this process alone uses until this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Its lock goes with the file handle.
    _lock: File,
}

impl Directory {
    /// Checks the format, takes the lock, and makes what is missing.
    pub(super) fn claim(path: &Path) -> Result<Directory, StoreError> {
        let failed = |what: &str, source: std::io::Error| StoreError::Failed {
            dir: path.display().to_string(),
            reason: format!("{what}: {source}"),
        };
        refuse_unknown_format(path)?;
        fs::create_dir_all(path).map_err(|source| failed("making the directory", source))?;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let lock = options.open(path.join(LOCK_FILE)).map_err(|source| failed("opening IN_USE", source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { dir: path.display().to_string() }),
            Err(TryLockError::Error(source)) => return Err(failed("locking IN_USE", source)),
        }
        if !path.join(FORMAT_FILE).exists() {
            write_format(path).map_err(|source| failed("writing FORMAT", source))?;
        }
        // RocksDB would make it too, and not see to it that its name survives the machine.
        if !path.join(ROCKS_DIR).exists() {
            let made = fs::create_dir(path.join(ROCKS_DIR)).and_then(|()| File::open(path)?.sync_all());
            made.map_err(|source| failed("making rocks/", source))?;
        }
        Ok(Directory { path: path.to_owned(), _lock: lock })
    }

    /// Where RocksDB keeps its files.
    pub(super) fn rocks(&self) -> PathBuf {
        self.path.join(ROCKS_DIR)
    }
}

/// A directory without FORMAT must be empty, so that a wrong path never becomes a store.
fn refuse_unknown_format(path: &Path) -> Result<(), StoreError> {
    let dir = path.display().to_string();
    let failed = |reason: String| StoreError::Failed { dir: dir.clone(), reason };
    let text = match fs::read_to_string(path.join(FORMAT_FILE)) {
        Ok(text) => text,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return refuse_foreign_files(path),
        Err(source) => return Err(failed(format!("reading FORMAT: {source}"))),
    };
    let number = text.trim_end().strip_prefix(FORMAT_WORDS).and_then(|number| number.parse().ok());
    match number {
        Some(found) if found > FORMAT_KNOWN => Err(StoreError::Newer { dir, found, known: FORMAT_KNOWN }),
        Some(1..) => Ok(()),
        _ => Err(failed(format!("FORMAT says {:?}, which is no format of a store", text.trim_end()))),
    }
}

fn refuse_foreign_files(path: &Path) -> Result<(), StoreError> {
    let Ok(entries) = fs::read_dir(path) else {
        return Ok(());
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.into_iter().find(|name| name != LOCK_FILE && name != FORMAT_DRAFT) {
        Some(name) => Err(StoreError::Failed {
            dir: path.display().to_string(),
            reason: format!("holds {name} but no FORMAT: choose an empty directory or one of a store"),
        }),
        None => Ok(()),
    }
}

/// FORMAT is there whole or not at all, and before anything that it speaks for.
fn write_format(path: &Path) -> std::io::Result<()> {
    let draft = path.join(FORMAT_DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT_WORDS}{FORMAT_KNOWN}")?;
    file.sync_all()?;
    fs::rename(&draft, path.join(FORMAT_FILE))?;
    File::open(path)?.sync_all()?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_newer_format_is_refused_and_nothing_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("FORMAT"), "caudal table store, format 2\n").unwrap();
        let refused = Directory::claim(dir.path()).unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found: 2, known: 1, .. }), "{refused}");
        assert!(refused.to_string().contains("use that version"), "{refused}");
        assert_eq!(names(dir.path()), ["FORMAT"]);
    }

    #[test]
    fn a_directory_of_something_else_is_refused_and_nothing_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let refused = Directory::claim(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("thesis.tex"), "{refused}");
        assert_eq!(names(dir.path()), ["thesis.tex"]);
        fs::write(dir.path().join("FORMAT"), "something else 1\n").unwrap();
        assert!(Directory::claim(dir.path()).unwrap_err().to_string().contains("something else"));
    }

    #[test]
    fn a_directory_is_claimed_once_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        let first = Directory::claim(&path).unwrap();
        assert!(matches!(Directory::claim(&path), Err(StoreError::InUse { .. })));
        assert_eq!(fs::read_to_string(path.join("FORMAT")).unwrap(), "caudal table store, format 1\n");
        drop(first);
        Directory::claim(&path).unwrap();
    }
}
