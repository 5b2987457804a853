//! InitProducerId: a number for an idempotent producer. Transactions are refused.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use tracing::warn;

use super::shape::{Field, fixed, text};
use super::{Broker, error};

/// Transactional id; time-out; the id and epoch that the producer had.
pub const FIELDS: &[Field] = &[text(0), fixed(0, 4), fixed(3, 10)];

const NO_PRODUCER: ProducerId = ProducerId(-1);

pub async fn answer(broker: Arc<Broker>, _version: i16, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let failed = |code| {
        InitProducerIdResponse::default().with_error_code(code).with_producer_id(NO_PRODUCER).with_producer_epoch(-1)
    };
    if request.transactional_id.is_some() {
        warn!("transactions are not supported: produce without a transactional id");
        return failed(ResponseError::InvalidRequest.code());
    }
    match broker.log.producer_id().await {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(error) => failed(error::code(&error)),
    }
}
