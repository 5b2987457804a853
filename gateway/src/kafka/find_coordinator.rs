//! FindCoordinator: who looks after a group. The one node does.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::metadata::NODE;
use super::shape::{Field, fixed, plain, text};
use super::{Broker, Endpoint};

/// The group's name; what it is the name of; several names in place of one.
pub const FIELDS: &[Field] = &[text(0).until(3), fixed(1, 1), plain(4, &text(0))];

const GROUP: i8 = 0;
const NOBODY: BrokerId = BrokerId(-1);
const VERSION_WITH_WORDS: i16 = 1;
const VERSION_OF_SEVERAL: i16 = 4;

pub async fn answer(broker: Arc<Broker>, version: i16, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let Endpoint { host, port } = broker.endpoint.clone();
    let refused = StrBytes::from_static_str("transactions are not supported: only groups have a coordinator");
    let is_group = request.key_type == GROUP;
    if version >= VERSION_OF_SEVERAL {
        let coordinator = |key| {
            let coordinator = Coordinator::default().with_key(key);
            match is_group {
                true => coordinator.with_node_id(NODE).with_host(host.clone()).with_port(port),
                false => coordinator
                    .with_node_id(NOBODY)
                    .with_port(-1)
                    .with_error_code(ResponseError::InvalidRequest.code())
                    .with_error_message(Some(refused.clone())),
            }
        };
        let coordinators = request.coordinator_keys.into_iter().map(coordinator).collect();
        return FindCoordinatorResponse::default().with_coordinators(coordinators);
    }
    let response = FindCoordinatorResponse::default();
    if is_group {
        return response.with_node_id(NODE).with_host(host).with_port(port);
    }
    let response = response.with_node_id(NOBODY).with_port(-1).with_error_code(ResponseError::InvalidRequest.code());
    if version >= VERSION_WITH_WORDS { response.with_error_message(Some(refused)) } else { response }
}
