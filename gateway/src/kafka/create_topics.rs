//! CreateTopics: topics with their number of partitions and settings, durable when answered.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use storage::log::TopicSettings;

use super::metadata::PARTITIONS_DEFAULT;
use super::shape::{Field, array, fixed, plain, text};
use super::{Broker, error};

/// Topics (name; partitions and replication; assignments; settings); time to wait; whether only to check.
pub const FIELDS: &[Field] = &[
    array(0, &[text(0), fixed(0, 6), array(0, &[fixed(0, 4), plain(0, &fixed(0, 4))]), array(0, &[text(0), text(0)])]),
    fixed(0, 5),
];

/// Asks for the node's own choice.
const DEFAULT: i32 = -1;
/// There is one node, so each record is kept once.
const REPLICATION: i16 = 1;

pub async fn answer(broker: Arc<Broker>, version: i16, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name = topic.name.clone();
        let result = CreatableTopicResult::default().with_name(name);
        topics.push(match create(&broker, topic, request.validate_only).await {
            Ok(partitions) if version >= 5 => {
                result.with_num_partitions(partitions).with_replication_factor(REPLICATION)
            }
            Ok(_) => result,
            Err((code, words)) => result.with_error_code(code).with_error_message(words),
        });
    }
    CreateTopicsResponse::default().with_topics(topics)
}

/// Makes one topic and returns its partitions.
async fn create(broker: &Broker, topic: CreatableTopic, only_check: bool) -> Result<i32, (i16, Option<StrBytes>)> {
    let refuse = |code: ResponseError, words| Err((code.code(), Some(StrBytes::from_static_str(words))));
    if !topic.assignments.is_empty() {
        let words = "there is one node: give a number of partitions instead of assignments";
        return refuse(ResponseError::InvalidReplicaAssignment, words);
    }
    if i32::from(topic.replication_factor) != DEFAULT && topic.replication_factor != REPLICATION {
        return refuse(ResponseError::InvalidReplicationFactor, "there is one node: the replication factor must be 1");
    }
    let partitions = if topic.num_partitions == DEFAULT { PARTITIONS_DEFAULT } else { topic.num_partitions };
    let told = |error| (error::code(&error), error::words(&error));
    let set = topic.configs.iter().filter_map(|config| Some((&*config.name, &**config.value.as_ref()?)));
    let settings = TopicSettings::parse(set).map_err(told)?;
    let done = if only_check {
        broker.log.check_topic(&topic.name, partitions)
    } else {
        broker.log.create_topic(&topic.name, partitions, settings).await
    };
    done.map(|()| partitions).map_err(told)
}
