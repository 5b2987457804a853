//! LeaveGroup: members go, so that the others need not wait until their sessions end.

use std::sync::Arc;

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::Broker;
use super::error::code_of;
use super::groups::Caller;
use super::shape::{Field, array, text};

/// Group; member; several members in place of one (member; instance; why).
pub const FIELDS: &[Field] = &[text(0), text(0).until(2), array(3, &[text(0), text(3), text(5)])];

const VERSION_OF_SEVERAL: i16 = 3;

pub async fn answer(broker: Arc<Broker>, version: i16, request: LeaveGroupRequest) -> LeaveGroupResponse {
    if version < VERSION_OF_SEVERAL {
        let caller = Caller { member_id: request.member_id.to_string(), instance: None };
        let outcome = broker.groups.leave(&request.group_id, &[caller]).and_then(|mut outcomes| outcomes.remove(0));
        return LeaveGroupResponse::default().with_error_code(code_of(outcome));
    }
    let caller = |member: &MemberIdentity| Caller {
        member_id: member.member_id.to_string(),
        instance: member.group_instance_id.as_ref().map(|instance| instance.to_string()),
    };
    let callers: Vec<Caller> = request.members.iter().map(caller).collect();
    match broker.groups.leave(&request.group_id, &callers) {
        Ok(outcomes) => {
            let response = |(member, outcome): (MemberIdentity, _)| {
                MemberResponse::default()
                    .with_member_id(member.member_id)
                    .with_group_instance_id(member.group_instance_id)
                    .with_error_code(code_of(outcome))
            };
            let members = request.members.into_iter().zip(outcomes).map(response).collect();
            LeaveGroupResponse::default().with_members(members)
        }
        Err(error) => LeaveGroupResponse::default().with_error_code(error.code()),
    }
}
