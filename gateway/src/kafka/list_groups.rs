//! ListGroups: every consumer group.

use std::sync::Arc;

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::Broker;
use super::groups::{Listed, State};
use super::shape::{Field, plain, text};

/// States and types wanted; none is all.
pub const FIELDS: &[Field] = &[plain(4, &text(0)), plain(5, &text(0))];

/// The protocol of groups in which a member leads; there are no others here.
const CLASSIC: &str = "classic";
const VERSION_WITH_STATE: i16 = 4;
const VERSION_WITH_TYPE: i16 = 5;

pub async fn answer(broker: Arc<Broker>, version: i16, request: ListGroupsRequest) -> ListGroupsResponse {
    let wanted = |filter: &[StrBytes], is: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(is))
    };
    let listed = |(id, group): (String, Listed)| {
        let state = state_name(group.state);
        if !wanted(&request.states_filter, state) || !wanted(&request.types_filter, CLASSIC) {
            return None;
        }
        let listed = ListedGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(id)))
            .with_protocol_type(StrBytes::from_string(group.protocol_type));
        let listed = match version >= VERSION_WITH_STATE {
            true => listed.with_group_state(StrBytes::from_static_str(state)),
            false => listed,
        };
        Some(match version >= VERSION_WITH_TYPE {
            true => listed.with_group_type(StrBytes::from_static_str(CLASSIC)),
            false => listed,
        })
    };
    ListGroupsResponse::default().with_groups(broker.groups.list().into_iter().filter_map(listed).collect())
}

/// What Kafka calls a state.
pub fn state_name(state: State) -> &'static str {
    match state {
        State::Empty => "Empty",
        State::PreparingRebalance => "PreparingRebalance",
        State::CompletingRebalance => "CompletingRebalance",
        State::Stable => "Stable",
    }
}
