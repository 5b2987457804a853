//! DescribeLogDirs: how much of the disk each partition takes, and how much of it is left.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use storage::{TopicPartition, disk_space};

use super::Broker;
use super::shape::{Field, array, fixed, plain, text};

/// Topics (name; partitions), null for all.
pub const FIELDS: &[Field] = &[array(0, &[text(0), plain(0, &fixed(0, 4))])];

const VERSION_WITH_SPACE: i16 = 4;

pub async fn answer(broker: Arc<Broker>, version: i16, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted: Vec<TopicPartition> = match request.topics {
        Some(topics) => {
            let named = topics.into_iter().flat_map(|topic| {
                let name: Arc<str> = topic.topic.as_str().into();
                topic.partitions.into_iter().map(move |partition| TopicPartition { topic: name.clone(), partition })
            });
            named.collect()
        }
        None => {
            let all = broker.log.topics().into_iter().flat_map(|topic| {
                (0..topic.partitions).map(move |partition| TopicPartition { topic: topic.name.clone(), partition })
            });
            all.collect()
        }
    };
    let mut topics: Vec<DescribeLogDirsTopic> = Vec::new();
    for id in wanted {
        // What is not there takes no room.
        let Ok(bytes) = broker.log.size(&id) else { continue };
        let partition =
            DescribeLogDirsPartition::default().with_partition_index(id.partition).with_partition_size(bytes as i64);
        match topics.last_mut().filter(|topic| topic.name.as_str() == &*id.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                let name = TopicName(StrBytes::from_string(id.topic.to_string()));
                topics.push(DescribeLogDirsTopic::default().with_name(name).with_partitions(vec![partition]));
            }
        }
    }
    let dir = broker.log.dir();
    let result = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(dir.display().to_string()))
        .with_topics(topics);
    let result = match disk_space(dir) {
        Ok(space) if version >= VERSION_WITH_SPACE => {
            result.with_total_bytes(space.total as i64).with_usable_bytes(space.free as i64)
        }
        Ok(_) => result,
        Err(_) => result.with_error_code(ResponseError::KafkaStorageError.code()),
    };
    DescribeLogDirsResponse::default().with_results(vec![result])
}
