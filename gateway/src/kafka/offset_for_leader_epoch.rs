//! OffsetForLeaderEpoch: where the records of an epoch of leadership end. The one node has led since the beginning.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use storage::TopicPartition;

use super::shape::{Field, array, fixed, text};
use super::{Broker, error};

/// Replica; topics (name; partitions (number; the leader's present epoch; the epoch asked for)).
pub const FIELDS: &[Field] = &[fixed(3, 4), array(0, &[text(0), array(0, &[fixed(0, 12)])])];

const EPOCH: i32 = 0;

pub async fn answer(
    broker: Arc<Broker>,
    _version: i16,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name: Arc<str> = topic.topic.as_str().into();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let id = TopicPartition { topic: name.clone(), partition: wanted.partition };
            let response = EpochEndOffset::default().with_partition(wanted.partition);
            partitions.push(match end_of(&broker, &id, &wanted).await {
                Ok(Some(end)) => response.with_leader_epoch(EPOCH).with_end_offset(end as i64),
                // Nothing was ever written in a later epoch: the defaults say so.
                Ok(None) => response,
                Err(code) => response.with_error_code(code),
            });
        }
        topics.push(OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions));
    }
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

async fn end_of(broker: &Broker, id: &TopicPartition, wanted: &OffsetForLeaderPartition) -> Result<Option<u64>, i16> {
    let (_, end) = broker.log.bounds(id).await.map_err(|error| error::code(&error))?;
    if wanted.current_leader_epoch > EPOCH {
        return Err(ResponseError::UnknownLeaderEpoch.code());
    }
    Ok((wanted.leader_epoch == EPOCH).then_some(end))
}
