//! What is served: one entry for each API, and which of them begins a request.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use kafka_protocol::messages::ApiKey;

use super::call::{Answer, BadRequest, Call, encode};
use super::frame::RequestHeader;
use super::shape::{self, Field};
use super::{
    Broker, alter_configs, api_versions, create_partitions, create_topics, delete_groups, delete_records,
    delete_topics, describe_cluster, describe_configs, describe_groups, describe_log_dirs, fetch, find_coordinator,
    frame, heartbeat, init_producer_id, join_group, leave_group, list_groups, list_offsets, metadata, offset_commit,
    offset_delete, offset_fetch, offset_for_leader_epoch, produce, sasl, sync_group,
};
use crate::metrics::{self, KafkaApi};

/// An API as served here.
pub struct Api {
    pub key: ApiKey,
    pub versions: RangeInclusive<i16>,
    /// The version since which lengths are variable and structures have tagged fields.
    flexible_since: i16,
    fields: &'static [Field],
    /// Begins a request. What must happen in the order of requests has happened when this future ends; the rest is in the answer.
    start: fn(Call) -> BoxFuture<'static, Result<Answer, BadRequest>>,
}

/// Every API. The versions are those that were tried with clients.
pub const APIS: &[Api] = &[
    Api {
        key: ApiKey::Produce,
        versions: 3..=9,
        flexible_since: 9,
        fields: produce::FIELDS,
        start: |call| Box::pin(produce::start(call)),
    },
    Api {
        key: ApiKey::Fetch,
        versions: 4..=11,
        flexible_since: 12,
        fields: fetch::FIELDS,
        start: |call| Box::pin(async { call.answer(fetch::answer) }),
    },
    Api {
        key: ApiKey::ListOffsets,
        versions: 1..=7,
        flexible_since: 6,
        fields: list_offsets::FIELDS,
        start: |call| Box::pin(async { call.answer(list_offsets::answer) }),
    },
    Api {
        key: ApiKey::Metadata,
        versions: 1..=9,
        flexible_since: 9,
        fields: metadata::FIELDS,
        start: |call| Box::pin(async { call.answer(metadata::answer) }),
    },
    Api {
        key: ApiKey::SaslHandshake,
        versions: 0..=1,
        flexible_since: 2,
        fields: sasl::HANDSHAKE_FIELDS,
        start: |call| Box::pin(async { sasl::handshake(call) }),
    },
    Api {
        key: ApiKey::SaslAuthenticate,
        versions: 0..=2,
        flexible_since: 2,
        fields: sasl::AUTHENTICATE_FIELDS,
        start: |call| Box::pin(sasl::authenticate(call)),
    },
    Api {
        key: ApiKey::ApiVersions,
        versions: 0..=3,
        flexible_since: 3,
        fields: api_versions::FIELDS,
        start: |call| Box::pin(async { call.answer(api_versions::answer) }),
    },
    Api {
        key: ApiKey::CreateTopics,
        versions: 2..=6,
        flexible_since: 5,
        fields: create_topics::FIELDS,
        start: |call| Box::pin(async { call.answer(create_topics::answer) }),
    },
    Api {
        key: ApiKey::InitProducerId,
        versions: 0..=4,
        flexible_since: 2,
        fields: init_producer_id::FIELDS,
        start: |call| Box::pin(async { call.answer(init_producer_id::answer) }),
    },
    Api {
        key: ApiKey::DescribeConfigs,
        versions: 1..=4,
        flexible_since: 4,
        fields: describe_configs::FIELDS,
        start: |call| Box::pin(async { call.answer(describe_configs::answer) }),
    },
    Api {
        key: ApiKey::OffsetCommit,
        versions: 2..=8,
        flexible_since: 8,
        fields: offset_commit::FIELDS,
        start: |call| Box::pin(async { call.answer(offset_commit::answer) }),
    },
    Api {
        key: ApiKey::OffsetFetch,
        versions: 1..=8,
        flexible_since: 6,
        fields: offset_fetch::FIELDS,
        start: |call| Box::pin(async { call.answer(offset_fetch::answer) }),
    },
    Api {
        key: ApiKey::FindCoordinator,
        versions: 0..=4,
        flexible_since: 3,
        fields: find_coordinator::FIELDS,
        start: |call| Box::pin(async { call.answer(find_coordinator::answer) }),
    },
    Api {
        key: ApiKey::JoinGroup,
        versions: 2..=9,
        flexible_since: 6,
        fields: join_group::FIELDS,
        start: |call| Box::pin(async { join_group::start(call) }),
    },
    Api {
        key: ApiKey::Heartbeat,
        versions: 0..=4,
        flexible_since: 4,
        fields: heartbeat::FIELDS,
        start: |call| Box::pin(async { call.answer(heartbeat::answer) }),
    },
    Api {
        key: ApiKey::LeaveGroup,
        versions: 0..=5,
        flexible_since: 4,
        fields: leave_group::FIELDS,
        start: |call| Box::pin(async { call.answer(leave_group::answer) }),
    },
    Api {
        key: ApiKey::SyncGroup,
        versions: 0..=5,
        flexible_since: 4,
        fields: sync_group::FIELDS,
        start: |call| Box::pin(async { call.answer(sync_group::answer) }),
    },
    Api {
        key: ApiKey::DescribeGroups,
        versions: 0..=6,
        flexible_since: 5,
        fields: describe_groups::FIELDS,
        start: |call| Box::pin(async { call.answer(describe_groups::answer) }),
    },
    Api {
        key: ApiKey::ListGroups,
        versions: 0..=5,
        flexible_since: 3,
        fields: list_groups::FIELDS,
        start: |call| Box::pin(async { call.answer(list_groups::answer) }),
    },
    Api {
        key: ApiKey::DeleteGroups,
        versions: 0..=2,
        flexible_since: 2,
        fields: delete_groups::FIELDS,
        start: |call| Box::pin(async { call.answer(delete_groups::answer) }),
    },
    Api {
        key: ApiKey::OffsetDelete,
        versions: 0..=0,
        flexible_since: 1,
        fields: offset_delete::FIELDS,
        start: |call| Box::pin(async { call.answer(offset_delete::answer) }),
    },
    Api {
        key: ApiKey::DeleteTopics,
        versions: 1..=5,
        flexible_since: 4,
        fields: delete_topics::FIELDS,
        start: |call| Box::pin(async { call.answer(delete_topics::answer) }),
    },
    Api {
        key: ApiKey::DeleteRecords,
        versions: 0..=2,
        flexible_since: 2,
        fields: delete_records::FIELDS,
        start: |call| Box::pin(async { call.answer(delete_records::answer) }),
    },
    Api {
        key: ApiKey::CreatePartitions,
        versions: 0..=3,
        flexible_since: 2,
        fields: create_partitions::FIELDS,
        start: |call| Box::pin(async { call.answer(create_partitions::answer) }),
    },
    Api {
        key: ApiKey::AlterConfigs,
        versions: 0..=2,
        flexible_since: 2,
        fields: alter_configs::FIELDS,
        start: |call| Box::pin(async { call.answer(alter_configs::answer) }),
    },
    Api {
        key: ApiKey::IncrementalAlterConfigs,
        versions: 0..=1,
        flexible_since: 1,
        fields: alter_configs::INCREMENTAL_FIELDS,
        start: |call| Box::pin(async { call.answer(alter_configs::answer_incremental) }),
    },
    Api {
        key: ApiKey::DescribeCluster,
        versions: 0..=1,
        flexible_since: 0,
        fields: describe_cluster::FIELDS,
        start: |call| Box::pin(async { call.answer(describe_cluster::answer) }),
    },
    Api {
        key: ApiKey::DescribeLogDirs,
        versions: 1..=4,
        flexible_since: 2,
        fields: describe_log_dirs::FIELDS,
        start: |call| Box::pin(async { call.answer(describe_log_dirs::answer) }),
    },
    Api {
        key: ApiKey::OffsetForLeaderEpoch,
        versions: 2..=4,
        flexible_since: 4,
        fields: offset_for_leader_epoch::FIELDS,
        start: |call| Box::pin(async { call.answer(offset_for_leader_epoch::answer) }),
    },
];

