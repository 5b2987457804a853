//! Appending: each event is a record, acknowledged once all replicas in sync have it.
//!
//! The client gathers records into batches, sends them again where an answer was lost, and numbers them so that the cluster
//! takes each once. What it could not bring home in [`CLUSTER_APPEND_MAX`] it gives up, and whoever appended is told.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ThreadedProducer};
use tokio::sync::{Semaphore, oneshot};

use super::link::{Link, Listener, words};
use super::settings::ClusterOptions;
use crate::limits::{CLUSTER_APPEND_MAX, WRITER_QUEUE_BYTES_MAX, WRITER_QUEUE_BYTES_PER_BATCH_MIN};
use crate::log::{Event, LogError, TopicPartition};

type Client = ThreadedProducer<Listener>;

pub struct Producer {
    options: ClusterOptions,
    link: Arc<Link>,
    client: RwLock<Arc<Client>>,
    /// The events of one append follow each other.
    turn: Mutex<()>,
    /// Bytes that may still be on their way.
    room: Semaphore,
}

/// One event of an append on its way.
pub struct Delivery {
    append: Arc<Append>,
    at: usize,
    bytes: usize,
    topic: Arc<str>,
}

/// An append of which some events are on their way.
struct Append {
    progress: Mutex<Progress>,
}

struct Progress {
    offsets: Vec<u64>,
    left: usize,
    /// The first thing that went wrong.
    failed: Option<LogError>,
    done: Option<oneshot::Sender<Result<Vec<u64>, LogError>>>,
}

impl Producer {
    pub fn new(options: ClusterOptions, link: Arc<Link>) -> Result<Producer, LogError> {
        let client = client(&options, &link)?;
        Ok(Producer {
            options,
            link,
            client: RwLock::new(Arc::new(client)),
            turn: Mutex::new(()),
            room: Semaphore::new(WRITER_QUEUE_BYTES_MAX),
        })
    }

    /// Sends the events to their partitions and returns the offset of each once all are acknowledged.
    pub async fn append(&self, events: &[Event], partitions: &[TopicPartition]) -> Result<Vec<u64>, LogError> {
        let counted = |event: &Event| size(event).max(WRITER_QUEUE_BYTES_PER_BATCH_MIN);
        let permits = events.iter().map(counted).sum::<usize>().min(WRITER_QUEUE_BYTES_MAX) as u32;
        let _room = self.room.acquire_many(permits).await.expect("the semaphore is never closed");
        let (done, answer) = oneshot::channel();
        let offsets = vec![0; events.len()];
        let progress = Progress { offsets, left: events.len(), failed: None, done: Some(done) };
        let append = Arc::new(Append { progress: Mutex::new(progress) });
        self.send(events, partitions, &append)?;
        answer.await.unwrap_or_else(|_| Err(LogError::Stopped("it is closed".into())))
    }

    fn send(&self, events: &[Event], partitions: &[TopicPartition], append: &Arc<Append>) -> Result<(), LogError> {
        let client = self.usable()?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, (event, partition)) in events.iter().zip(partitions).enumerate() {
            let delivery = Delivery { append: append.clone(), at, bytes: size(event), topic: event.topic.clone() };
            let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&event.topic, Box::new(delivery))
                .partition(partition.partition)
                .timestamp(event.timestamp_ms);
            record.key = event.key.as_deref();
            record.payload = event.value.as_deref();
            if !event.headers.is_empty() {
                record = record.headers(headers(event));
            }
            if let Err((error, record)) = client.send(record) {
                record.delivery_opaque.failed(&self.link, &error);
            }
        }
        Ok(())
    }

    /// The client; a new one where the old one can do nothing more.
    fn usable(&self) -> Result<Arc<Client>, LogError> {
        let current = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((_, reason)) = current.client().fatal_error() else { return Ok(current) };
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, &client) {
            tracing::warn!(%reason, "the Kafka client must begin anew");
            *client = Arc::new(self::client(&self.options, &self.link)?);
        }
        Ok(client.clone())
    }
}

impl Delivery {
    pub fn happened(self, link: &Link, result: &DeliveryResult<'_>) {
        match result {
            Ok(message) => {
                link.answers();
                self.append.note(self.at, Ok(message.offset() as u64));
            }
            Err((error, _)) => self.failed(link, error),
        }
    }

    fn failed(self, link: &Link, error: &KafkaError) {
        use RDKafkaErrorCode::{
            InvalidMessageSize, MessageSizeTooLarge, MessageTimedOut, UnknownPartition, UnknownTopic,
            UnknownTopicOrPartition,
        };
        let failed = match error.rdkafka_error_code() {
            Some(MessageTimedOut) => {
                let reason = format!("not acknowledged within {} s", CLUSTER_APPEND_MAX.as_secs());
                link.fails(&reason);
                link.unreachable(error)
            }
            Some(MessageSizeTooLarge | InvalidMessageSize) => {
                LogError::EventTooLarge { topic: self.topic.to_string(), bytes: self.bytes }
            }
            Some(UnknownTopic | UnknownTopicOrPartition | UnknownPartition) => {
                LogError::UnknownTopic(self.topic.to_string())
            }
            code => link.refused(code.map_or_else(|| error.to_string(), words)),
        };
        self.append.note(self.at, Err(failed));
    }
}

impl Append {
    fn note(&self, at: usize, outcome: Result<u64, LogError>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(offset) => progress.offsets[at] = offset,
            Err(error) => drop(progress.failed.get_or_insert(error)),
        }
        progress.left -= 1;
        if progress.left == 0
            && let Some(done) = progress.done.take()
        {
            let outcome = progress.failed.take().map_or_else(|| Ok(std::mem::take(&mut progress.offsets)), Err);
            // Whoever appended may have gone.
            let _ = done.send(outcome);
        }
    }
}

fn client(options: &ClusterOptions, link: &Arc<Link>) -> Result<Client, LogError> {
    let made = options.producer().create_with_context(Listener(link.clone()));
    made.map_err(|error: KafkaError| link.refused(error.to_string()))
}

fn headers(event: &Event) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(event.headers.len());
    for (key, value) in &event.headers {
        headers = headers.insert(Header { key, value: Some(&value[..]) });
    }
    headers
}

/// Bytes of an event, about as the cluster counts them.
pub fn size(event: &Event) -> usize {
    let headers: usize = event.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    event.key.as_ref().map_or(0, Bytes::len) + event.value.as_ref().map_or(0, Bytes::len) + headers
}
