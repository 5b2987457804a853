//! CreatePartitions: refused with words. A key's events stay in one partition, in their order; with more partitions they would not.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use kafka_protocol::protocol::StrBytes;
use storage::LogError;

use super::shape::{Field, array, fixed, plain, text};
use super::{Broker, error};

/// Topics (name; partitions; assignments (brokers)); time to wait; whether only to check.
pub const FIELDS: &[Field] = &[array(0, &[text(0), fixed(0, 4), array(0, &[plain(0, &fixed(0, 4))])]), fixed(0, 5)];

pub async fn answer(broker: Arc<Broker>, _version: i16, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let results = request.topics.into_iter().map(|topic| refuse(&broker, topic)).collect();
    CreatePartitionsResponse::default().with_results(results)
}

fn refuse(broker: &Broker, asked: CreatePartitionsTopic) -> CreatePartitionsTopicResult {
    let response = CreatePartitionsTopicResult::default();
    let Some(topic) = broker.log.topic(&asked.name) else {
        let unknown = LogError::UnknownTopic(asked.name.to_string());
        return response
            .with_name(asked.name)
            .with_error_code(error::code(&unknown))
            .with_error_message(error::words(&unknown));
    };
    let words = format!(
        "topic {} has {} partitions and keeps them, since a key's events stay in one: make a new topic with {}",
        topic.name, topic.partitions, asked.count
    );
    response
        .with_name(asked.name)
        .with_error_code(ResponseError::InvalidPartitions.code())
        .with_error_message(Some(StrBytes::from_string(words)))
}
