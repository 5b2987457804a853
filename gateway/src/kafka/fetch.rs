//! Fetch: durable record batches from given offsets on, waiting for them if there are none yet.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use storage::log::embedded::{Slice, Wanted};
use storage::{LogError, Position, TopicPartition};

use super::shape::{Field, array, fixed, plain, text};
use super::{Broker, error};
use crate::limits::{KAFKA_FETCH_BYTES_MAX, KAFKA_FETCH_WAIT_MAX};

/// Replica, wait, bytes at least and at most; isolation; session; topics (name; partitions); forgotten topics; rack.
pub const FIELDS: &[Field] = &[
    fixed(0, 16),
    fixed(4, 1),
    fixed(7, 8),
    array(0, &[text(0), array(0, &[fixed(0, 4), fixed(9, 4), fixed(0, 8), fixed(5, 8), fixed(0, 4)])]),
    array(7, &[text(0), plain(0, &fixed(0, 4))]),
    text(11),
];

pub async fn answer(broker: Arc<Broker>, _version: i16, request: FetchRequest) -> FetchResponse {
    if request.session_id != 0 {
        // No session is ever granted: each request names all that it wants.
        return FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code());
    }
    let wanted: Vec<Wanted> = request.topics.iter().flat_map(wanted_of).collect();
    let max_bytes = size(request.max_bytes).min(KAFKA_FETCH_BYTES_MAX);
    let min_bytes = size(request.min_bytes);
    let wait = Duration::from_millis(size(request.max_wait_ms) as u64).min(KAFKA_FETCH_WAIT_MAX);
    let slices = tokio::select! {
        slices = broker.log.fetch_raw(wanted.clone(), max_bytes, min_bytes, wait) => slices,
        () = broker.closing.cancelled() => broker.log.fetch_raw(wanted, max_bytes, 0, Duration::ZERO).await,
    };
    let mut slices = slices.into_iter();
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let partitions = topic.partitions.iter().zip(&mut slices).map(|(partition, slice)| data(partition, slice));
        let partitions = partitions.collect();
        responses.push(FetchableTopicResponse::default().with_topic(topic.topic).with_partitions(partitions));
    }
    FetchResponse::default().with_responses(responses)
}

fn wanted_of(topic: &FetchTopic) -> impl Iterator<Item = Wanted> {
    let name: Arc<str> = topic.topic.as_str().into();
    topic.partitions.iter().map(move |partition| Wanted {
        position: Position {
            partition: TopicPartition { topic: name.clone(), partition: partition.partition },
            // A negative offset is out of range like any other that is not in the log.
            offset: u64::try_from(partition.fetch_offset).unwrap_or(u64::MAX),
        },
        max_bytes: size(partition.partition_max_bytes),
    })
}

fn data(partition: &FetchPartition, slice: Result<Slice, LogError>) -> PartitionData {
    let response = PartitionData::default().with_partition_index(partition.partition);
    match slice {
        Ok(slice) => response
            .with_high_watermark(slice.end as i64)
            .with_last_stable_offset(slice.end as i64)
            .with_log_start_offset(slice.start as i64)
            .with_records(Some(slice.batches)),
        Err(error) => {
            let response = response.with_error_code(error::code(&error)).with_high_watermark(-1);
            match error {
                LogError::OutOfRange { start, end, .. } => {
                    response.with_high_watermark(end as i64).with_log_start_offset(start as i64)
                }
                _ => response,
            }
        }
    }
}

/// A size or a time; negative is none.
fn size(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
