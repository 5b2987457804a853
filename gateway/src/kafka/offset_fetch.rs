//! OffsetFetch: how far groups have read.

use std::sync::Arc;

use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use storage::TopicPartition;
use storage::log::embedded::Committed;

use super::Broker;
use super::shape::{Field, array, fixed, plain, text};

/// Group; topics (name; partitions); several groups in place of one (group; topics); whether to wait for transactions.
pub const FIELDS: &[Field] = &[
    text(0).until(7),
    array(0, &[text(0), plain(0, &fixed(0, 4))]).until(7),
    array(8, &[text(0), array(0, &[text(0), plain(0, &fixed(0, 4))])]),
    fixed(7, 1),
];

/// In place of an offset and an epoch: nothing was committed.
const NONE: i64 = -1;
const NO_EPOCH: i32 = -1;
const VERSION_WITH_EPOCH: i16 = 5;
const VERSION_OF_SEVERAL: i16 = 8;

/// A topic's partitions with what was committed for each.
type OfTopic = (TopicName, Vec<(i32, Option<Committed>)>);

pub async fn answer(broker: Arc<Broker>, version: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if version < VERSION_OF_SEVERAL {
        let asked = |topic: OffsetFetchRequestTopic| (topic.name, topic.partition_indexes);
        let asked = request.topics.map(|topics| topics.into_iter().map(asked).collect());
        let topics = find(&broker, &request.group_id, asked);
        let topics = topics.into_iter().map(|topic| of_one(topic, version)).collect();
        return OffsetFetchResponse::default().with_topics(topics);
    }
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        let asked = |topic: OffsetFetchRequestTopics| (topic.name, topic.partition_indexes);
        let asked = group.topics.map(|topics| topics.into_iter().map(asked).collect());
        let topics = find(&broker, &group.group_id, asked).into_iter().map(of_several).collect();
        groups.push(OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics));
    }
    OffsetFetchResponse::default().with_groups(groups)
}

/// What a group committed, for the partitions asked for or for all.
fn find(broker: &Broker, group: &str, asked: Option<Vec<(TopicName, Vec<i32>)>>) -> Vec<OfTopic> {
    let mut committed = broker.log.offsets().of_group(group);
    let Some(asked) = asked else {
        let mut topics: Vec<OfTopic> = Vec::new();
        for (id, committed) in committed {
            let of = (id.partition, Some(committed));
            match topics.last_mut() {
                Some((name, partitions)) if ***name == *id.topic => partitions.push(of),
                _ => topics.push((TopicName(StrBytes::from_string(id.topic.to_string())), vec![of])),
            }
        }
        return topics;
    };
    let mut of_topic = |(name, partitions): (TopicName, Vec<i32>)| {
        let topic: Arc<str> = name.as_str().into();
        let mut of = |partition| (partition, committed.remove(&TopicPartition { topic: topic.clone(), partition }));
        let partitions = partitions.into_iter().map(&mut of).collect();
        (name, partitions)
    };
    asked.into_iter().map(&mut of_topic).collect()
}

fn of_one((name, partitions): OfTopic, version: i16) -> OffsetFetchResponseTopic {
    let partition = |(number, committed): (i32, Option<Committed>)| {
        let (offset, epoch, metadata) = parts(committed);
        let response = OffsetFetchResponsePartition::default()
            .with_partition_index(number)
            .with_committed_offset(offset)
            .with_metadata(Some(metadata));
        if version >= VERSION_WITH_EPOCH { response.with_committed_leader_epoch(epoch) } else { response }
    };
    OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.into_iter().map(partition).collect())
}

fn of_several((name, partitions): OfTopic) -> OffsetFetchResponseTopics {
    let partition = |(number, committed): (i32, Option<Committed>)| {
        let (offset, epoch, metadata) = parts(committed);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(number)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(Some(metadata))
    };
    OffsetFetchResponseTopics::default()
        .with_name(name)
        .with_partitions(partitions.into_iter().map(partition).collect())
}

fn parts(committed: Option<Committed>) -> (i64, i32, StrBytes) {
    match committed {
        Some(committed) => (committed.offset as i64, committed.leader_epoch, StrBytes::from_string(committed.metadata)),
        None => (NONE, NO_EPOCH, StrBytes::default()),
    }
}
