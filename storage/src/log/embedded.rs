//! The embedded log: segment files of Kafka record batches, group fsync before the acknowledgement.
//!
//! Append: [`crate::log::record`] makes a batch, [`writer`] groups batches and syncs, [`partition`] gives offsets and keeps [`segment`]s.
//! Fetch: [`fetch`] waits, [`read`] finds batches. [`offsets`] keeps how far consumer groups have read. Start: [`home`] locks the directory, [`topics`] opens it, [`recovery`] removes torn tails.

mod checkpoint;
mod fetch;
mod home;
mod offsets;
mod partition;
mod producers;
mod read;
mod recovery;
mod retention;
mod segment;
mod settings;
mod topics;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot, watch};

use self::home::Home;
use self::partition::Partition;
use self::retention::Guards;
use self::writer::{Addressed, Job, Reply, Shared, Writer};
use super::batch;
use super::compression::Compression;
use super::partitioner;
use super::record;
use super::{Event, LogError, Position, TopicPartition};
use crate::limits::{BEHIND_BYTES_MAX, RETENTION_PERIOD, WRITER_QUEUE_BYTES_MAX, WRITER_QUEUE_BYTES_PER_BATCH_MIN};

pub use self::fetch::Wanted;
pub use self::offsets::{Change as OffsetChange, Committed, Offsets};
pub use self::read::Slice;
pub use self::settings::{Setting, TopicSettings};

pub(super) use self::fetch::blocking;
pub(super) use self::home::write_durably;
pub(super) use self::topics::is_valid_name;

/// How the log works.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// How batches of appended events are compressed: not at all, or with lz4. Produced batches stay as they come.
    pub compression: Compression,
    /// How often retention looks for segments to remove.
    pub retention_period: Duration,
    /// Bytes that have come to a partition and that its tables have not taken, beyond which appends to it wait.
    pub behind_bytes_max: u64,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            compression: Compression::None,
            retention_period: RETENTION_PERIOD,
            behind_bytes_max: BEHIND_BYTES_MAX,
        }
    }
}

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub name: Arc<str>,
    pub partitions: i32,
    pub settings: TopicSettings,
}

/// Where a batch is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The offset of its first record.
    pub base_offset: u64,
    /// The first offset of the partition.
    pub start: u64,
    /// Whether it was there already, sent before by the same idempotent producer.
    pub duplicate: bool,
}

/// A batch in the writer's queue, in its order. Resolves once it is durable.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Vec<Produced>, LogError>>);

/// The log in a directory of its own. Dropping it closes it.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    /// Bytes that may still enter the writer's queue.
    room: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
    offsets: Offsets,
    /// Whether tables take nothing more.
    abandoned: AtomicBool,
    /// Counts up to take turns: among partitions for events without a key and among positions of a fetch.
    turn: AtomicUsize,
    options: LogOptions,
    dir: PathBuf,
}

impl Embedded {
    /// Opens the log, making the directory if need be and truncating torn tails.
    pub fn open(dir: &Path, options: LogOptions) -> Result<Embedded, LogError> {
        let home = Home::open(dir)?;
        let topics = topics::open_all(&home.topics_dir())?;
        let offsets = Offsets::open(dir, |topic| topics.contains_key(topic))?;
        let shared = Arc::new(Shared {
            topics: RwLock::new(topics),
            stopped: RwLock::new(None),
            guards: Mutex::new(Guards::default()),
            consumed: watch::Sender::new(0),
            arrived: watch::Sender::new(0),
            written: watch::Sender::new(0),
        });
        let (jobs, received) = mpsc::channel();
        let writer = Writer::new(home, options.clone(), shared.clone(), received)?;
        let thread = std::thread::Builder::new().name("log writer".into());
        let thread = thread.spawn(move || writer.run()).map_err(|source| LogError::io(dir, source))?;
        let room = Arc::new(Semaphore::new(WRITER_QUEUE_BYTES_MAX));
        let writer = Mutex::new(Some(thread));
        let (abandoned, turn) = Default::default();
        Ok(Embedded { shared, jobs, room, writer, offsets, abandoned, turn, options, dir: dir.to_owned() })
    }

