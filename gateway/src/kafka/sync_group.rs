//! SyncGroup: a member gets what it shall read, once the leader has said it.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::Broker;
use super::groups::{Caller, SyncWith};
use super::shape::{Field, array, blob, fixed, text};

/// Group; generation; member; instance; kind and protocol; assignments (member; assignment).
pub const FIELDS: &[Field] = &[text(0), fixed(0, 4), text(0), text(3), text(5), text(5), array(0, &[text(0), blob(0)])];

const VERSION_WITH_PROTOCOL: i16 = 5;

pub async fn answer(broker: Arc<Broker>, version: i16, request: SyncGroupRequest) -> SyncGroupResponse {
    let owned = |text: &StrBytes| text.to_string();
    let assignments = request.assignments.iter();
    let sync = SyncWith {
        member: Caller {
            member_id: request.member_id.to_string(),
            instance: request.group_instance_id.as_ref().map(owned),
        },
        generation: request.generation_id,
        protocol_type: request.protocol_type.as_ref().map(owned),
        protocol: request.protocol_name.as_ref().map(owned),
        assignments: assignments
            .map(|assigned| (assigned.member_id.to_string(), Bytes::copy_from_slice(&assigned.assignment)))
            .collect(),
    };
    let waiting = broker.groups.sync(&request.group_id, sync);
    match broker.while_open(waiting).await.unwrap_or(Err(ResponseError::NotCoordinator)) {
        Ok(synced) => {
            let response = SyncGroupResponse::default().with_assignment(synced.assignment);
            match version >= VERSION_WITH_PROTOCOL {
                true => response
                    .with_protocol_type(Some(StrBytes::from_string(synced.protocol_type)))
                    .with_protocol_name(Some(StrBytes::from_string(synced.protocol))),
                false => response,
            }
        }
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}
