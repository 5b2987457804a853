//! Produce: record batches into the log, answered once they are durable.

use std::sync::Arc;

use futures::future::join_all;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use storage::log::embedded::{Pending, Produced};
use storage::{LogError, TopicPartition};
use tracing::warn;

use super::call::{Answer, BadRequest, Call};
use super::error;
use super::shape::{Field, array, blob, fixed, text};

/// Transactional id; acknowledgements and time-out; topics (name; partitions (number; batch)).
pub const FIELDS: &[Field] = &[text(3), fixed(0, 6), array(0, &[text(0), array(0, &[fixed(0, 4), blob(0)])])];

/// The client wants no answer. The records become durable all the same.
const ACKS_NONE: i16 = 0;
/// Leader or all replicas: the same where there is one node.
const ACKS_DURABLE: [i16; 2] = [1, -1];
const NO_OFFSET: i64 = -1;
/// Since this version there is room for words.
const VERSION_WITH_WORDS: i16 = 8;
const VERSION_WITH_START: i16 = 5;

/// A batch on its way.
struct Sent {
    partition: i32,
    pending: Result<Pending, Refused>,
}

struct Refused {
    code: i16,
    words: Option<StrBytes>,
}

/// Puts the batches into the log's queue, in the order of requests, and answers when they are durable.
pub async fn start(mut call: Call) -> Result<Answer, BadRequest> {
    let request: ProduceRequest = call.decode()?;
    let acks = request.acks;
    let refused = refusal(&request);
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let name: Arc<str> = topic.name.as_str().into();
        let mut sent = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let id = TopicPartition { topic: name.clone(), partition: data.index };
            let pending = match (refused, data.records) {
                (Some(code), _) => Err(Refused { code: code.code(), words: None }),
                (None, None) => Err(Refused::from(LogError::InvalidBatch("there is none".into()))),
                (None, Some(batch)) => call.broker.log.submit(&id, batch).await.map_err(Refused::from),
            };
            sent.push(Sent { partition: data.index, pending });
        }
        topics.push((topic.name, sent));
    }
    Ok(Box::pin(async move {
        let responses = join_all(topics.into_iter().map(|(name, sent)| finish_topic(name, sent, call.version))).await;
        let response = ProduceResponse::default().with_responses(responses);
        (acks != ACKS_NONE).then(|| call.encode(&response))
    }))
}

/// Why nothing in the request can be taken.
fn refusal(request: &ProduceRequest) -> Option<ResponseError> {
    if request.acks != ACKS_NONE && !ACKS_DURABLE.contains(&request.acks) {
        return Some(ResponseError::InvalidRequiredAcks);
    }
    request.transactional_id.is_some().then_some(ResponseError::InvalidRequest)
}

async fn finish_topic(name: TopicName, sent: Vec<Sent>, version: i16) -> TopicProduceResponse {
    let partitions = join_all(sent.into_iter().map(|sent| finish_partition(&name, sent, version))).await;
    TopicProduceResponse::default().with_name(name).with_partition_responses(partitions)
}

async fn finish_partition(topic: &TopicName, sent: Sent, version: i16) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(sent.partition);
    let outcome = match sent.pending {
        Ok(pending) => pending.await.map_err(Refused::from),
        Err(refused) => Err(refused),
    };
    match outcome {
        Ok(Produced { base_offset, start, .. }) => {
            let response = response.with_base_offset(base_offset as i64);
            if version >= VERSION_WITH_START { response.with_log_start_offset(start as i64) } else { response }
        }
        Err(Refused { code, words }) => {
            let told = words.as_deref().unwrap_or("the request is not supported");
            warn!(topic = topic.as_str(), partition = sent.partition, code, "batch refused: {told}");
            let response = response.with_error_code(code).with_base_offset(NO_OFFSET);
            if version >= VERSION_WITH_WORDS { response.with_error_message(words) } else { response }
        }
    }
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Refused {
        Refused { code: error::code(&error), words: error::words(&error) }
    }
}
