//! ApiVersions: what is served, in which versions.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::Broker;
use super::api::APIS;
use super::shape::{Field, text};

/// The client's software and its version.
pub const FIELDS: &[Field] = &[text(3), text(3)];

pub async fn answer(_broker: Arc<Broker>, _version: i16, _request: ApiVersionsRequest) -> ApiVersionsResponse {
    served()
}

/// For a request in a version that is not served: says so, and what is.
pub fn too_new() -> ApiVersionsResponse {
    served().with_error_code(ResponseError::UnsupportedVersion.code())
}

fn served() -> ApiVersionsResponse {
    let version = |api: &super::api::Api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(*api.versions.start())
            .with_max_version(*api.versions.end())
    };
    ApiVersionsResponse::default().with_api_keys(APIS.iter().map(version).collect())
}