/// Begins the request in a frame.
pub async fn start(broker: &Arc<Broker>, mut frame: Bytes) -> Result<Answer, BadRequest> {
    let header = frame::split_header(&mut frame);
    let RequestHeader { api_key, version, correlation_id } = header;
    let Some(api) = APIS.iter().find(|api| api.key as i16 == api_key) else {
        let name = ApiKey::try_from(api_key).map_or("unknown".to_string(), |key| format!("{key:?}"));
        return Err(format!("API {api_key} ({name}) is not served"));
    };
    if !broker.entry.allows(api.key) {
        return Err(format!("{:?} by a client that has not said who it is", api.key));
    }
    if !api.versions.contains(&version) {
        if api.key == ApiKey::ApiVersions {
            // A client from the future asks again once it knows what there is, and reads that in the oldest form.
            let response = encode(correlation_id, 0, &api_versions::too_new());
            return Ok(Box::pin(async { Some(response) }));
        }
        return Err(format!("{:?} version {version} is not served, {:?} are", api.key, api.versions));
    }
    metrics::doors().kafka_requests.get_or_create(&KafkaApi { api: format!("{:?}", api.key) }).inc();
    let flexible = version >= api.flexible_since;
    let client = frame::split_client(&mut frame, flexible)?;
    // Bytes that follow are left alone, as Kafka does: librdkafka leaves some behind where it asks for all topics.
    shape::measure(&frame, api.fields, version, flexible)?;
    (api.start)(Call { broker: broker.clone(), version, correlation_id, client, body: frame }).await
}
