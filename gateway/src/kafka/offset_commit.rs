//! OffsetCommit: how far a group has read, durable when answered.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use storage::TopicPartition;
use storage::log::embedded::{Committed, OffsetChange};
use tracing::warn;

use super::groups::{Caller, unix_ms};
use super::shape::{Field, array, fixed, text};
use super::{Broker, error};
use crate::limits::KAFKA_OFFSET_METADATA_BYTES_MAX;

/// Group; generation; member; instance; how long to keep; topics (name; partitions (number; offset; epoch; metadata)).
pub const FIELDS: &[Field] = &[
    text(0),
    fixed(0, 4),
    text(0),
    text(7),
    fixed(2, 8).until(4),
    array(0, &[text(0), array(0, &[fixed(0, 4), fixed(0, 8), fixed(6, 4), text(0)])]),
];

pub async fn answer(broker: Arc<Broker>, _version: i16, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let caller = Caller {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(|instance| instance.to_string()),
    };
    let allowed = broker.groups.check_commit(&request.group_id, &caller, request.generation_id_or_member_epoch);
    let committed_ms = unix_ms();
    let mut changes = Vec::new();
    let mut codes = Vec::new();
    for topic in &request.topics {
        let partitions = broker.log.topic(&topic.name).map_or(0, |topic| topic.partitions);
        let name: Arc<str> = topic.name.as_str().into();
        for partition in &topic.partitions {
            let id = TopicPartition { topic: name.clone(), partition: partition.partition_index };
            codes.push(match allowed.and_then(|()| committed(partition, partitions, committed_ms)) {
                Ok(committed) => {
                    changes.push(OffsetChange {
                        group: request.group_id.to_string(),
                        partition: id,
                        committed: Some(committed),
                    });
                    0
                }
                Err(refused) => refused.code(),
            });
        }
    }
    let failed = broker.log.offsets().change(changes).await.err();
    if let Some(failed) = &failed {
        warn!(group = request.group_id.as_str(), error = %failed, "offsets not committed");
    }
    let mut codes = codes.into_iter().map(|code| match &failed {
        Some(failed) if code == 0 => error::code(failed),
        _ => code,
    });
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let response = |(partition, code): (&OffsetCommitRequestPartition, i16)| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        };
        let partitions = topic.partitions.iter().zip(&mut codes).map(response).collect();
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    OffsetCommitResponse::default().with_topics(topics)
}

fn committed(
    partition: &OffsetCommitRequestPartition,
    partitions: i32,
    committed_ms: i64,
) -> Result<Committed, ResponseError> {
    if !(0..partitions).contains(&partition.partition_index) {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let metadata = partition.committed_metadata.as_ref().map(|metadata| metadata.to_string()).unwrap_or_default();
    if metadata.len() > KAFKA_OFFSET_METADATA_BYTES_MAX {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    let offset = u64::try_from(partition.committed_offset).map_err(|_| ResponseError::OffsetOutOfRange)?;
    Ok(Committed { offset, leader_epoch: partition.committed_leader_epoch, metadata, committed_ms })
}
