//! Every bound of this crate, by name.

use std::time::Duration;

/// Kafka connections at a time; one more is closed at once.
pub const KAFKA_CONNECTIONS_MAX: usize = 256;
/// Bytes of one Kafka request.
pub const KAFKA_FRAME_BYTES_MAX: usize = 16 << 20;
/// Bytes of Kafka requests that are taken in and not yet answered, of all connections together; more wait to be read.
pub const KAFKA_FRAMES_BYTES_MAX: usize = 128 << 20;
/// How long a Kafka request may take to come in once it has begun.
pub const KAFKA_FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Elements of all arrays of one Kafka request.
pub const KAFKA_REQUEST_ELEMENTS_MAX: usize = 20_000;
/// Requests of one Kafka connection that are begun and not yet answered; more wait to be read.
pub const KAFKA_IN_FLIGHT_MAX: usize = 16;
/// How long a Kafka client may take to take an answer.
pub const KAFKA_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of records in one answer to a fetch, unless one batch is larger.
pub const KAFKA_FETCH_BYTES_MAX: usize = 16 << 20;
/// How long a fetch may wait for records.
pub const KAFKA_FETCH_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long to wait when a connection could not be accepted.
pub const KAFKA_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may take to end when the node shuts down, before they are dropped.
pub const KAFKA_SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
