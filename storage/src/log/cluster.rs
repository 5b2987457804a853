//! The client of a Kafka cluster: the log's other home, with the same promises.
//!
//! [`settings`] says how to reach it, [`producer`] appends, [`reader`] fetches, [`link`] knows whether it answers. What is
//! durable, for how long records are kept and who else may write is the cluster's own matter.

mod link;
mod producer;
mod reader;
mod settings;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::{Instant, sleep};

use self::link::{Link, Listener, words};
use self::producer::Producer;
use self::reader::Trouble;
use super::embedded::is_valid_name;
use super::partitioner;
use super::{Event, Fetched, LogError, Position, TopicPartition};
use crate::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, CLUSTER_ANSWER_MAX, CLUSTER_ANSWER_PAUSE, CLUSTER_START_MAX};

pub(super) use self::reader::Reader;
pub use self::settings::{Authorities, ClusterOptions, Mechanism, Sasl};

/// As many replicas as the cluster's brokers make by themselves.
const REPLICATION_DEFAULT: i32 = -1;

/// A log in a Kafka cluster.
pub struct Cluster {
    options: ClusterOptions,
    link: Arc<Link>,
    producer: Producer,
    reader: Arc<Reader>,
    /// How many partitions topics have, as last heard.
    partitions: RwLock<HashMap<Arc<str>, i32>>,
    /// Counts up, so that events without a key go to one partition after the other.
    turn: AtomicUsize,
}

impl Cluster {
    /// Connects to the cluster. It must answer within [`CLUSTER_START_MAX`]; afterwards it may come and go.
    pub async fn open(options: ClusterOptions) -> Result<Cluster, LogError> {
        let link = Arc::new(Link::new(&options.brokers));
        let reader = Arc::new(Reader::new(&options, link.clone())?);
        let producer = Producer::new(options.clone(), link.clone())?;
        let (partitions, turn) = Default::default();
        let cluster = Cluster { options, link, producer, reader, partitions, turn };
        tracing::info!(brokers = %cluster.options.brokers, "the log is a Kafka cluster's");
        let deadline = Instant::now() + CLUSTER_START_MAX;
        while let Err(error) = cluster.learn().await {
            if Instant::now() >= deadline {
                return Err(error);
            }
            cluster.link.fails("no answer");
        }
        Ok(cluster)
    }

    /// What the cluster calls itself.
    pub async fn id(&self) -> Result<String, LogError> {
        let id = self.ask(|reader| Ok(reader.client().client().fetch_cluster_id(CLUSTER_ANSWER_MAX))).await?;
        id.ok_or_else(|| self.link.refused("it does not say which cluster it is"))
    }

    /// Why nothing is acknowledged, while that is so.
    pub fn lost(&self) -> Option<String> {
        self.link.lost()
    }

    /// Makes sure a topic is there with at least one partition; an existing one is left as it is.
    pub async fn ensure_topic(&self, name: &str, partitions: i32) -> Result<(), LogError> {
        if !is_valid_name(name) {
            return Err(LogError::InvalidTopic(name.to_owned()));
        }
        self.learn().await?;
        if self.known(name).is_some() {
            return Ok(());
        }
        self.create(name, partitions).await?;
        // The broker that is asked next hears of it a little later than the one that made it.
        let deadline = Instant::now() + CLUSTER_ANSWER_MAX;
        loop {
            self.learn().await?;
            match self.known(name) {
                Some(_) => return Ok(()),
                None if Instant::now() >= deadline => return Err(LogError::UnknownTopic(name.to_owned())),
                None => sleep(CLUSTER_ANSWER_PAUSE).await,
            }
        }
    }

