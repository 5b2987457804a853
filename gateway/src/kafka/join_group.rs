//! JoinGroup: a member takes part in a group, answered once the others have joined too.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::call::{Answer, BadRequest, Call};
use super::groups::{Join, JoinOutcome, Joined, JoinedMember};
use super::shape::{Field, array, blob, fixed, text};
use crate::limits::KAFKA_REBALANCE_TIMEOUTS;

/// Group; session's time-out; rebalance's time-out; member; instance; kind; protocols (name; metadata); why.
pub const FIELDS: &[Field] =
    &[text(0), fixed(0, 4), fixed(1, 4), text(0), text(5), text(0), array(0, &[text(0), blob(0)]), text(8)];

const NO_GENERATION: i32 = -1;
/// Since this version a new member joins a second time, with the id that it is given.
const VERSION_WITH_CONFIRMED_ID: i16 = 4;
const VERSION_WITH_KIND: i16 = 7;
const VERSION_WITH_SKIPPED_ASSIGNMENT: i16 = 9;

pub fn start(mut call: Call) -> Result<Answer, BadRequest> {
    let request: JoinGroupRequest = call.decode()?;
    let client_id = call.client_id();
    Ok(Box::pin(async move {
        let join = join_of(&request, call.version, client_id, format!("/{}", call.broker.peer.ip().to_canonical()));
        let waiting = call.broker.groups.join(&request.group_id, join);
        let outcome = call.broker.while_open(waiting).await.unwrap_or_else(|| {
            // Whoever asks again asks a node that is there.
            Err((ResponseError::NotCoordinator, request.member_id.to_string()))
        });
        Some(call.encode(&response(outcome, call.version)))
    }))
}

/// What the member says, in bytes of its own, since it is kept for as long as the member is there.
fn join_of(request: &JoinGroupRequest, version: i16, client_id: String, client_host: String) -> Join {
    let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let rebalance = KAFKA_REBALANCE_TIMEOUTS;
    let protocol =
        |protocol: &JoinGroupRequestProtocol| (protocol.name.to_string(), Bytes::copy_from_slice(&protocol.metadata));
    Join {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(|instance| instance.to_string()),
        client_id,
        client_host,
        session_timeout: millis(request.session_timeout_ms),
        rebalance_timeout: millis(request.rebalance_timeout_ms).clamp(*rebalance.start(), *rebalance.end()),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(protocol).collect(),
        confirms_id: version >= VERSION_WITH_CONFIRMED_ID,
        skips_assignment: version >= VERSION_WITH_SKIPPED_ASSIGNMENT,
    }
}

fn response(outcome: JoinOutcome, version: i16) -> JoinGroupResponse {
    let joined = match outcome {
        Ok(joined) => joined,
        Err((error, member_id)) => {
            let name = (version < VERSION_WITH_KIND).then(StrBytes::default);
            return JoinGroupResponse::default()
                .with_error_code(error.code())
                .with_generation_id(NO_GENERATION)
                .with_protocol_name(name)
                .with_member_id(StrBytes::from_string(member_id));
        }
    };
    let Joined { member_id, generation, protocol_type, protocol, leader, members, skip_assignment } = joined;
    let member = |member: JoinedMember| {
        let response = JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(member.member_id))
            .with_metadata(member.metadata);
        // Older members have no such names, and versions without them no room.
        match member.instance {
            Some(instance) if version >= 5 => response.with_group_instance_id(Some(StrBytes::from_string(instance))),
            _ => response,
        }
    };
    let kind = (version >= VERSION_WITH_KIND).then(|| StrBytes::from_string(protocol_type));
    JoinGroupResponse::default()
        .with_generation_id(generation)
        .with_protocol_type(kind)
        .with_protocol_name(Some(StrBytes::from_string(protocol)))
        .with_leader(StrBytes::from_string(leader))
        .with_skip_assignment(skip_assignment)
        .with_member_id(StrBytes::from_string(member_id))
        .with_members(members.into_iter().map(member).collect())
}
