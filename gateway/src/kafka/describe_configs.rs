//! DescribeConfigs: the settings of topics. The broker has none that a client could need.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use storage::LogError;
use storage::log::embedded::Setting;

use super::shape::{Field, array, fixed, plain, text};
use super::{Broker, error};

/// Resources (kind; name; settings asked for); whether to add synonyms; whether to explain.
pub const FIELDS: &[Field] = &[array(0, &[fixed(0, 1), text(0), plain(0, &text(0))]), fixed(1, 1), fixed(3, 1)];

pub const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Who set a value: somebody for this topic, or nobody.
const SET_FOR_TOPIC: i8 = 1;
const SET_BY_DEFAULT: i8 = 5;

pub async fn answer(broker: Arc<Broker>, _version: i16, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let describe = |resource: DescribeConfigsResource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match resource.resource_type {
            TOPIC => match broker.log.topic(&resource.resource_name) {
                Some(topic) => result.with_configs(asked_for(&resource, topic.settings.list())),
                None => {
                    let unknown = LogError::UnknownTopic(resource.resource_name.to_string());
                    result.with_error_code(error::code(&unknown)).with_error_message(error::words(&unknown))
                }
            },
            BROKER => result,
            _ => result
                .with_error_code(ResponseError::InvalidRequest.code())
                .with_error_message(Some(StrBytes::from_static_str("only topics have settings"))),
        }
    };
    DescribeConfigsResponse::default().with_results(request.resources.into_iter().map(describe).collect())
}

fn asked_for(resource: &DescribeConfigsResource, settings: Vec<Setting>) -> Vec<DescribeConfigsResourceResult> {
    let asked = |setting: &Setting| match &resource.configuration_keys {
        Some(keys) => keys.iter().any(|key| &**key == setting.name),
        None => true,
    };
    settings.into_iter().filter(asked).map(described).collect()
}

fn described(setting: Setting) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(setting.name))
        .with_value(Some(StrBytes::from_string(setting.value)))
        .with_read_only(setting.is_fixed)
        .with_config_source(if setting.is_default { SET_BY_DEFAULT } else { SET_FOR_TOPIC })
}
