//! Every bound of this crate, by name.

use std::time::Duration;

/// PostgreSQL sessions at a time; one more is refused with 53300.
pub const POSTGRES_SESSIONS_MAX: usize = 100;
/// PostgreSQL connections that have not yet said who they are, cancel requests among them; more wait to be accepted.
pub const POSTGRES_STARTING_MAX: usize = 32;
/// How long a client may take to say who it is.
pub const POSTGRES_STARTUP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait when a connection could not be accepted.
pub const POSTGRES_ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long sessions may take to end when the node shuts down, before they are dropped.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Bytes of a message before authentication.
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// Bytes of a message: a statement's text, its parameters, a piece of COPY data.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Bytes that are read ahead while a statement runs, to notice that the client has gone.
pub const READ_AHEAD_BYTES: usize = 64 << 10;
/// Bytes to send that are gathered before the client must take them.
pub const SEND_BYTES: usize = 64 << 10;
/// Rows encoded at a time.
pub const ENCODE_ROWS: usize = 1024;

/// Prepared statements of a session.
pub const PREPARED_MAX: usize = 1000;
/// Portals of a session.
pub const PORTALS_MAX: usize = 100;

/// Rows of COPY handed over at a time.
pub const COPY_ROWS: usize = 1024;
/// Bytes of COPY data handed over at a time, unless one row is larger.
pub const COPY_BATCH_BYTES: usize = 1 << 20;
/// Bytes of one row of COPY data.
pub const COPY_ROW_BYTES_MAX: usize = 16 << 20;

/// HTTP connections at a time; more wait to be accepted.
pub const HTTP_CONNECTIONS_MAX: usize = 256;

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
