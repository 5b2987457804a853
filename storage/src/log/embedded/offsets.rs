//! How far consumer groups have read, as they committed it: kept in memory and in a journal that is synced before the answer.
//!
//! ```text
//! "CDLO" | version u16
//! entry: bytes u32 | crc32c u32 of what follows | change ...
//! change: group text | topic text | partition i32 | 0, or 1 offset u64 | leader epoch i32 | metadata text | time i64
//! ```
//!
//! Text is its length as u16 and UTF-8; everything is big-endian. A thread of its own writes what many commit and syncs once for all
//! of them, beside the log's writer. Once most of the journal is out of date it is replaced by one with what holds; so it is after a
//! failed write too, since nobody knows what that left behind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread::JoinHandle;

use bytes::{Buf, BufMut};
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::home;
use super::writer::Reply;
use crate::limits::{COMMITTED_MAX, COMMITTED_QUEUE_MAX, OFFSETS_JOURNAL_BYTES_MIN};
use crate::log::{LogError, TopicPartition};

const FILE: &str = "offsets";
const MAGIC: &[u8; 4] = b"CDLO";
const VERSION: u16 = 1;
const PREAMBLE_BYTES: usize = 6;
const ENTRY_HEADER_BYTES: usize = 8;
/// A journal may be so many times as large as what holds of it before it is replaced.
const OUT_OF_DATE_MAX: usize = 4;

/// What a group committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset of the next record to read.
    pub offset: u64,
    /// As the consumer said, -1 where it did not.
    pub leader_epoch: i32,
    /// The consumer's own words.
    pub metadata: String,
    /// When, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// A partition's committed offset is now this, or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub group: String,
    pub partition: TopicPartition,
    pub committed: Option<Committed>,
}

/// What each group committed.
pub type Groups = BTreeMap<String, BTreeMap<TopicPartition, Committed>>;

/// The committed offsets of all groups.
#[derive(Debug)]
pub struct Offsets {
    groups: Arc<RwLock<Groups>>,
    jobs: mpsc::SyncSender<Job>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Job {
    Change { changes: Vec<Change>, reply: Reply<()> },
    Close,
}

impl Offsets {
    /// Opens the journal in the log's directory. What is committed for topics that are not there any more is forgotten.
    pub fn open(dir: &Path, is_topic: impl Fn(&str) -> bool) -> Result<Offsets, LogError> {
        let path = dir.join(FILE);
        let mut groups = match fs::read(&path) {
            Ok(journal) => read(&path, &journal)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Groups::new(),
            Err(source) => return Err(LogError::io(&path, source)),
        };
        for partitions in groups.values_mut() {
            partitions.retain(|partition, _| is_topic(&partition.topic));
        }
        groups.retain(|_, partitions| !partitions.is_empty());
        let groups = Arc::new(RwLock::new(groups));
        let (jobs, received) = mpsc::sync_channel(COMMITTED_QUEUE_MAX);
        // The journal is written anew when the first change comes: that also removes a torn tail.
        let journal =
            Journal { dir: dir.to_path_buf(), file: None, bytes: 0, bytes_when_new: 0, groups: groups.clone() };
        let thread = std::thread::Builder::new().name("log offsets".into());
        let thread = thread.spawn(move || journal.run(received)).map_err(|source| LogError::io(dir, source))?;
        Ok(Offsets { groups, jobs, writer: Mutex::new(Some(thread)) })
    }

