//! What the promises in `tests/` share: generated histories with their model, real clients, whole nodes, and failing disks.

pub mod answer;
pub mod beside;
pub mod broker;
mod certificate;
pub mod chromium;
pub mod clients;
pub mod clocked;
pub mod customer_page;
pub mod fault;
pub mod http;
pub mod load;
pub mod mosquitto;
pub mod mqtt;
pub mod mqtt_node;
pub mod node;
pub mod oracle;
pub mod postgresql;
pub mod rumqttd;
pub mod server;
pub mod skipping;
pub mod tally;

pub use certificate::certificate;
pub use skipping::{skip, skip_what_cannot_be_had};
