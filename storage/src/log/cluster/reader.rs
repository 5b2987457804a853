//! Fetching: a thread reads ahead from where it was told, a bounded amount; whoever fetches takes what has come.
//!
//! Reading on from where the last fetch ended is the rule. Any other place, or other partitions, and the thread begins there.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, Listener};
use super::settings::ClusterOptions;
use crate::limits::{CLUSTER_FETCHED_BYTES_MAX, CLUSTER_FETCHED_RECORDS_MAX, CLUSTER_IDLE_POLL, CLUSTER_POLL};
use crate::log::{Fetched, LogError, Position, Record, TopicPartition};

/// What a record in the queue costs beside its bytes.
const RECORD_OVERHEAD_BYTES: usize = 128;

pub type Client = BaseConsumer<Listener>;

pub struct Reader {
    shared: Arc<Shared>,
    link: Arc<Link>,
    /// One fetch at a time.
    alone: tokio::sync::Mutex<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    client: Client,
    state: Mutex<State>,
    /// For the thread: there is room, or something else to do.
    told: Condvar,
    /// For whoever fetches.
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// Where to begin, until the thread has.
    wanted: Option<Vec<Position>>,
    /// How often it has begun somewhere; what comes from before that is dropped.
    beginnings: u64,
    queues: BTreeMap<TopicPartition, Queue>,
    bytes: usize,
    trouble: Option<RDKafkaErrorCode>,
    /// Which partition comes first next time.
    turn: usize,
    closing: bool,
}

/// Records of a partition that nobody has fetched so far.
struct Queue {
    /// Where the fetch reads on that these are for.
    next: u64,
    records: VecDeque<Record>,
}

/// Why nothing can be fetched.
pub enum Trouble {
    /// A position may be outside its partition.
    Range,
    /// A topic may be gone.
    Topic,
    Other(RDKafkaErrorCode),
}

impl Reader {
    pub fn new(options: &ClusterOptions, link: Arc<Link>) -> Result<Reader, LogError> {
        let made = options.consumer().create_with_context(Listener(link.clone()));
        let client: Client = made.map_err(|error: KafkaError| link.refused(error.to_string()))?;
        let shared = Arc::new(Shared {
            client,
            state: Mutex::new(State::default()),
            told: Condvar::new(),
            arrived: Notify::new(),
        });
        let thread = std::thread::Builder::new().name("log reader".into());
        let of_thread = shared.clone();
        let thread = thread.spawn(move || of_thread.run());
        let thread = thread.map_err(|error| link.refused(format!("no thread for its reader: {error}")))?;
        Ok(Reader { shared, link, alone: tokio::sync::Mutex::new(()), thread: Mutex::new(Some(thread)) })
    }

