//! Every bound of this crate, by name.

use std::num::NonZeroU16;
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
/// How long an HTTP client may take to agree on encryption, where there is any.
pub const HTTP_OPENING_TIMEOUT: Duration = Duration::from_secs(10);
/// Passwords of HTTP requests that are checked at a time.
pub const HTTP_PASSWORDS_AT_ONCE_MAX: usize = 2;
/// Bytes of one request with events.
pub const HTTP_EVENTS_BYTES_MAX: usize = 4 << 20;
/// Bytes of JSON that a message in CBOR may become, at any door.
pub const CBOR_JSON_BYTES_MAX: usize = 4 << 20;
/// Events in one request.
pub const HTTP_EVENTS_MAX: usize = 10_000;
/// Bytes of requests with events that are taken in and not yet answered, of all connections together; more wait to be read.
pub const HTTP_BODIES_BYTES_MAX: usize = 32 << 20;
/// How long a request's body may take to come in.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an Idempotency-Key.
pub const HTTP_KEY_BYTES_MAX: usize = 128;
/// Requests with an Idempotency-Key that are remembered, the last ones.
pub const HTTP_KEYS_MAX: usize = 10_000;

/// Bytes of one request with packets of a GEM.
pub const HTTP_GEM_BYTES_MAX: usize = 64 << 10;

/// Connections of GEMs at a time; one more is closed at once.
pub const GEM_CONNECTIONS_MAX: usize = 1_000;
/// How long a connection of a GEM may be silent: it sends at least every four minutes.
pub const GEM_IDLE_MAX: Duration = Duration::from_secs(600);
/// Bytes that are read from a GEM at a time.
pub const GEM_READ_BYTES: usize = 4 << 10;
/// How long to wait when a connection could not be accepted.
pub const GEM_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What may be refused of a connection, with nothing that is taken between, before it is ended.
pub const GEM_REFUSED_IN_A_ROW_MAX: usize = 20;
/// Packets that are refused and kept in quarantine, of all that a door refuses in a period.
pub const GEM_REFUSED_KEPT_MAX: usize = 100;
/// That period, in milliseconds.
pub const GEM_REFUSED_PERIOD_MS: i64 = 3_600_000;

/// How often bridges are looked for that are to be up.
pub const BRIDGES_PERIOD: Duration = Duration::from_secs(1);
/// How long to wait before a broker is tried again, at first and at most.
pub const BRIDGE_RETRY_MIN: Duration = Duration::from_secs(1);
pub const BRIDGE_RETRY_MAX: Duration = Duration::from_secs(60);
/// How long a broker may take to answer.
pub const BRIDGE_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection to a broker may be silent before it is asked whether it is there.
pub const BRIDGE_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Bytes of one packet from a broker or to it.
pub const BRIDGE_PACKET_BYTES_MAX: usize = 4 << 20;
/// Messages from a broker that are taken in and not kept yet; more wait there.
pub const BRIDGE_MESSAGES_MAX: usize = 32;
/// Messages to a broker that are not acknowledged.
pub const BRIDGE_IN_FLIGHT_MAX: u16 = 100;
/// Acknowledgements, and messages to a broker, that wait to be sent. A broker sends at most 65,535 messages without an acknowledgement
/// of the first: so who acknowledges never waits for who reads, who may wait for them.
pub const BRIDGE_REQUESTS_MAX: usize = 1 << 17;
/// Bytes that are shown of a message that is too large to be kept.
pub const BRIDGE_REFUSED_BYTES_MAX: usize = 1 << 10;
/// How long bridges may take to end when the node shuts down, before they are dropped.
pub const BRIDGE_GRACE: Duration = Duration::from_secs(3);
/// Rows of what a sink tells.
pub const SINK_ROWS_MAX: usize = 100_000;

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
/// Entities that a customer's page shows.
pub const HOME_ASSISTANT_SHOWN_ENTITIES_MAX: usize = 200;
/// Customers that an operator is shown.
pub const HOME_ASSISTANT_CUSTOMERS_MAX: usize = 1_000;
/// Credentials that a customer may have at a time.
pub const HOME_ASSISTANT_CREDENTIALS_MAX: usize = 5;
/// Pages at a time whose check renews itself.
pub const HOME_ASSISTANT_FOLLOWERS_MAX: usize = 64;
/// How often such a check looks whether something has changed that does not say so.
pub const HOME_ASSISTANT_CHECK_PERIOD: Duration = Duration::from_secs(1);
/// How long such a check waits for more after something has changed.
pub const HOME_ASSISTANT_CHECK_PAUSE: Duration = Duration::from_millis(100);

