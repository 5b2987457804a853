//! Every bound of this crate, by name.

use std::ops::RangeInclusive;
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
/// Bytes of a Kafka request before it is known who asks.
pub const KAFKA_STRANGER_FRAME_BYTES_MAX: usize = 64 << 10;
/// How long a Kafka client may take to say who it is, encryption included.
pub const KAFKA_ENTRY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a Kafka client waits for the answer that its password is wrong.
pub const KAFKA_REFUSAL_DELAY: Duration = Duration::from_millis(100);
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
/// Consumer groups with members, or that had some; the one that has been empty for longest is forgotten first.
pub const KAFKA_GROUPS_MAX: usize = 1_000;
/// Members of all consumer groups together; one more is refused.
pub const KAFKA_GROUP_MEMBERS_MAX: usize = 1_000;
/// Bytes that a member of a group says of itself, or is assigned.
pub const KAFKA_GROUP_MEMBER_BYTES_MAX: usize = 256 << 10;
/// How long a member of a group may ask to be waited for when nothing is heard of it: Kafka's own bounds.
pub const KAFKA_SESSION_TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(6)..=Duration::from_secs(30 * 60);
/// How long a member of a group may ask for to join again, at least and at most.
pub const KAFKA_REBALANCE_TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// How long committed offsets are kept once nobody is in their group and nothing was committed.
pub const KAFKA_OFFSETS_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often groups and offsets are looked at for what is too old.
pub const KAFKA_GROUP_SWEEP_PERIOD: Duration = Duration::from_secs(600);
/// Bytes of the words that go with a committed offset, as in Kafka.
pub const KAFKA_OFFSET_METADATA_BYTES_MAX: usize = 4096;
/// How long to wait when a connection could not be accepted.
pub const KAFKA_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may take to end when the node shuts down, before they are dropped.
pub const KAFKA_SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// How often views are looked for that Home Assistant is shown.
pub const HOME_ASSISTANT_VIEWS_PERIOD: Duration = Duration::from_secs(1);
/// How long to wait before a view of entities that cannot be followed is tried again.
pub const HOME_ASSISTANT_RETRY: Duration = Duration::from_secs(10);
/// Entities of one view.
pub const HOME_ASSISTANT_ENTITIES_MAX: usize = 100_000;
