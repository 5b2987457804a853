//! DeleteTopics: topics go with their records and what groups committed for them. One that feeds a table stays.

use std::sync::Arc;

use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use super::shape::{Field, fixed, plain, text};
use super::{Broker, error};

/// Topics; time to wait.
pub const FIELDS: &[Field] = &[plain(0, &text(0)), fixed(0, 4)];

const VERSION_WITH_WORDS: i16 = 5;

pub async fn answer(broker: Arc<Broker>, version: i16, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let mut responses = Vec::with_capacity(request.topic_names.len());
    for name in request.topic_names {
        let outcome = broker.log.delete_topic(&name).await;
        let response = DeletableTopicResult::default().with_name(Some(name));
        responses.push(match outcome {
            Ok(()) => response,
            Err(error) => {
                let response = response.with_error_code(error::code(&error));
                let has_words = version >= VERSION_WITH_WORDS;
                if has_words { response.with_error_message(error::words(&error)) } else { response }
            }
        });
    }
    DeleteTopicsResponse::default().with_responses(responses)
}