    /// Makes changes, durably and all or none of them.
    pub async fn change(&self, changes: Vec<Change>) -> Result<(), LogError> {
        if changes.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job::Change { changes, reply }).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => LogError::Stopped("too many offset commits wait for the disk".into()),
            mpsc::TrySendError::Disconnected(_) => super::ended(),
        })?;
        answer.await.map_err(|_| super::ended())?
    }

    /// What a group committed; nothing for one that is not known.
    pub fn of_group(&self, group: &str) -> BTreeMap<TopicPartition, Committed> {
        self.groups.read().expect("no holder panics").get(group).cloned().unwrap_or_default()
    }

    /// Whether a group has committed anything.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.read().expect("no holder panics").contains_key(group)
    }

    /// All that have committed anything, with when they last did.
    pub fn groups(&self) -> Vec<(String, i64)> {
        let groups = self.groups.read().expect("no holder panics");
        let last =
            |partitions: &BTreeMap<_, Committed>| partitions.values().map(|at| at.committed_ms).max().unwrap_or(0);
        groups.iter().map(|(group, partitions)| (group.clone(), last(partitions))).collect()
    }

    /// The changes that forget what was committed for the partitions for which `gone` says so.
    pub fn forgetting(&self, gone: impl Fn(&str, &TopicPartition) -> bool) -> Vec<Change> {
        let groups = self.groups.read().expect("no holder panics");
        let mut changes = Vec::new();
        for (group, partitions) in groups.iter() {
            let gone = partitions.keys().filter(|partition| gone(group, partition));
            changes.extend(gone.map(|partition| Change {
                group: group.clone(),
                partition: partition.clone(),
                committed: None,
            }));
        }
        changes
    }

    /// Finishes what is queued.
    pub fn close(&self) {
        // The thread may have ended already; there is nothing left to close then.
        let _ = self.jobs.send(Job::Close);
        if let Some(thread) = self.writer.lock().expect("no holder panics").take()
            && thread.join().is_err()
        {
            error!("the writer of committed offsets had panicked");
        }
    }
}

/// The thread's own state.
struct Journal {
    dir: PathBuf,
    /// Where to append; `None` while the next change writes the journal anew.
    file: Option<File>,
    bytes: usize,
    bytes_when_new: usize,
    groups: Arc<RwLock<Groups>>,
}

impl Journal {
    fn run(mut self, jobs: mpsc::Receiver<Job>) {
        while let Ok(Job::Change { changes, reply }) = jobs.recv() {
            let mut waiting = vec![(changes, reply)];
            let mut closing = false;
            while let Ok(job) = jobs.try_recv() {
                match job {
                    Job::Change { changes, reply } => waiting.push((changes, reply)),
                    Job::Close => closing = true,
                }
            }
            self.commit(waiting);
            if closing {
                return;
            }
        }
    }

    /// Writes and syncs changes, shows them and answers.
    fn commit(&mut self, waiting: Vec<(Vec<Change>, Reply<()>)>) {
        let mut left = COMMITTED_MAX - self.count().min(COMMITTED_MAX);
        let (mut taken, mut entries) = (Vec::new(), Vec::new());
        for (changes, reply) in waiting {
            // Every change might be of a partition that is new: a little room is left over when the bound is near.
            let added = changes.iter().filter(|change| change.committed.is_some()).count();
            if added > left {
                let reason = format!("more than {COMMITTED_MAX} committed offsets: delete groups that are not used");
                let _ = reply.send(Err(LogError::Refused { path: self.path().display().to_string(), reason }));
                continue;
            }
            left -= added;
            put_entry(&mut entries, &changes);
            taken.push((changes, reply));
        }
        let written = self.write(&entries, taken.iter().flat_map(|(changes, _)| changes));
        if let Err(error) = &written {
            warn!(%error, "committed offsets not written");
            self.file = None;
        }
        for (changes, reply) in taken {
            let outcome = match &written {
                Ok(()) => {
                    let mut groups = self.groups.write().expect("no holder panics");
                    changes.into_iter().for_each(|change| apply(&mut groups, change));
                    Ok(())
                }
                Err(error) => Err(LogError::Stopped(format!("committed offsets not written: {error}"))),
            };
            // Nobody may be waiting any more; what was written stays written.
            let _ = reply.send(outcome);
        }
    }

