//! ListOffsets: where a partition begins and ends, which record is the first at or after a time, and which is the latest.

use std::sync::Arc;

use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use storage::{LogError, TopicPartition};

use super::shape::{Field, array, fixed, text};
use super::{Broker, error};

/// Replica; isolation; topics (name; partitions (number; leader epoch; time)).
pub const FIELDS: &[Field] =
    &[fixed(0, 4), fixed(2, 1), array(0, &[text(0), array(0, &[fixed(0, 4), fixed(4, 4), fixed(0, 8)])])];

/// In place of a time: the end, the start, the record that is the latest by its time.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// In place of an offset or a time in the answer: there is none.
const NONE: i64 = -1;

pub async fn answer(broker: Arc<Broker>, _version: i16, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name: Arc<str> = topic.name.as_str().into();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let id = TopicPartition { topic: name.clone(), partition: wanted.partition_index };
            let response = ListOffsetsPartitionResponse::default().with_partition_index(wanted.partition_index);
            partitions.push(match find(&broker, &id, wanted.timestamp).await {
                Ok((offset, timestamp_ms)) => response.with_offset(offset).with_timestamp(timestamp_ms),
                Err(error) => response.with_error_code(error::code(&error)).with_offset(NONE).with_timestamp(NONE),
            });
        }
        topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn find(broker: &Broker, id: &TopicPartition, timestamp_ms: i64) -> Result<(i64, i64), LogError> {
    let (start, end) = broker.log.bounds(id).await?;
    match timestamp_ms {
        LATEST => Ok((end as i64, NONE)),
        EARLIEST => Ok((start as i64, NONE)),
        MAX_TIMESTAMP => Ok(found(broker.log.latest_by_time(id).await?)),
        _ => Ok(found(broker.log.offset_for_time(id, timestamp_ms).await?)),
    }
}

fn found(record: Option<(u64, i64)>) -> (i64, i64) {
    record.map_or((NONE, NONE), |(offset, timestamp_ms)| (offset as i64, timestamp_ms))
}
