//! Metadata: the one broker, its topics and their partitions. A topic that does not exist is made if the client allows it.

use std::sync::Arc;

use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use storage::LogError;
use storage::log::embedded::TopicInfo;

use super::shape::{Field, array, fixed, text};
use super::{Broker, error};

/// There is one node, and it leads everything.
pub const NODE: BrokerId = BrokerId(1);
/// What clients show as the name of the cluster.
pub const CLUSTER: &str = "caudal";
/// Partitions of a topic that is made because a client named it.
pub const PARTITIONS_DEFAULT: i32 = 1;

/// Topics; whether to make them; whether to say what the client may do with the cluster, with topics.
pub const FIELDS: &[Field] = &[array(0, &[text(0)]), fixed(4, 1), fixed(8, 2)];

pub async fn answer(broker: Arc<Broker>, _version: i16, request: MetadataRequest) -> MetadataResponse {
    let topics = match request.topics {
        None => broker.log.topics().iter().map(described).collect(),
        Some(named) => {
            let mut topics = Vec::with_capacity(named.len());
            for name in named.into_iter().filter_map(|topic| topic.name) {
                topics.push(match find(&broker, &name, request.allow_auto_topic_creation).await {
                    Ok(topic) => described(&topic),
                    Err(error) => {
                        MetadataResponseTopic::default().with_error_code(error::code(&error)).with_name(Some(name))
                    }
                });
            }
            topics
        }
    };
    let this = MetadataResponseBroker::default()
        .with_node_id(NODE)
        .with_host(broker.endpoint.host.clone())
        .with_port(broker.endpoint.port);
    MetadataResponse::default()
        .with_brokers(vec![this])
        .with_cluster_id(Some(StrBytes::from_static_str(CLUSTER)))
        .with_controller_id(NODE)
        .with_topics(topics)
}

async fn find(broker: &Broker, name: &str, create: bool) -> Result<TopicInfo, LogError> {
    if create {
        broker.log.ensure_topic(name, PARTITIONS_DEFAULT).await?;
    }
    broker.log.topic(name).ok_or_else(|| LogError::UnknownTopic(name.to_string()))
}

fn described(topic: &TopicInfo) -> MetadataResponseTopic {
    let partition = |number| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(NODE)
            .with_replica_nodes(vec![NODE])
            .with_isr_nodes(vec![NODE])
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.to_string()))))
        .with_partitions((0..topic.partitions).map(partition).collect())
}
