//! What the log's errors are called in Kafka's protocol.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use storage::LogError;

/// The code that makes a client do the right thing: send again, ask where, or give up.
pub fn code(error: &LogError) -> i16 {
    let kafka = match error {
        LogError::UnknownTopic(_) | LogError::UnknownPartition(_) => ResponseError::UnknownTopicOrPartition,
        LogError::FeedsTable(_) | LogError::Unread(_) => ResponseError::PolicyViolation,
        LogError::InvalidTopic(_) => ResponseError::InvalidTopicException,
        LogError::TopicExists(_) => ResponseError::TopicAlreadyExists,
        LogError::InvalidPartitions(_) => ResponseError::InvalidPartitions,
        LogError::InvalidSetting(_) => ResponseError::InvalidConfig,
        LogError::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
        LogError::InvalidBatch(_) => ResponseError::InvalidRecord,
        LogError::Checksum => ResponseError::CorruptMessage,
        LogError::TooLarge { .. } | LogError::EventTooLarge { .. } => ResponseError::MessageTooLarge,
        LogError::OutOfSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
        LogError::Fenced { .. } => ResponseError::InvalidProducerEpoch,
        // Of a cluster, which answers its clients itself.
        LogError::Unreachable { .. } | LogError::ClusterRefused { .. } => ResponseError::KafkaStorageError,
        LogError::Stopped(_) | LogError::Io { .. } | LogError::Refused { .. } => ResponseError::KafkaStorageError,
    };
    kafka.code()
}

/// The error in words, for those versions of an answer that have room for them.
pub fn words(error: &LogError) -> Option<StrBytes> {
    Some(StrBytes::from_string(error.to_string()))
}

/// The code of an outcome, 0 where all is well.
pub fn code_of(outcome: Result<(), ResponseError>) -> i16 {
    outcome.map_or_else(|error| error.code(), |()| 0)
}
