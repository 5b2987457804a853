//! Kafka's clients produce to the node and consume from it as from any Kafka.

#[path = "kafka_door/as_kafka.rs"]
mod as_kafka;
#[path = "kafka_door/entering.rs"]
mod entering;
#[path = "kafka_door/groups.rs"]
mod groups;
#[path = "kafka_door/harness.rs"]
mod harness;
#[path = "kafka_door/raw.rs"]
mod raw;
#[path = "kafka_door/records.rs"]
mod records;
#[path = "kafka_door/tools.rs"]
mod tools;