    /// The client, for questions.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Takes what has come from these positions on, waiting up to `wait` for the first record.
    pub async fn fetch(&self, from: &[Position], max_bytes: usize, wait: Duration) -> Result<Vec<Fetched>, Trouble> {
        let _alone = self.alone.lock().await;
        let deadline = Instant::now() + wait;
        self.shared.aim(from);
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let taken = self.shared.take(max_bytes, &self.link)?;
            if !taken.is_empty() || timeout_at(deadline, arrived).await.is_err() {
                return Ok(taken);
            }
        }
    }

    pub fn close(&self) {
        self.shared.state().closing = true;
        self.shared.told.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the log's reader had panicked");
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that records from these positions on come.
    fn aim(&self, from: &[Position]) {
        let mut state = self.state();
        let reads_on = |position: &Position| {
            state.queues.get(&position.partition).is_some_and(|queue| queue.next == position.offset)
        };
        if state.queues.len() != from.len() || !from.iter().all(reads_on) {
            state.begin(from.to_vec());
            self.told.notify_all();
        }
    }

    fn take(&self, max_bytes: usize, link: &Link) -> Result<Vec<Fetched>, Trouble> {
        let mut state = self.state();
        let fetched = state.take(max_bytes, link);
        if !fetched.is_empty() {
            self.told.notify_all();
            return Ok(fetched);
        }
        let Some(code) = state.trouble.take() else { return Ok(fetched) };
        // Whatever it was, the next fetch begins anew.
        state.queues.clear();
        use RDKafkaErrorCode::{
            AutoOffsetReset, LogTruncation, OffsetOutOfRange, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
        };
        Err(match code {
            AutoOffsetReset | OffsetOutOfRange | LogTruncation => Trouble::Range,
            UnknownPartition | UnknownTopic | UnknownTopicOrPartition => Trouble::Topic,
            code => Trouble::Other(code),
        })
    }

    fn run(&self) {
        let mut beginning = 0;
        while let Some(wanted) = self.next() {
            if let Some((now, wanted)) = wanted {
                beginning = now;
                if let Err(error) = self.client.assign(&list(&wanted)) {
                    self.file(beginning, Vec::new(), error.rdkafka_error_code());
                }
            }
            let (arrived, trouble) = self.poll();
            if !arrived.is_empty() || trouble.is_some() {
                self.file(beginning, arrived, trouble);
            }
        }
    }

    /// Waits for room, or for something to do; where to begin, if elsewhere. `None` at the end.
    fn next(&self) -> Option<Option<(u64, Vec<Position>)>> {
        let mut state = self.state();
        loop {
            if state.closing {
                return None;
            }
            if let Some(wanted) = state.wanted.take() {
                return Some(Some((state.beginnings, wanted)));
            }
            if state.bytes < CLUSTER_FETCHED_BYTES_MAX {
                return Some(None);
            }
            state = self.told.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What comes next, as much as is there.
    fn poll(&self) -> (Vec<(TopicPartition, Record)>, Option<RDKafkaErrorCode>) {
        let mut arrived: Vec<(TopicPartition, Record)> = Vec::new();
        let mut wait = if self.state().queues.is_empty() { CLUSTER_IDLE_POLL } else { CLUSTER_POLL };
        while arrived.len() < CLUSTER_FETCHED_RECORDS_MAX {
            match self.client.poll(wait) {
                Some(Ok(message)) => {
                    let same = arrived
                        .last()
                        .map(|(last, _)| last)
                        .filter(|last| *last.topic == *message.topic() && last.partition == message.partition());
                    let partition = same.cloned().unwrap_or_else(|| TopicPartition {
                        topic: message.topic().into(),
                        partition: message.partition(),
                    });
                    arrived.push((partition, record(&message)));
                }
                Some(Err(error)) => return (arrived, self.trouble(&error)),
                None => break,
            }
            wait = Duration::ZERO;
        }
        (arrived, None)
    }

    /// What an error means for those who fetch; nothing where the client gets over it by itself.
    fn trouble(&self, error: &KafkaError) -> Option<RDKafkaErrorCode> {
        use RDKafkaErrorCode as Code;
        let code = error.rdkafka_error_code()?;
        match code {
            Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => Some(code),
            Code::UnknownPartition | Code::UnknownTopic | Code::UnknownTopicOrPartition => Some(code),
            Code::TopicAuthorizationFailed | Code::Fatal => Some(code),
            _ => {
                self.client.context().hear(code, &super::link::words(code));
                None
            }
        }
    }

    /// Puts into the queues what came from the last beginning.
    fn file(&self, beginning: u64, arrived: Vec<(TopicPartition, Record)>, trouble: Option<RDKafkaErrorCode>) {
        let mut state = self.state();
        if state.beginnings != beginning {
            return;
        }
        for (partition, record) in arrived {
            let bytes = weight(&record);
            if let Some(queue) = state.queues.get_mut(&partition) {
                queue.records.push_back(record);
                state.bytes += bytes;
            }
        }
        if trouble.is_some() {
            state.trouble = trouble;
        }
        drop(state);
        self.arrived.notify_waiters();
    }
}

impl State {
    fn begin(&mut self, from: Vec<Position>) {
        let queue = |position: &Position| {
            (position.partition.clone(), Queue { next: position.offset, records: VecDeque::new() })
        };
        self.queues = from.iter().map(queue).collect();
        self.bytes = 0;
        self.trouble = None;
        self.beginnings += 1;
        self.wanted = Some(from);
    }

    fn take(&mut self, max_bytes: usize, link: &Link) -> Vec<Fetched> {
        let mut fetched = Vec::new();
        let mut left = max_bytes;
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % self.queues.len().max(1);
        // Whoever has much must not keep the others waiting for ever.
        let order: Vec<TopicPartition> =
            self.queues.keys().cycle().skip(first).take(self.queues.len()).cloned().collect();
        for partition in order {
            if left == 0 {
                break;
            }
            let queue = self.queues.get_mut(&partition).expect("it is of the queues");
            let mut records = Vec::new();
            while left > 0
                && let Some(record) = queue.records.pop_front()
            {
                let bytes = weight(&record);
                self.bytes -= bytes;
                left = left.saturating_sub(bytes);
                records.push(record);
            }
            let Some(last) = records.last() else { continue };
            queue.next = last.offset + 1;
            let (next, end) = (queue.next, link.end(&partition).max(queue.next + queue.records.len() as u64));
            fetched.push(Fetched { partition, records, next, end });
        }
        fetched
    }
}

fn list(positions: &[Position]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for Position { partition, offset } in positions {
        let offset = Offset::Offset(*offset as i64);
        list.add_partition_offset(&partition.topic, partition.partition, offset).expect("an offset is not negative");
    }
    list
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        offset: message.offset() as u64,
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: message.headers().map_or_else(Vec::new, headers),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
    }
}

fn headers(headers: &BorrowedHeaders) -> Vec<(String, Option<Bytes>)> {
    let read = |at| {
        // The binding panics over a name that is not UTF-8. Such a header says nothing to us, but anybody may send one.
        let header = catch_unwind(AssertUnwindSafe(|| headers.try_get(at))).ok().flatten()?;
        Some((header.key.to_owned(), header.value.map(Bytes::copy_from_slice)))
    };
    (0..headers.count()).filter_map(read).collect()
}

/// What a record counts for where bytes are bounded.
fn weight(record: &Record) -> usize {
    let headers: usize =
        record.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum();
    let (key, value) = (record.key.as_ref().map_or(0, Bytes::len), record.value.as_ref().map_or(0, Bytes::len));
    key + value + headers + RECORD_OVERHEAD_BYTES
}
