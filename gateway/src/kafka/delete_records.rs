//! DeleteRecords: what is before an offset goes, durably. What a table has not read stays.

use std::sync::Arc;

use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use storage::{LogError, Position, TopicPartition};
use tracing::warn;

use super::shape::{Field, array, fixed, text};
use super::{Broker, error};

/// Topics (name; partitions (number; offset)); time to wait.
pub const FIELDS: &[Field] = &[array(0, &[text(0), array(0, &[fixed(0, 4), fixed(0, 8)])]), fixed(0, 4)];

/// In place of an offset: the end.
const ALL: i64 = -1;
/// In place of the start in the answer: nothing was done.
const NONE: i64 = -1;

pub async fn answer(broker: Arc<Broker>, _version: i16, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name: Arc<str> = topic.name.as_str().into();
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let id = TopicPartition { topic: name.clone(), partition: wanted.partition_index };
            let response = DeleteRecordsPartitionResult::default().with_partition_index(wanted.partition_index);
            partitions.push(match delete(&broker, &id, wanted.offset).await {
                Ok(start) => response.with_low_watermark(start as i64),
                Err(error) => {
                    // The answer has no room for words.
                    warn!(topic = %id.topic, partition = id.partition, %error, "records not deleted");
                    response.with_low_watermark(NONE).with_error_code(error::code(&error))
                }
            });
        }
        topics.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

async fn delete(broker: &Broker, id: &TopicPartition, offset: i64) -> Result<u64, LogError> {
    let (start, end) = broker.log.bounds(id).await?;
    let before = match offset {
        ALL => end,
        _ => u64::try_from(offset).map_err(|_| {
            let position = Position { partition: id.clone(), offset: u64::MAX };
            LogError::OutOfRange { position, start, end }
        })?,
    };
    broker.log.delete_records(id, before).await
}