    fn write<'a>(&mut self, entries: &[u8], changes: impl Iterator<Item = &'a Change>) -> io::Result<()> {
        let limit = OFFSETS_JOURNAL_BYTES_MIN.max(self.bytes_when_new * OUT_OF_DATE_MAX);
        match &mut self.file {
            Some(file) if self.bytes + entries.len() <= limit => {
                file.write_all(entries)?;
                file.sync_data()?;
                self.bytes += entries.len();
                Ok(())
            }
            _ => {
                let mut groups = self.groups.read().expect("no holder panics").clone();
                changes.cloned().for_each(|change| apply(&mut groups, change));
                self.replace(&groups)
            }
        }
    }

    /// Writes the journal anew, with what holds.
    fn replace(&mut self, groups: &Groups) -> io::Result<()> {
        let mut journal = MAGIC.to_vec();
        journal.put_u16(VERSION);
        for (group, partitions) in groups {
            let change = |(partition, committed): (&TopicPartition, &Committed)| Change {
                group: group.clone(),
                partition: partition.clone(),
                committed: Some(committed.clone()),
            };
            put_entry(&mut journal, &partitions.iter().map(change).collect::<Vec<_>>());
        }
        home::write_durably(&self.dir, FILE, &journal)?;
        self.file = Some(File::options().append(true).open(self.path())?);
        (self.bytes, self.bytes_when_new) = (journal.len(), journal.len());
        Ok(())
    }

    fn count(&self) -> usize {
        self.groups.read().expect("no holder panics").values().map(BTreeMap::len).sum()
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }
}

fn apply(groups: &mut Groups, change: Change) {
    match change.committed {
        Some(committed) => {
            groups.entry(change.group).or_default().insert(change.partition, committed);
        }
        None => {
            if let Some(partitions) = groups.get_mut(&change.group) {
                partitions.remove(&change.partition);
                if partitions.is_empty() {
                    groups.remove(&change.group);
                }
            }
        }
    }
}

/// Reads a journal up to its torn tail, if it has one.
fn read(path: &Path, journal: &[u8]) -> Result<Groups, LogError> {
    let Some((mut preamble, mut rest)) = journal.split_at_checked(PREAMBLE_BYTES) else {
        return Err(LogError::refused(path, "it is damaged: move it away to start without committed offsets"));
    };
    if preamble.copy_to_bytes(MAGIC.len()) != MAGIC[..] || preamble.get_u16() != VERSION {
        return Err(LogError::refused(path, format!("it is no journal of version {VERSION}: use a newer version")));
    }
    let mut groups = Groups::new();
    while let Some((mut header, body)) = rest.split_at_checked(ENTRY_HEADER_BYTES) {
        let (bytes, crc) = (header.get_u32() as usize, header.get_u32());
        let Some((mut entry, after)) = body.split_at_checked(bytes) else { break };
        if crc32c::crc32c(entry) != crc {
            break;
        }
        while !entry.is_empty() {
            let damaged = || LogError::refused(path, "it is damaged: move it away to start without committed offsets");
            apply(&mut groups, get_change(&mut entry).ok_or_else(damaged)?);
        }
        rest = after;
    }
    if !rest.is_empty() {
        warn!(path = %path.display(), torn_bytes = rest.len(), "torn tail left out");
    }
    Ok(groups)
}

fn put_entry(journal: &mut Vec<u8>, changes: &[Change]) {
    let start = journal.len();
    journal.put_u64(0);
    for change in changes {
        put_text(journal, &change.group);
        put_text(journal, &change.partition.topic);
        journal.put_i32(change.partition.partition);
        match &change.committed {
            None => journal.put_u8(0),
            Some(committed) => {
                journal.put_u8(1);
                journal.put_u64(committed.offset);
                journal.put_i32(committed.leader_epoch);
                put_text(journal, &committed.metadata);
                journal.put_i64(committed.committed_ms);
            }
        }
    }
    let (header, body) = journal[start..].split_at_mut(ENTRY_HEADER_BYTES);
    header[..4].copy_from_slice(&(body.len() as u32).to_be_bytes());
    header[4..].copy_from_slice(&crc32c::crc32c(body).to_be_bytes());
}

fn put_text(journal: &mut Vec<u8>, text: &str) {
    journal.put_u16(u16::try_from(text.len()).expect("names and metadata came in with such lengths"));
    journal.put_slice(text.as_bytes());
}