    /// Makes sure a topic is there with at least one partition; an existing one is left as it is.
    pub async fn ensure_topic(&self, topic: &str, partitions: i32) -> Result<(), LogError> {
        if self.topic(topic).is_some() {
            return Ok(());
        }
        match self.create_topic(topic, partitions, TopicSettings::default()).await {
            Err(LogError::TopicExists(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// Makes a topic; it is durable on return.
    pub async fn create_topic(&self, name: &str, partitions: i32, settings: TopicSettings) -> Result<(), LogError> {
        let name = name.to_string();
        self.ask(|reply| Job::CreateTopic { name, partitions, settings, reply }).await
    }

    /// Says whether a topic could be made, without making it.
    pub fn check_topic(&self, name: &str, partitions: i32) -> Result<(), LogError> {
        topics::check_new(&self.shared.topics.read().expect("no holder panics"), name, partitions)
    }

    /// Gives a topic other settings, durably.
    pub async fn alter_topic(&self, name: &str, settings: TopicSettings) -> Result<(), LogError> {
        let name = name.to_string();
        self.ask(|reply| Job::AlterTopic { name, settings, reply }).await
    }

    /// Deletes the records of a partition before an offset, durably, and returns where it begins then. Refused where a table has
    /// not read them.
    pub async fn delete_records(&self, partition: &TopicPartition, before: u64) -> Result<u64, LogError> {
        let partition = self.partition(partition)?;
        self.ask(|reply| Job::DeleteRecords { partition, before, reply }).await
    }

    /// Removes a topic and all its records, durably, and what groups committed for it. Refused while it feeds a table.
    pub async fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        let deleted = name.to_string();
        self.ask(|reply| Job::DeleteTopic { name: deleted, reply }).await?;
        self.offsets.change(self.offsets.forgetting(|_, partition| *partition.topic == *name)).await
    }

    /// How far consumer groups have read.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Every topic, by name.
    pub fn topics(&self) -> Vec<TopicInfo> {
        self.shared.topics.read().expect("no holder panics").values().map(|topic| info(topic)).collect()
    }

    /// The topic of a name, if there is one.
    pub fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.shared.topics.read().expect("no holder panics").get(name).map(|topic| info(topic))
    }

    /// Appends events and returns the position of each, in order, once they are durable. The events of one partition are one
    /// batch: after a crash all of them are there or none.
    pub async fn append(&self, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        let mut by_partition: BTreeMap<TopicPartition, Vec<usize>> = BTreeMap::new();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for (at, event) in events.iter().enumerate() {
            by_partition.entry(self.partition_for(event, turn)?).or_default().push(at);
        }
        if by_partition.is_empty() {
            return Ok(Vec::new());
        }
        let mut batches = Vec::with_capacity(by_partition.len());
        for (id, places) in &by_partition {
            let of_partition: Vec<&Event> = places.iter().map(|at| &events[*at]).collect();
            let (header, batch) = record::batch_of(&of_partition, self.options.compression)?;
            batches.push(Addressed { partition: self.partition(id)?, header, batch });
        }
        let produced = self.enqueue(batches).await?.all().await?;
        let mut positions: Vec<Option<Position>> = vec![None; events.len()];
        for ((id, places), produced) in by_partition.into_iter().zip(produced) {
            for (delta, at) in places.into_iter().enumerate() {
                let offset = produced.base_offset + delta as u64;
                positions[at] = Some(Position { partition: id.clone(), offset });
            }
        }
        Ok(positions.into_iter().map(|position| position.expect("every event went to a partition")).collect())
    }

    /// Appends a record batch as a Kafka producer sends it, and returns its place once it is durable.
    pub async fn produce(&self, partition: &TopicPartition, batch: Bytes) -> Result<Produced, LogError> {
        self.submit(partition, batch).await?.await
    }

    /// Checks a producer's batch and puts it into the writer's queue. Batches of one partition get offsets in the order of
    /// submission; what is returned waits for the sync.
    pub async fn submit(&self, partition: &TopicPartition, batch: Bytes) -> Result<Pending, LogError> {
        let partition = self.partition(partition)?;
        self.refuse_if_stopped()?;
        let (header, batch) = batch::accept(batch)?;
        self.enqueue(vec![Addressed { partition, header, batch }]).await
    }

    /// A number for an idempotent producer that was never given out before.
    pub async fn producer_id(&self) -> Result<i64, LogError> {
        self.ask(|reply| Job::ProducerId { reply }).await
    }

    /// The first and the next offset of a partition.
    pub async fn bounds(&self, partition: &TopicPartition) -> Result<(u64, u64), LogError> {
        Ok(self.partition(partition)?.bounds())
    }

    /// Where it is on the disk.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes of a partition's records.
    pub fn size(&self, partition: &TopicPartition) -> Result<u64, LogError> {
        let partition = self.partition(partition)?;
        Ok(partition.bytes_from(partition.bounds().0))
    }

    /// The first record of a partition at or after a time: its offset and timestamp. `None` if all are earlier.
    pub async fn offset_for_time(
        &self,
        partition: &TopicPartition,
        timestamp_ms: i64,
    ) -> Result<Option<(u64, i64)>, LogError> {
        let partition = self.partition(partition)?;
        fetch::blocking(move || partition.offset_for_time(timestamp_ms)).await?
    }

    /// The first of a partition's records that are the latest by their time: its offset and timestamp. `None` if there are none.
    pub async fn latest_by_time(&self, partition: &TopicPartition) -> Result<Option<(u64, i64)>, LogError> {
        let partition = self.partition(partition)?;
        fetch::blocking(move || partition.latest_by_time()).await?
    }

    /// Tells the log that records before these positions are part of a durable commit: retention may take them. From the first
    /// call on, which must name every partition that feeds a table, retention works; others are not guarded.
    pub fn consumed(&self, positions: &[Position]) {
        let end = |id: &TopicPartition| self.partition(id).map_or(0, |partition| partition.bounds().1);
        self.shared.guards.lock().expect("no holder panics").consumed(positions, end);
        self.shared.consumed.send_modify(|times| *times += 1);
    }

    /// Tells the log that these partitions feed no table any more: nothing guards them from retention, and appends do not wait.
    pub fn released(&self, partitions: &[TopicPartition]) {
        self.shared.guards.lock().expect("no holder panics").released(partitions);
        self.shared.consumed.send_modify(|times| *times += 1);
    }

    /// Tells the log that its tables take nothing more, until it is opened again: appends do not wait for them.
    pub fn abandoned(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.shared.consumed.send_modify(|times| *times += 1);
    }

    /// Removes what topics' settings let go at a time, in milliseconds since 1970. Runs by itself every
    /// [`LogOptions::retention_period`] too.
    pub async fn expire(&self, now_ms: i64) -> Result<(), LogError> {
        self.ask(|reply| Job::Expire { now_ms, reply }).await
    }

    /// Why nothing is acknowledged, while that is so.
    pub fn stopped(&self) -> Option<String> {
        self.shared.stopped.read().expect("no holder panics").clone()
    }

    /// After a failed write: drops what was not acknowledged, checks the rest and takes events again.
    pub async fn reopen(&self) -> Result<(), LogError> {
        self.ask(|reply| Job::Reopen { reply }).await
    }

    /// Finishes what is queued and lets go of the directory. Appends are refused from then on.
    pub fn close(&self) {
        self.abandoned();
        self.offsets.close();
        // The writer may have ended already; there is nothing left to close then.
        let _ = self.jobs.send(Job::Close);
        if let Some(thread) = self.writer.lock().expect("no holder panics").take()
            && thread.join().is_err()
        {
            tracing::error!("the log's writer had panicked");
        }
    }

    fn partition_for(&self, event: &Event, turn: usize) -> Result<TopicPartition, LogError> {
        let unknown = || LogError::UnknownTopic(event.topic.to_string());
        let topics = self.shared.topics.read().expect("no holder panics");
        let partitions = topics.get(&event.topic).ok_or_else(unknown)?.partitions.len();
        let partition = match &event.key {
            _ if partitions == 1 => 0,
            Some(key) => partitioner::partition_of(key, partitions as i32),
            None => (turn % partitions) as i32,
        };
        Ok(TopicPartition { topic: event.topic.clone(), partition })
    }

    fn partition(&self, id: &TopicPartition) -> Result<Arc<Partition>, LogError> {
        let topics = self.shared.topics.read().expect("no holder panics");
        let topic = topics.get(&id.topic).ok_or_else(|| LogError::UnknownTopic(id.topic.to_string()))?;
        let partition = usize::try_from(id.partition).ok().and_then(|number| topic.partitions.get(number));
        partition.cloned().ok_or_else(|| LogError::UnknownPartition(id.clone()))
    }

    /// Waits while the tables that a partition feeds are too far behind it.
    async fn caught_up(&self, partition: &Partition) {
        if !self.is_behind(partition) {
            return;
        }
        tracing::warn!(topic = %partition.id.topic, "tables are far behind the log: what is appended waits for them");
        // It never ends before the log does, which it is a part of.
        let _ = self.shared.consumed.subscribe().wait_for(|_| !self.is_behind(partition)).await;
    }

    fn is_behind(&self, partition: &Partition) -> bool {
        let awaited = self.shared.guards.lock().expect("no holder panics").awaited(&partition.id);
        let behind = |from| partition.bytes_from(from) > self.options.behind_bytes_max;
        awaited.is_some_and(behind) && !self.abandoned.load(Ordering::Acquire)
    }

    async fn enqueue(&self, batches: Vec<Addressed>) -> Result<Pending, LogError> {
        self.refuse_if_stopped()?;
        for batch in &batches {
            self.caught_up(&batch.partition).await;
        }
        let bytes: usize = batches.iter().map(|batch| batch.batch.len().max(WRITER_QUEUE_BYTES_PER_BATCH_MIN)).sum();
        let permits = bytes.min(WRITER_QUEUE_BYTES_MAX) as u32;
        let room = self.room.clone().acquire_many_owned(permits).await.expect("the semaphore is never closed");
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Append { batches, room, reply }).map_err(|_| ended())?;
        Ok(Pending(answer))
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    fn refuse_if_stopped(&self) -> Result<(), LogError> {
        self.stopped().map_or(Ok(()), |reason| Err(LogError::Stopped(reason)))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Pending {
    async fn all(self) -> Result<Vec<Produced>, LogError> {
        self.0.await.map_err(|_| ended())?
    }
}

impl Future for Pending {
    type Output = Result<Produced, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = std::task::ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(answered.map_err(|_| ended()).flatten().map(|produced| produced[0]))
    }
}

fn info(topic: &topics::Topic) -> TopicInfo {
    TopicInfo { name: topic.name.clone(), partitions: topic.partitions.len() as i32, settings: topic.settings.clone() }
}

fn ended() -> LogError {
    LogError::Stopped("its writer has ended".into())
}
