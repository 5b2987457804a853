//! DescribeCluster: the one broker.

use std::sync::Arc;

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use super::Broker;
use super::metadata::{CLUSTER, NODE};
use super::shape::{Field, fixed};

/// Whether to say what the client may do; brokers or controllers.
pub const FIELDS: &[Field] = &[fixed(0, 1), fixed(1, 1)];

const VERSION_WITH_ENDPOINT: i16 = 1;

pub async fn answer(broker: Arc<Broker>, version: i16, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let this = DescribeClusterBroker::default()
        .with_broker_id(NODE)
        .with_host(broker.endpoint.host.clone())
        .with_port(broker.endpoint.port);
    let response = DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_static_str(CLUSTER))
        .with_controller_id(NODE)
        .with_brokers(vec![this]);
    if version >= VERSION_WITH_ENDPOINT { response.with_endpoint_type(request.endpoint_type) } else { response }
}