    async fn create(&self, name: &str, partitions: i32) -> Result<(), LogError> {
        let made = self.options.administrator().create_with_context(Listener(self.link.clone()));
        let administrator: AdminClient<Listener> = made.map_err(|error: KafkaError| self.link.unreachable(&error))?;
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(REPLICATION_DEFAULT));
        let within =
            AdminOptions::new().request_timeout(Some(CLUSTER_ANSWER_MAX)).operation_timeout(Some(CLUSTER_ANSWER_MAX));
        let made = administrator.create_topics([&topic], &within).await;
        let made = made.map_err(|error| self.link.unreachable(&error))?;
        match made.into_iter().next() {
            None | Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, RDKafkaErrorCode::InvalidPartitions))) => {
                Err(LogError::InvalidPartitions(format!("the cluster does not take {partitions} partitions")))
            }
            Some(Err((_, code))) => Err(self.link.refused(format!("topic {name} not created: {}", words(code)))),
        }
    }

    /// Appends events and returns the position of each, in order, once they are acknowledged by all replicas in sync. Each is
    /// a record of its own: when the cluster or the node dies meanwhile, some may be there and others not.
    pub async fn append(&self, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut partitions = Vec::with_capacity(events.len());
        let mut sizes: HashMap<TopicPartition, (usize, usize)> = HashMap::new();
        for event in &events {
            let partition = self.partition_for(event, turn).await?;
            let (bytes, records) = sizes.entry(partition.clone()).or_default();
            *bytes += producer::size(event);
            *records += 1;
            partitions.push(partition);
        }
        for (bytes, records) in sizes.into_values() {
            if bytes > BATCH_BYTES_MAX {
                return Err(LogError::TooLarge { bytes, limit: BATCH_BYTES_MAX });
            }
            if records > BATCH_RECORDS_MAX {
                let words = format!("{records} events at once are more than {BATCH_RECORDS_MAX}: append fewer");
                return Err(LogError::InvalidBatch(words));
            }
        }
        let appended = self.producer.append(&events, &partitions).await;
        if let Err(LogError::UnknownTopic(topic)) = &appended {
            self.partitions.write().unwrap_or_else(PoisonError::into_inner).remove(&**topic);
        }
        let position = |(partition, offset)| Position { partition, offset };
        Ok(partitions.into_iter().zip(appended?).map(position).collect())
    }

    async fn partition_for(&self, event: &Event, turn: usize) -> Result<TopicPartition, LogError> {
        let partitions = self.partitions(&event.topic).await?;
        let partition = match &event.key {
            _ if partitions == 1 => 0,
            Some(key) => partitioner::partition_of(key, partitions),
            None => (turn % partitions as usize) as i32,
        };
        Ok(TopicPartition { topic: event.topic.clone(), partition })
    }

    /// Reads on from positions, at most about `max_bytes`, waiting up to `wait` for the first record. While the cluster does not
    /// answer there is nothing to read.
    pub async fn fetch(&self, from: &[Position], max_bytes: usize, wait: Duration) -> Result<Vec<Fetched>, LogError> {
        self.fetch_by(&self.reader, from, max_bytes, wait).await
    }

    /// A reader for other places than those that [`Cluster::fetch`] reads on from.
    pub(super) fn other_reader(&self) -> Result<Reader, LogError> {
        Reader::new(&self.options, self.link.clone())
    }

    pub(super) async fn fetch_by(
        &self,
        reader: &Reader,
        from: &[Position],
        max_bytes: usize,
        wait: Duration,
    ) -> Result<Vec<Fetched>, LogError> {
        match reader.fetch(from, max_bytes, wait).await {
            Ok(fetched) => Ok(fetched),
            Err(Trouble::Range | Trouble::Topic) => {
                for position in from {
                    let (start, end) = match self.bounds(&position.partition).await {
                        Err(LogError::Unreachable { .. }) => return Ok(Vec::new()),
                        bounds => bounds?,
                    };
                    if !(start..=end).contains(&position.offset) {
                        return Err(LogError::OutOfRange { position: position.clone(), start, end });
                    }
                }
                // It was so for a moment only: the next fetch begins anew.
                Ok(Vec::new())
            }
            Err(Trouble::Other(code)) => Err(self.link.refused(words(code))),
        }
    }

    /// The first and the next offset of a partition.
    pub async fn bounds(&self, partition: &TopicPartition) -> Result<(u64, u64), LogError> {
        self.learn_once(&partition.topic).await?;
        let deadline = Instant::now() + CLUSTER_ANSWER_MAX;
        loop {
            if partition.partition >= self.partitions(&partition.topic).await? || partition.partition < 0 {
                return Err(LogError::UnknownPartition(partition.clone()));
            }
            let (topic, number) = (partition.topic.clone(), partition.partition);
            let asked =
                self.ask(move |reader| reader.client().fetch_watermarks(&topic, number, CLUSTER_ANSWER_MAX)).await;
            match asked {
                Ok((start, end)) => return Ok((start as u64, end as u64)),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => {
                    sleep(CLUSTER_ANSWER_PAUSE).await;
                    self.learn().await?;
                }
            }
        }
    }

    /// How many partitions a topic has.
    async fn partitions(&self, topic: &str) -> Result<i32, LogError> {
        self.learn_once(topic).await?;
        self.known(topic).ok_or_else(|| LogError::UnknownTopic(topic.to_owned()))
    }

    async fn learn_once(&self, topic: &str) -> Result<(), LogError> {
        if self.known(topic).is_some() { Ok(()) } else { self.learn().await }
    }

    fn known(&self, topic: &str) -> Option<i32> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    /// Asks for all topics. Asking for one is no cheaper here, and the binding lets go of it too early.
    async fn learn(&self) -> Result<(), LogError> {
        let topics = self.ask(|reader| reader.client().fetch_metadata(None, CLUSTER_ANSWER_MAX)).await?;
        let of = |topic: &rdkafka::metadata::MetadataTopic| (topic.name().into(), topic.partitions().len() as i32);
        let topics = topics.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        *self.partitions.write().unwrap_or_else(PoisonError::into_inner) = topics.map(of).collect();
        Ok(())
    }

    /// Asks the cluster where waiting holds up nobody.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, LogError> {
        let reader = self.reader.clone();
        match super::embedded::blocking(move || question(&reader)).await? {
            Ok(answer) => {
                self.link.answers();
                Ok(answer)
            }
            Err(error) => Err(self.link.unreachable(&error)),
        }
    }

    /// Lets go of the cluster.
    pub fn close(&self) {
        self.reader.close();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("options", &self.options).finish_non_exhaustive()
    }
}
