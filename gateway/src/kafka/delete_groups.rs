//! DeleteGroups: groups without members go, with what they committed.

use std::sync::Arc;

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::Broker;
use super::shape::{Field, plain, text};

/// Groups.
pub const FIELDS: &[Field] = &[plain(0, &text(0))];

pub async fn answer(broker: Arc<Broker>, _version: i16, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for id in request.groups_names {
        let code = broker.groups.delete(&id).await.map_or_else(|refusal| refusal.code(), |()| 0);
        results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(code));
    }
    DeleteGroupsResponse::default().with_results(results)
}
