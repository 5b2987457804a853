//! What goes through the doors, counted. A process has one node, so its counters are the process's.

use std::sync::LazyLock;
use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters of this process.
pub fn doors() -> &'static Doors {
    static DOORS: LazyLock<Doors> = LazyLock::new(Doors::default);
    &DOORS
}

/// Counters of all doors.
#[derive(Default)]
pub struct Doors {
    pub postgres_sessions: Gauge<i64, AtomicI64>,
    pub postgres_refused: Counter,
    pub postgres_statements: Counter,
    pub postgres_rows: Counter,
    pub postgres_errors: Family<Sqlstate, Counter>,
    pub http_requests: Family<Status, Counter>,
    pub http_events: Counter,
    pub gem_connections: Gauge<i64, AtomicI64>,
    pub gem_packets: Counter,
    pub gem_refused: Counter,
    pub kafka_connections: Gauge<i64, AtomicI64>,
    pub kafka_refused: Counter,
    pub kafka_requests: Family<KafkaApi, Counter>,
    pub mqtt_connections: Gauge<i64, AtomicI64>,
    pub mqtt_refused: Counter,
    pub mqtt_messages: Counter,
    pub mqtt_events: Counter,
}

/// The code of an error, as PostgreSQL defines them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Sqlstate {
    pub sqlstate: &'static str,
}

/// The status of an HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Status {
    pub status: u16,
}

/// A request of Kafka's protocol, by its name there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KafkaApi {
    pub api: String,
}

impl Doors {
    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let door = registry.sub_registry_with_prefix("caudal_door");
        door.register("postgres_sessions", "PostgreSQL sessions that are open", self.postgres_sessions.clone());
        door.register(
            "postgres_refused",
            "PostgreSQL connections refused because there were too many, or for a wrong user, password or database",
            self.postgres_refused.clone(),
        );
        door.register("postgres_statements", "Statements run over PostgreSQL", self.postgres_statements.clone());
        door.register("postgres_rows", "Rows sent over PostgreSQL", self.postgres_rows.clone());
        door.register("postgres_errors", "Statements that failed over PostgreSQL", self.postgres_errors.clone());
        door.register("http_requests", "HTTP requests answered", self.http_requests.clone());
        door.register("http_events", "Events for tables taken over HTTP", self.http_events.clone());
        door.register("gem_connections", "Connections of GEMs that are open", self.gem_connections.clone());
        door.register("gem_packets", "Packets of GEMs taken, over TCP and HTTP", self.gem_packets.clone());
        door.register(
            "gem_refused",
            "Packets of GEMs that were damaged or of a meter that is not known",
            self.gem_refused.clone(),
        );
        door.register("kafka_connections", "Kafka connections that are open", self.kafka_connections.clone());
        door.register(
            "kafka_refused",
            "Kafka connections refused because there were too many, for a wrong user or password, or without encryption",
            self.kafka_refused.clone(),
        );
        door.register("kafka_requests", "Kafka requests begun", self.kafka_requests.clone());
        door.register("mqtt_connections", "MQTT connections that are open", self.mqtt_connections.clone());
        door.register(
            "mqtt_refused",
            "MQTT connections refused because there were too many, for a wrong user or password, or without encryption",
            self.mqtt_refused.clone(),
        );
        door.register("mqtt_messages", "Messages published over MQTT", self.mqtt_messages.clone());
        door.register("mqtt_events", "Events for tables published over MQTT", self.mqtt_events.clone());
    }
}

/// One more of what a gauge counts, until it is dropped.
pub(crate) struct Counted(Gauge<i64, AtomicI64>);

impl Counted {
    pub(crate) fn new(gauge: &Gauge<i64, AtomicI64>) -> Counted {
        gauge.inc();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