fn get_change(bytes: &mut &[u8]) -> Option<Change> {
    let group = get_text(bytes)?;
    let topic = get_text(bytes)?.into();
    let partition = TopicPartition { topic, partition: bytes.try_get_i32().ok()? };
    let committed = match bytes.try_get_u8().ok()? {
        0 => None,
        _ => Some(Committed {
            offset: bytes.try_get_u64().ok()?,
            leader_epoch: bytes.try_get_i32().ok()?,
            metadata: get_text(bytes)?,
            committed_ms: bytes.try_get_i64().ok()?,
        }),
    };
    Some(Change { group, partition, committed })
}

fn get_text(bytes: &mut &[u8]) -> Option<String> {
    let length = bytes.try_get_u16().ok()?;
    let (text, rest) = bytes.split_at_checked(length.into())?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(group: &str, partition: i32, offset: Option<u64>) -> Change {
        let committed =
            |offset| Committed { offset, leader_epoch: -1, metadata: format!("at {offset}"), committed_ms: 5 };
        let partition = TopicPartition { topic: "t".into(), partition };
        Change { group: group.into(), partition, committed: offset.map(committed) }
    }

    fn committed(offsets: &Offsets, group: &str) -> Vec<(i32, u64)> {
        offsets.of_group(group).iter().map(|(partition, at)| (partition.partition, at.offset)).collect()
    }

    fn open(dir: &Path) -> Offsets {
        Offsets::open(dir, |topic| topic == "t").unwrap()
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart_and_what_was_deleted_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let offsets = open(dir.path());
        offsets.change(vec![change("a", 0, Some(7)), change("a", 1, Some(8))]).await.unwrap();
        offsets.change(vec![change("a", 0, Some(9)), change("b", 0, Some(1))]).await.unwrap();
        offsets.change(vec![change("b", 0, None)]).await.unwrap();
        let before = offsets.of_group("a");
        offsets.close();
        let offsets = open(dir.path());
        assert_eq!(committed(&offsets, "a"), [(0, 9), (1, 8)]);
        assert_eq!(offsets.of_group("a"), before);
        assert!(!offsets.has_group("b"));
        offsets.close();
        let elsewhere = Offsets::open(dir.path(), |_| false).unwrap();
        assert!(elsewhere.groups().is_empty(), "its topic is gone");
    }

    #[tokio::test]
    async fn a_torn_tail_is_left_out_and_what_follows_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let offsets = open(dir.path());
        for offset in 1..=3 {
            offsets.change(vec![change("a", 0, Some(offset))]).await.unwrap();
        }
        offsets.close();
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        let entry = (whole.len() - PREAMBLE_BYTES) / 3;
        for torn in 1..entry {
            fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            let offsets = open(dir.path());
            assert_eq!(committed(&offsets, "a"), [(0, 2)], "{torn} bytes are missing");
            offsets.change(vec![change("b", 0, Some(4))]).await.unwrap();
            offsets.close();
            let offsets = open(dir.path());
            assert_eq!((committed(&offsets, "a"), committed(&offsets, "b")), (vec![(0, 2)], vec![(0, 4)]));
            offsets.close();
        }
    }

    #[tokio::test]
    async fn the_journal_does_not_grow_with_the_number_of_commits() {
        let dir = tempfile::tempdir().unwrap();
        let offsets = Arc::new(open(dir.path()));
        let mut committing = tokio::task::JoinSet::new();
        for offset in 0..3_000 {
            let offsets = offsets.clone();
            let changes = (0..20).map(|partition| change("a", partition, Some(offset))).collect();
            committing.spawn(async move { offsets.change(changes).await.unwrap() });
        }
        committing.join_all().await;
        assert!(fs::metadata(dir.path().join(FILE)).unwrap().len() <= OFFSETS_JOURNAL_BYTES_MIN as u64);
        assert_eq!(offsets.of_group("a").len(), 20);
    }
}
