//! The writer: one thread that writes what many append and syncs each file once for all of them.
//!
//! While a group is being synced the next one gathers in the queue, so a group is as large as the disk is slow. Whatever
//! changes files runs here, in turn. After a failed write or sync nothing is acknowledged until [`Job::Reopen`] has gone back to what was.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tracing::{error, info, warn};

use super::home::Home;
use super::partition::{Partition, Staged};
use super::retention::{self, Guards};
use super::settings::TopicSettings;
use super::topics::{self, Topic, Topics};
use super::{LogOptions, Produced};
use crate::limits::{GROUP_BYTES_MAX, PRODUCER_IDS_RESERVED, SYNCS_AT_ONCE_MAX};
use crate::log::batch::BatchHeader;
use crate::log::{LogError, Position};

/// What the writer shares with everybody else.
#[derive(Debug)]
pub struct Shared {
    pub topics: RwLock<Topics>,
    /// Why nothing is acknowledged, while that is so.
    pub stopped: RwLock<Option<String>>,
    pub guards: Mutex<Guards>,
    /// Changes whenever tables have taken something, or will not any more.
    pub consumed: watch::Sender<u64>,
    /// Changes whenever something may be durable that was not, or never will be.
    pub arrived: watch::Sender<u64>,
    /// Changes whenever there may be something new in the files.
    pub written: watch::Sender<u64>,
}

impl Shared {
    fn wake_readers(&self) {
        self.written.send_modify(|group| *group += 1);
        self.arrived.send_modify(|group| *group += 1);
    }
}

pub type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// A batch and where it goes.
#[derive(Debug)]
pub struct Addressed {
    pub partition: Arc<Partition>,
    pub header: BatchHeader,
    pub batch: Bytes,
}

/// What the writer does.
#[derive(Debug)]
pub enum Job {
    /// Appends all batches, or none if any is refused for its sequence; the permit is the room they take in the queue.
    Append {
        batches: Vec<Addressed>,
        room: OwnedSemaphorePermit,
        reply: Reply<Vec<Produced>>,
    },
    CreateTopic {
        name: String,
        partitions: i32,
        settings: TopicSettings,
        reply: Reply<()>,
    },
    AlterTopic {
        name: String,
        settings: TopicSettings,
        reply: Reply<()>,
    },
    DeleteTopic {
        name: String,
        reply: Reply<()>,
    },
    /// Deletes what is before an offset and says where the partition begins then.
    DeleteRecords {
        partition: Arc<Partition>,
        before: u64,
        reply: Reply<u64>,
    },
    ProducerId {
        reply: Reply<i64>,
    },
    /// Runs retention as of a time, in milliseconds since 1970.
    Expire {
        now_ms: i64,
        reply: Reply<()>,
    },
    Reopen {
        reply: Reply<()>,
    },
    Close,
}

/// The thread's own state.
#[derive(Debug)]
pub struct Writer {
    home: Home,
    options: LogOptions,
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    /// The next producer id, and the one before which ids are reserved.
    producer_ids: (u64, u64),
}

/// Appends that are synced together.
#[derive(Default)]
struct Group {
    bytes: usize,
    partitions: Vec<Arc<Partition>>,
    /// Who waits for the sync; the permits are held until then.
    waiting: Vec<(Reply<Vec<Produced>>, Vec<Produced>, OwnedSemaphorePermit)>,
}

impl Writer {
    pub fn new(home: Home, options: LogOptions, shared: Arc<Shared>, jobs: Receiver<Job>) -> Result<Writer, LogError> {
        let next = home.producer_ids()?;
        Ok(Writer { home, options, shared, jobs, producer_ids: (next, next) })
    }

