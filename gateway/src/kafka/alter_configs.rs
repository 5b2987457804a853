//! AlterConfigs and IncrementalAlterConfigs: other settings for topics, durable when answered. The first gives all of them, the
//! second changes some.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;
use storage::LogError;
use storage::log::TopicSettings;

use super::describe_configs::TOPIC;
use super::shape::{Field, array, fixed, text};
use super::{Broker, error};

/// Resources (kind; name; settings (name; value)); whether only to check.
pub const FIELDS: &[Field] = &[array(0, &[fixed(0, 1), text(0), array(0, &[text(0), text(0)])]), fixed(0, 1)];

/// Resources (kind; name; settings (name; operation; value)); whether only to check.
pub const INCREMENTAL_FIELDS: &[Field] =
    &[array(0, &[fixed(0, 1), text(0), array(0, &[text(0), fixed(0, 1), text(0)])]), fixed(0, 1)];

/// What to do with a setting.
const SET: i8 = 0;
const DELETE: i8 = 1;

type Refused = (i16, Option<StrBytes>);

pub async fn answer(broker: Arc<Broker>, _version: i16, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let set = resource.configs.iter().filter_map(|config| Some((&*config.name, &**config.value.as_ref()?)));
        let parse = |_| TopicSettings::parse(set);
        let outcome = alter(&broker, resource.resource_type, &resource.resource_name, request.validate_only, parse);
        let (code, words) = outcome.await.err().unwrap_or_default();
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_error_code(code)
            .with_error_message(words);
        responses.push(response);
    }
    AlterConfigsResponse::default().with_responses(responses)
}

pub async fn answer_incremental(
    broker: Arc<Broker>,
    _version: i16,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let change = |settings| changed(settings, &resource);
        let outcome = alter(&broker, resource.resource_type, &resource.resource_name, request.validate_only, change);
        let (code, words) = outcome.await.err().unwrap_or_default();
        let response = IncrementalResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_error_code(code)
            .with_error_message(words);
        responses.push(response);
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn changed(mut settings: TopicSettings, resource: &AlterConfigsResource) -> Result<TopicSettings, LogError> {
    for config in &resource.configs {
        match (config.config_operation, &config.value) {
            (SET, Some(value)) => settings.set(&config.name, value)?,
            (DELETE, _) => settings.reset(&config.name)?,
            _ => {
                let reason = format!("{} is no list: it can be set or given its default", config.name.as_str());
                return Err(LogError::InvalidSetting(reason));
            }
        }
    }
    Ok(settings)
}

/// Gives a topic the settings that `change` makes of those it has.
async fn alter(
    broker: &Broker,
    kind: i8,
    name: &str,
    only_check: bool,
    change: impl FnOnce(TopicSettings) -> Result<TopicSettings, LogError>,
) -> Result<(), Refused> {
    if kind != TOPIC {
        let words = StrBytes::from_static_str("only topics have settings");
        return Err((ResponseError::InvalidRequest.code(), Some(words)));
    }
    let told = |error: LogError| (error::code(&error), error::words(&error));
    let topic = broker.log.topic(name).ok_or_else(|| told(LogError::UnknownTopic(name.to_string())))?;
    let settings = change(topic.settings).map_err(told)?;
    if only_check {
        return Ok(());
    }
    broker.log.alter_topic(name, settings).await.map_err(told)
}
