//! The doors: how clients reach the database over the network. They decide nothing about data.
//!
//! [`kafka`] speaks Kafka's protocol to producers and consumers of the log.

pub mod kafka;
pub mod limits;
