//! What a sink remembers: the topics that it has published to, and the epoch up to which the broker has acknowledged all changes.
//!
//! A file of lines, each a JSON object, in `sinks/` of the data directory. A topic is noted before anything is published to it, so that it can be
//! taken back whatever the node missed; an epoch after the broker has acknowledged it. A torn last line says nothing.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Down;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The number of the relation that is told: another one of the same name is another.
    Relation(u32),
    Topic(String),
    Gone(String),
    Epoch(u64),
}

/// The journal of one sink.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Lines in the file.
    lines: usize,
    relation: Option<u32>,
    epoch: Option<u64>,
    topics: BTreeSet<String>,
}

/// Lines beyond those that are needed, at which the file is written anew.
const STALE_LINES_MAX: usize = 10_000;

impl Journal {
    /// Opens the journal of a sink, or begins it.
    pub(super) fn open(data_dir: &Path, number: u32) -> Result<Journal, Down> {
        let path = path(data_dir, number);
        Journal::read(path.clone()).map_err(|error| failed(&path, &error))
    }

    fn read(path: PathBuf) -> io::Result<Journal> {
        fs::create_dir_all(path.parent().expect("it is in a folder"))?;
        let text = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let (mut relation, mut epoch, mut topics) = (None, None, BTreeSet::new());
        for line in text.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Line::Relation(number)) => relation = Some(number),
                Ok(Line::Epoch(upto)) => epoch = Some(upto),
                Ok(Line::Topic(topic)) => {
                    topics.insert(topic);
                }
                Ok(Line::Gone(topic)) => {
                    topics.remove(&topic);
                }
                Err(_) => {}
            }
        }
        // Written anew without what is stale or torn.
        let file = written(&path, relation, epoch, &topics)?;
        let lines = topics.len() + 2;
        Ok(Journal { path, file, lines, relation, epoch, topics })
    }

    /// The epoch to go on after, where it was this relation that was told.
    pub(super) fn resume(&self, relation: u32) -> Option<u64> {
        self.epoch.filter(|_| self.relation == Some(relation))
    }

    /// The topics that were published to and not taken back.
    pub(super) fn topics(&self) -> &BTreeSet<String> {
        &self.topics
    }

    /// Notes that these topics are about to be published to.
    pub(super) fn about_to(&mut self, topics: &[&str]) -> Result<(), Down> {
        let new: Vec<Line> = topics
            .iter()
            .filter(|topic| !self.topics.contains(**topic))
            .map(|topic| Line::Topic((*topic).to_owned()))
            .collect();
        self.append(&new)?;
        self.topics.extend(topics.iter().map(|topic| (*topic).to_owned()));
        Ok(())
    }

    /// Notes that everything up to an epoch is acknowledged, and that some topics were taken back.
    pub(super) fn done(&mut self, gone: &[&str], relation: u32, epoch: u64) -> Result<(), Down> {
        let mut lines: Vec<Line> = gone.iter().map(|topic| Line::Gone((*topic).to_owned())).collect();
        lines.extend((self.relation != Some(relation)).then_some(Line::Relation(relation)));
        lines.push(Line::Epoch(epoch));
        self.append(&lines)?;
        for topic in gone {
            self.topics.remove(*topic);
        }
        (self.relation, self.epoch) = (Some(relation), Some(epoch));
        if self.lines > self.topics.len() + STALE_LINES_MAX {
            self.file = written(&self.path, self.relation, self.epoch, &self.topics)
                .map_err(|error| failed(&self.path, &error))?;
            self.lines = self.topics.len() + 2;
        }
        Ok(())
    }

    /// Forgets a sink.
    pub(super) fn remove(data_dir: &Path, number: u32) -> Result<(), Down> {
        let path = path(data_dir, number);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()),
        }
    }

    fn append(&mut self, lines: &[Line]) -> Result<(), Down> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        lines.iter().for_each(|line| write_line(line, &mut text));
        let done = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        self.lines += lines.len();
        done.map_err(|error| failed(&self.path, &error))
    }
}

fn path(data_dir: &Path, number: u32) -> PathBuf {
    data_dir.join("sinks").join(number.to_string())
}

fn failed(path: &Path, error: &io::Error) -> Down {
    Down(format!("the sink's journal {}: {error}", path.display()))
}

fn write_line(line: &Line, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line).expect("a line is JSON");
    out.push(b'\n');
}

/// A journal with only what counts, in the place of the one that there is; open for more.
fn written(path: &Path, relation: Option<u32>, epoch: Option<u64>, topics: &BTreeSet<String>) -> io::Result<File> {
    let mut text = Vec::new();
    relation.iter().for_each(|number| write_line(&Line::Relation(*number), &mut text));
    topics.iter().for_each(|topic| write_line(&Line::Topic(topic.clone()), &mut text));
    epoch.iter().for_each(|epoch| write_line(&Line::Epoch(*epoch), &mut text));
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(path.parent().expect("it is in a folder"))?.sync_all()?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_goes_on_where_it_was_whatever_was_torn() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 70).unwrap();
        assert_eq!(journal.resume(5), None);
        journal.about_to(&["a", "b"]).unwrap();
        journal.done(&[], 5, 17).unwrap();
        journal.about_to(&["b", "c"]).unwrap();
        journal.done(&["a"], 5, 18).unwrap();
        drop(journal);
        let path = dir.path().join("sinks/70");
        let mut text = fs::read(&path).unwrap();
        text.extend(b"{\"epoch\":1");
        fs::write(&path, text).unwrap();
        let mut journal = Journal::open(dir.path(), 70).unwrap();
        assert_eq!((journal.resume(5), journal.resume(6)), (Some(18), None), "another relation is told anew");
        assert_eq!(journal.topics().iter().collect::<Vec<_>>(), ["b", "c"]);
        for epoch in 19..30_000 {
            journal.relation = Some(5);
            journal.lines += usize::from(epoch > 100) * 9_999;
            journal.done(&[], 5, epoch).unwrap();
            if epoch > 110 {
                break;
            }
        }
        assert!(fs::read_to_string(&path).unwrap().lines().count() < 100, "it is written anew now and then");
        assert_eq!(Journal::open(dir.path(), 70).unwrap().resume(5), Some(111));
        Journal::remove(dir.path(), 70).unwrap();
        assert_eq!(Journal::open(dir.path(), 70).unwrap().topics().len(), 0);
    }
}
