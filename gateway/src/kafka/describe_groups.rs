//! DescribeGroups: groups with their members and what these read.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;

use super::Broker;
use super::groups::DescribedMember;
use super::list_groups::state_name;
use super::shape::{Field, fixed, plain, text};

/// Groups; whether to say what the client may do with them.
pub const FIELDS: &[Field] = &[plain(0, &text(0)), fixed(3, 1)];

/// What Kafka calls the state of a group that is not there.
const DEAD: &str = "Dead";
const VERSION_WITH_INSTANCE: i16 = 4;
const VERSION_WITH_UNKNOWN: i16 = 6;

pub async fn answer(broker: Arc<Broker>, version: i16, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|id| describe(&broker, version, id)).collect();
    DescribeGroupsResponse::default().with_groups(groups)
}

fn describe(broker: &Broker, version: i16, id: GroupId) -> DescribedGroup {
    let response = DescribedGroup::default().with_group_id(id.clone());
    let Some(group) = broker.groups.describe(&id) else {
        let response = response.with_group_state(StrBytes::from_static_str(DEAD));
        return match version >= VERSION_WITH_UNKNOWN {
            true => response
                .with_error_code(ResponseError::GroupIdNotFound.code())
                .with_error_message(Some(StrBytes::from_string(format!("Group {} not found.", id.as_str())))),
            false => response,
        };
    };
    response
        .with_group_state(StrBytes::from_static_str(state_name(group.state)))
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_protocol_data(StrBytes::from_string(group.protocol))
        .with_members(group.members.into_iter().map(|member| described(member, version)).collect())
}

fn described(member: DescribedMember, version: i16) -> DescribedGroupMember {
    let response = DescribedGroupMember::default()
        .with_member_id(StrBytes::from_string(member.member_id))
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment);
    match member.instance {
        Some(instance) if version >= VERSION_WITH_INSTANCE => {
            response.with_group_instance_id(Some(StrBytes::from_string(instance)))
        }
        _ => response,
    }
}
