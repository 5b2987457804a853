//! What was typed before, in this conversation and in those before it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::limits::HISTORY_MAX;

/// Entries, the oldest first.
#[derive(Debug, Default)]
pub struct History {
    pub entries: Vec<String>,
    file: Option<PathBuf>,
}

impl History {
    /// The history that a file has: an entry a line, line ends within it written `\n`. A file that cannot be read has none.
    pub fn load(file: Option<PathBuf>) -> History {
        let text = file.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let mut entries: Vec<String> = text.lines().map(read).collect();
        if entries.len() > HISTORY_MAX {
            entries.drain(..entries.len() - HISTORY_MAX);
            let history = History { entries, file };
            // One that grows on is worse than none that is new: it is tried again next time.
            let _ = history.write_all();
            return history;
        }
        History { entries, file }
    }

    /// Where the history is kept: `CAUDAL_HISTORY`, which may be empty for nowhere, else in the home directory.
    pub fn path() -> Option<PathBuf> {
        match std::env::var_os("CAUDAL_HISTORY") {
            Some(path) => (!path.is_empty()).then(|| PathBuf::from(path)),
            None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".caudal_history")),
        }
    }

    /// Adds an entry, unless it is the last one again. What speaks of a password is not written to the file.
    pub fn add(&mut self, entry: &str) {
        if self.entries.last().is_some_and(|last| last == entry) {
            return;
        }
        self.entries.push(entry.to_owned());
        if let Some(path) = self.file.as_ref().filter(|_| !entry.to_lowercase().contains("password")) {
            let file = File::options().create(true).append(true).mode(0o600).open(path);
            // A home that cannot be written to costs the history and nothing else.
            let _ = file.and_then(|mut file| writeln!(file, "{}", written(entry)));
        }
    }

    fn write_all(&self) -> std::io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut text: String = self.entries.iter().map(|entry| written(entry)).collect::<Vec<_>>().join("\n");
        text.push('\n');
        let new = path.with_extension("new");
        File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?.write_all(text.as_bytes())?;
        fs::rename(new, path)
    }
}

fn written(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n")
}

fn read(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => entry.push('\n'),
                other => entry.extend(other),
            },
            letter => entry.push(letter),
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_outlives_the_conversation_but_passwords_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        let mut history = History::load(Some(path.clone()));
        for entry in
            ["\\d t", "SELECT 'a\\nb',\n  2;", "SELECT 'a\\nb',\n  2;", "CREATE ROLE r LOGIN PASSWORD 'x';", "last;"]
        {
            history.add(entry);
        }
        assert_eq!(history.entries.len(), 4);
        let again = History::load(Some(path.clone()));
        assert_eq!(again.entries, ["\\d t", "SELECT 'a\\nb',\n  2;", "last;"]);
        fs::write(&path, "x\n".repeat(2 * HISTORY_MAX)).unwrap();
        assert_eq!(History::load(Some(path.clone())).entries.len(), HISTORY_MAX);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), HISTORY_MAX);
    }
}
