//! OffsetDelete: what a group committed for some partitions goes. Topics that its members read are refused.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequestPartition;
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{ConsumerProtocolSubscription, OffsetDeleteRequest, OffsetDeleteResponse};
use kafka_protocol::protocol::Decodable;
use storage::TopicPartition;

use super::Broker;
use super::error::code_of;
use super::groups::Group;
use super::shape::{self, Field, array, blob, fixed, plain, text};

/// Group; topics (name; partitions).
pub const FIELDS: &[Field] = &[text(0), array(0, &[text(0), array(0, &[fixed(0, 4)])])];

pub async fn answer(broker: Arc<Broker>, _version: i16, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut named = Vec::new();
    for topic in &request.topics {
        let name: Arc<str> = topic.name.as_str().into();
        let id = |partition: &OffsetDeleteRequestPartition| TopicPartition {
            topic: name.clone(),
            partition: partition.partition_index,
        };
        named.extend(topic.partitions.iter().map(id));
    }
    let outcomes = match broker.groups.delete_offsets(&request.group_id, &named, is_read).await {
        Ok(outcomes) => outcomes,
        Err(refusal) => return OffsetDeleteResponse::default().with_error_code(refusal.code()),
    };
    let mut outcomes = outcomes.into_iter();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let response = |(partition, outcome): (&OffsetDeleteRequestPartition, _)| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code_of(outcome))
        };
        let partitions = topic.partitions.iter().zip(&mut outcomes).map(response).collect();
        topics.push(OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    OffsetDeleteResponse::default().with_topics(topics)
}

/// Whether members of a group of consumers have subscribed to a topic.
fn is_read(group: &Group, topic: &str) -> bool {
    group.metadata_of_all().any(|metadata| subscribes(metadata, topic).unwrap_or(true))
}

/// Whether a consumer's subscription names a topic; `None` where it is none that is understood.
fn subscribes(metadata: &[u8], topic: &str) -> Option<bool> {
    // In every version the topics come first, as in the first one.
    const SUBSCRIPTION: &[Field] = &[plain(0, &text(0)), blob(0)];
    let (_version, subscription) = metadata.split_at_checked(2)?;
    shape::measure(subscription, SUBSCRIPTION, 0, false).ok()?;
    let subscription = ConsumerProtocolSubscription::decode(&mut Bytes::copy_from_slice(subscription), 0).ok()?;
    Some(subscription.topics.iter().any(|subscribed| **subscribed == *topic))
}
