//! Whether the cluster answers: heard from the clients' threads, told in the log when it changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::statistics::Statistics;

use super::producer::Delivery;
use crate::log::{LogError, TopicPartition};

/// What is known of the connection to a cluster.
#[derive(Debug)]
pub struct Link {
    brokers: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why it does not answer, while that is so.
    lost: Option<String>,
    /// The last complaint, in the client's words.
    complaint: Option<String>,
    /// Where partitions that are read end.
    ends: HashMap<(String, i32), u64>,
}

/// What clients call when something happens.
#[derive(Clone)]
pub struct Listener(pub Arc<Link>);

impl Link {
    pub fn new(brokers: &str) -> Link {
        Link { brokers: brokers.to_owned(), state: Mutex::default() }
    }

    /// Why the cluster does not answer, while that is so.
    pub fn lost(&self) -> Option<String> {
        let reason = self.state().lost.clone()?;
        Some(format!("the Kafka cluster at {} does not answer: {reason}", self.brokers))
    }

    /// Something has failed that only a cluster that does not answer makes fail.
    pub fn fails(&self, reason: &str) {
        let mut state = self.state();
        if state.lost.is_some() {
            return;
        }
        let reason = state.complaint.clone().unwrap_or_else(|| reason.to_owned());
        tracing::warn!(brokers = %self.brokers, %reason, "the Kafka cluster does not answer: nothing is acknowledged until it does");
        state.lost = Some(reason);
    }

    /// The cluster has answered.
    pub fn answers(&self) {
        let mut state = self.state();
        state.complaint = None;
        if state.lost.take().is_some() {
            tracing::info!(brokers = %self.brokers, "the Kafka cluster answers again");
        }
    }

    /// An error for whoever asked, with the last complaint where there is one.
    pub fn unreachable(&self, error: &KafkaError) -> LogError {
        let code = error.rdkafka_error_code();
        let reason = self.state().complaint.clone();
        let reason = reason.unwrap_or_else(|| code.map_or_else(|| error.to_string(), words));
        LogError::Unreachable { brokers: self.brokers.clone(), reason }
    }

    /// An error for whoever asked something that the cluster does not do.
    pub fn refused(&self, reason: impl Into<String>) -> LogError {
        LogError::ClusterRefused { brokers: self.brokers.clone(), reason: reason.into() }
    }

    /// Where a partition that is read ends, as far as known.
    pub fn end(&self, partition: &TopicPartition) -> u64 {
        let key = (partition.topic.to_string(), partition.partition);
        self.state().ends.get(&key).copied().unwrap_or(0)
    }

    fn complains(&self, words: &str) {
        self.state().complaint = Some(words.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// An error that concerns the whole client.
    pub fn hear(&self, code: RDKafkaErrorCode, reason: &str) {
        use RDKafkaErrorCode::{AllBrokersDown, Authentication, SSL, SaslAuthenticationFailed};
        match code {
            // It goes on trying, but a person must do something.
            Authentication | SaslAuthenticationFailed | SSL => {
                self.0.complains(reason);
                self.0.fails(reason);
            }
            AllBrokersDown => self.0.fails(reason),
            _ => tracing::debug!(%reason, "the Kafka client has failed at something and goes on"),
        }
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        // "[thrd:...]: host:port/id: what happened (after 0ms in state CONNECT)"
        let told = words.split_once("]: ").map_or(words, |(_, told)| told);
        match facility {
            // A consumer's setting, which a producer heeds too.
            "CONFWARN" => {}
            "FAIL" | "ERROR" => {
                self.0.complains(told);
                tracing::debug!("Kafka client: {told}");
            }
            _ if (level as i32) <= RDKafkaLogLevel::Warning as i32 => tracing::warn!("Kafka client: {told}"),
            _ => tracing::debug!("Kafka client: {told}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        if statistics.brokers.values().any(|broker| broker.state == "UP") {
            self.0.answers();
        }
        let mut ends = HashMap::new();
        for (topic, of_topic) in &statistics.topics {
            for (&number, partition) in &of_topic.partitions {
                if let Ok(end) = u64::try_from(partition.ls_offset) {
                    ends.insert((topic.clone(), number), end);
                }
            }
        }
        // Another client of this link knows of other partitions.
        self.0.state().ends.extend(ends);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.hear(code, reason);
        }
    }
}

impl ConsumerContext for Listener {}

impl ProducerContext for Listener {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        delivery.happened(&self.0, result);
    }
}

/// What a code means.
pub fn words(code: RDKafkaErrorCode) -> String {
    // "Local: Timed out" and "Broker: Unknown topic" say where it was noticed.
    let told = code.to_string();
    let told = told.rsplit_once(" (").map_or(told.as_str(), |(_, told)| told.trim_end_matches(')'));
    told.split_once(": ").map_or(told, |(_, told)| told).to_owned()
}