/// MQTT connections at a time, where the process may open as many files; one more is closed at once.
pub const MQTT_CONNECTIONS_MAX: usize = 12_000;
/// Open files that are left to everything but MQTT connections.
pub const MQTT_FILES_SPARED: u64 = 2_000;
/// MQTT connections that have not yet said who they are; more wait to be accepted.
pub const MQTT_ENTERING_MAX: usize = 256;
/// How long an MQTT client may take to say who it is, encryption included.
pub const MQTT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a client is introduced to the broker that has no time for it, since an earlier connection of the same client is just
/// ending, and how long to wait between.
pub const MQTT_INTRODUCTIONS_MAX: u32 = 5;
pub const MQTT_INTRODUCTION_PAUSE: Duration = Duration::from_millis(40);
/// Bytes of the packet in which an MQTT client says who it is, with its will.
pub const MQTT_CONNECT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a client id.
pub const MQTT_CLIENT_ID_BYTES_MAX: usize = 256;
/// Passwords that are checked at a time.
pub const MQTT_PASSWORDS_AT_ONCE_MAX: usize = 2;
/// Bytes of one MQTT packet.
pub const MQTT_PACKET_BYTES_MAX: usize = 256 << 10;
/// Bytes of a topic that is published to.
pub const MQTT_TOPIC_BYTES_MAX: usize = 256;
/// Levels of a filter of topics.
pub const MQTT_TOPIC_LEVELS_MAX: usize = 32;
/// Subscriptions of one client. A Home Assistant has two for each entity.
pub const MQTT_SUBSCRIPTIONS_MAX: usize = 1_000;
/// Short names for topics that a client may make up.
pub const MQTT_TOPIC_ALIASES_MAX: u16 = 32;
/// Messages to a client, and from it, that are not acknowledged.
pub const MQTT_IN_FLIGHT_MAX: NonZeroU16 = NonZeroU16::new(32).unwrap();
/// Messages that wait for a client; with more the oldest are dropped.
pub const MQTT_QUEUE_MAX: usize = 1_000;
/// Sessions, of clients that are there and of those that will come back.
pub const MQTT_SESSIONS_MAX: usize = 20_000;
/// How long a client of MQTT 3 may be away before its subscriptions are forgotten.
pub const MQTT_SESSION_EXPIRY: Duration = Duration::from_secs(2 * 3600);
/// How long a client of MQTT 5 may ask for.
pub const MQTT_SESSION_EXPIRY_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long a client may take to take a packet.
pub const MQTT_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Retained messages.
pub const MQTT_RETAINED_MAX: usize = 100_000;
/// Bytes of retained messages with their topics.
pub const MQTT_RETAINED_BYTES_MAX: usize = 64 << 20;
/// Bytes that are read from a connection at a time.
pub const MQTT_RELAY_BYTES: usize = 16 << 10;
/// Bytes that are read ahead of an MQTT connection over WebSocket.
pub const MQTT_WEBSOCKET_BUFFER_BYTES: usize = 4 << 10;
/// Bytes that a client may send in a second, over time.
pub const MQTT_BYTES_PER_SECOND: usize = 8 << 20;
/// Bytes that a client may send at once.
pub const MQTT_BURST_BYTES: usize = 8 << 20;
/// How long to wait when a connection could not be accepted.
pub const MQTT_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client that is told to go may take to hear it.
pub const MQTT_FAREWELL: Duration = Duration::from_secs(1);
/// How long connections may take to end when the node shuts down, before they are dropped.
pub const MQTT_SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Users whose last refusal is remembered, for those who ask why their client does not come in.
pub const MQTT_REFUSED_USERS_MAX: usize = 10_000;
/// Entities of Home Assistant that are counted for a client.
pub const MQTT_SHOWN_ENTITIES_MAX: usize = 10_000;
/// Subjects whose Home Assistant has come up and that are not told yet; one more is told when it says so again.
pub const MQTT_BIRTHS_MAX: usize = 64;
/// Messages of the node itself that wait for the broker.
pub const MQTT_SAID_MAX: usize = 256;