    /// Works until closed or until nobody can send any more.
    pub fn run(mut self) {
        let mut retention_due = Instant::now() + self.options.retention_period;
        loop {
            match self.jobs.recv_timeout(retention_due.saturating_duration_since(Instant::now())) {
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => return self.close(),
                Ok(job) => {
                    if self.take(job) {
                        return self.close();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() >= retention_due {
                self.expire(retention::unix_ms(SystemTime::now()));
                retention_due = Instant::now() + self.options.retention_period;
            }
        }
    }

    /// Does a job, and with an append those that wait behind it. True if the log was closed meanwhile.
    fn take(&mut self, job: Job) -> bool {
        let Job::Append { batches, room, reply } = job else { return self.administer(job) };
        let mut group = Group::default();
        self.append(&mut group, batches, room, reply);
        let mut other = None;
        while group.bytes < GROUP_BYTES_MAX {
            match self.jobs.try_recv() {
                Ok(Job::Append { batches, room, reply }) => self.append(&mut group, batches, room, reply),
                Ok(job) => {
                    other = Some(job);
                    break;
                }
                Err(_) => break,
            }
        }
        self.commit(group);
        other.is_some_and(|job| self.administer(job))
    }

    fn append(
        &self,
        group: &mut Group,
        batches: Vec<Addressed>,
        room: OwnedSemaphorePermit,
        reply: Reply<Vec<Produced>>,
    ) {
        if let Some(reason) = self.stopped() {
            answer(reply, Err(LogError::Stopped(reason)));
            return;
        }
        if let Some(gone) = batches.iter().find(|batch| batch.partition.is_deleted()) {
            answer(reply, Err(LogError::UnknownTopic(gone.partition.id.topic.to_string())));
            return;
        }
        let mut produced = Vec::with_capacity(batches.len());
        for Addressed { partition, header, batch } in batches {
            match partition.stage(&header, &batch) {
                Ok(Ok(Staged { base_offset, duplicate })) => {
                    group.bytes += batch.len();
                    let start = partition.bounds().0;
                    produced.push(Produced { base_offset, start, duplicate });
                    if !group.partitions.iter().any(|touched| Arc::ptr_eq(touched, &partition)) {
                        group.partitions.push(partition);
                    }
                }
                Ok(Err(refused)) => {
                    // Only a batch of an idempotent producer can be refused here, and those come alone.
                    assert!(produced.is_empty(), "a job is refused as a whole");
                    answer(reply, Err(refused));
                    return;
                }
                Err(error) => {
                    answer(reply, Err(LogError::Stopped(self.stop(&partition, &error))));
                    return;
                }
            }
        }
        group.waiting.push((reply, produced, room));
    }

    /// Writes, syncs, publishes and only then answers.
    fn commit(&self, group: Group) {
        let outcome = match self.stopped() {
            Some(reason) => Err(reason),
            None => self.write_and_sync(&group.partitions).map_err(|(partition, error)| self.stop(&partition, &error)),
        };
        if outcome.is_ok() {
            for partition in &group.partitions {
                partition.publish();
            }
        }
        self.shared.arrived.send_modify(|group| *group += 1);
        for (reply, produced, _room) in group.waiting {
            answer(reply, outcome.clone().map(|()| produced).map_err(LogError::Stopped));
        }
    }

    /// Writes and syncs the files of several partitions, the syncs at the same time.
    fn write_and_sync(&self, partitions: &[Arc<Partition>]) -> Result<(), (Arc<Partition>, io::Error)> {
        let failed = |partition: &Arc<Partition>| {
            let partition = partition.clone();
            move |error| (partition, error)
        };
        for partition in partitions {
            partition.write().map_err(failed(partition))?;
        }
        self.shared.written.send_modify(|group| *group += 1);
        for some in partitions.chunks(SYNCS_AT_ONCE_MAX) {
            let (own, others) = some.split_first().expect("chunks are not empty");
            std::thread::scope(|scope| {
                let syncing: Vec<_> = others
                    .iter()
                    .map(|partition| scope.spawn(|| partition.sync().map_err(failed(partition))))
                    .collect();
                let mut outcome = own.sync().map_err(failed(own));
                for sync in syncing {
                    outcome = outcome.and(sync.join().expect("a sync does not panic"));
                }
                outcome
            })?;
        }
        Ok(())
    }

    fn administer(&mut self, job: Job) -> bool {
        match job {
            Job::Append { .. } => unreachable!("appends are taken in groups"),
            Job::CreateTopic { name, partitions, settings, reply } => {
                answer(reply, self.create_topic(&name, partitions, &settings));
            }
            Job::AlterTopic { name, settings, reply } => answer(reply, self.alter_topic(&name, settings)),
            Job::DeleteTopic { name, reply } => answer(reply, self.delete_topic(&name)),
            Job::DeleteRecords { partition, before, reply } => {
                answer(reply, self.delete_records(&partition, before));
            }
            Job::ProducerId { reply } => answer(reply, self.producer_id()),
            Job::Expire { now_ms, reply } => {
                self.expire(now_ms);
                answer(reply, Ok(()));
            }
            Job::Reopen { reply } => answer(reply, self.reopen()),
            Job::Close => return true,
        }
        false
    }

    fn create_topic(&self, name: &str, partitions: i32, settings: &TopicSettings) -> Result<(), LogError> {
        self.refuse_if_stopped()?;
        let existing = self.topics();
        let topic = topics::create(&self.home.topics_dir(), &existing, name, partitions, settings)?;
        self.change_topics(|topics| {
            topics.insert(topic.name.clone(), Arc::new(topic));
        });
        info!(topic = name, partitions, "topic created");
        Ok(())
    }

    fn alter_topic(&self, name: &str, settings: TopicSettings) -> Result<(), LogError> {
        self.refuse_if_stopped()?;
        let existing = self.topics();
        let topic: &Arc<Topic> = existing.get(name).ok_or_else(|| LogError::UnknownTopic(name.to_string()))?;
        let altered = topics::alter(&self.home.topics_dir(), topic, settings)?;
        info!(topic = name, settings = ?altered.settings.overrides(), "topic altered");
        self.change_topics(|topics| {
            topics.insert(altered.name.clone(), Arc::new(altered));
        });
        Ok(())
    }

    fn delete_records(&self, partition: &Arc<Partition>, before: u64) -> Result<u64, LogError> {
        self.refuse_if_stopped()?;
        if partition.is_deleted() {
            return Err(LogError::UnknownTopic(partition.id.topic.to_string()));
        }
        let (start, end) = partition.bounds();
        if before > end {
            let position = Position { partition: partition.id.clone(), offset: before };
            return Err(LogError::OutOfRange { position, start, end });
        }
        if before > self.guards().read_before(&partition.id) {
            return Err(LogError::Unread(partition.id.clone()));
        }
        partition.delete_before(before).map_err(|source| LogError::Stopped(self.stop(partition, &source)))?;
        info!(topic = %partition.id.topic, partition = partition.id.partition, before, "records deleted");
        Ok(partition.bounds().0)
    }

    fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        self.refuse_if_stopped()?;
        let existing = self.topics();
        let topic: &Arc<Topic> = existing.get(name).ok_or_else(|| LogError::UnknownTopic(name.to_string()))?;
        if self.guards().is_topic_of_table(name) {
            return Err(LogError::FeedsTable(name.to_string()));
        }
        // First nobody can append any more: what would be acknowledged now might go with the directory.
        self.change_topics(|topics| {
            topics.remove(name);
        });
        for partition in &topic.partitions {
            partition.set_deleted();
        }
        let partitions: Vec<_> = topic.partitions.iter().map(|partition| partition.id.clone()).collect();
        self.guards().released(&partitions);
        self.shared.wake_readers();
        topics::remove(&self.home.topics_dir(), name)?;
        info!(topic = name, "topic deleted");
        Ok(())
    }

    fn producer_id(&mut self) -> Result<i64, LogError> {
        self.refuse_if_stopped()?;
        let (next, reserved) = self.producer_ids;
        if next == reserved {
            let reserved = next + PRODUCER_IDS_RESERVED;
            self.home.reserve_producer_ids(reserved).map_err(|source| LogError::io(self.home.dir(), source))?;
            self.producer_ids.1 = reserved;
        }
        self.producer_ids.0 = next + 1;
        Ok(next as i64)
    }

    fn expire(&self, now_ms: i64) {
        if self.stopped().is_some() {
            return;
        }
        for topic in self.topics().values() {
            for partition in &topic.partitions {
                if let Err(error) = retention::enforce(partition, &self.guards(), now_ms) {
                    warn!(topic = %topic.name, partition = partition.id.partition, %error, "segments not removed");
                }
            }
        }
    }

    fn reopen(&self) -> Result<(), LogError> {
        for topic in self.topics().values() {
            for partition in &topic.partitions {
                partition.reopen()?;
            }
        }
        *self.shared.stopped.write().expect("no holder panics") = None;
        info!("log opened again");
        Ok(())
    }

    /// Stops acknowledging and returns why.
    fn stop(&self, partition: &Partition, error: &io::Error) -> String {
        let reason = format!("{} partition {}: {error}", partition.id.topic, partition.id.partition);
        error!(reason, "the log cannot write; nothing more is acknowledged until it is opened again");
        self.shared.stopped.write().expect("no holder panics").get_or_insert(reason).clone()
    }

    fn stopped(&self) -> Option<String> {
        self.shared.stopped.read().expect("no holder panics").clone()
    }

    fn refuse_if_stopped(&self) -> Result<(), LogError> {
        self.stopped().map_or(Ok(()), |reason| Err(LogError::Stopped(reason)))
    }

    fn topics(&self) -> Topics {
        self.shared.topics.read().expect("no holder panics").clone()
    }

    fn change_topics(&self, change: impl FnOnce(&mut Topics)) {
        change(&mut self.shared.topics.write().expect("no holder panics"));
    }

    fn guards(&self) -> std::sync::MutexGuard<'_, Guards> {
        self.shared.guards.lock().expect("no holder panics")
    }

    fn close(self) {
        let stopped = self.stopped().is_some();
        self.shared.stopped.write().expect("no holder panics").get_or_insert("it is closed".into());
        self.shared.wake_readers();
        for partition in self.topics().values().flat_map(|topic| &topic.partitions) {
            if !stopped {
                partition.checkpoint();
            }
        }
    }
}

/// Nobody may be waiting any more; what was done stays done.
fn answer<T>(reply: Reply<T>, outcome: Result<T, LogError>) {
    let _ = reply.send(outcome);
}
