//! Heartbeat: a member of a group is there, and learns whether it has to join again.

use std::sync::Arc;

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::Broker;
use super::error::code_of;
use super::groups::Caller;
use super::shape::{Field, fixed, text};

/// Group; generation; member; instance.
pub const FIELDS: &[Field] = &[text(0), fixed(0, 4), text(0), text(3)];

pub async fn answer(broker: Arc<Broker>, _version: i16, request: HeartbeatRequest) -> HeartbeatResponse {
    let caller = Caller {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(|instance| instance.to_string()),
    };
    let outcome = broker.groups.heartbeat(&request.group_id, &caller, request.generation_id);
    HeartbeatResponse::default().with_error_code(code_of(outcome))
}
