//! The doors: how clients reach the database over the network. They decide nothing about data.
//!
//! [`credentials`] says who may come in and which doors may be seen from outside; [`postgres`] speaks PostgreSQL's wire
//! protocol; [`kafka`] speaks Kafka's to producers and consumers of the log; [`mqtt`] takes what devices publish, and [`home_assistant`]
//! shows views to homes through it; [`gem`] takes the packets of Brultech's meters; [`http`] answers how the node
//! is; [`tls`] encrypts. [`bridge`] goes out by itself, to MQTT brokers of others. What comes in CBOR is made
//! JSON (`cbor`). [`metrics`] counts what goes through them.

pub mod bridge;
mod cbor;
pub mod credentials;
pub mod gem;
pub mod home_assistant;
pub mod http;
pub mod kafka;
pub mod limits;
pub mod metrics;
pub mod mqtt;
pub mod postgres;
pub mod tls;
