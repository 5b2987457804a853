//! The MQTT door, spoken to by client libraries and by hand.

#[path = "mqtt_door/attacks.rs"]
mod attacks;
#[path = "mqtt_door/cbor.rs"]
mod cbor;
#[path = "mqtt_door/conformance.rs"]
mod conformance;
#[path = "mqtt_door/entering.rs"]
mod entering;
#[path = "mqtt_door/flow.rs"]
mod flow;
#[path = "mqtt_door/publishing.rs"]
mod publishing;
#[path = "mqtt_door/sessions.rs"]
mod sessions;
#[path = "mqtt_door/subscribing.rs"]
mod subscribing;
#[path = "mqtt_door/transports.rs"]
mod transports;
#[path = "mqtt_door/v5.rs"]
mod v5;
#[path = "mqtt_door/wills.rs"]
mod wills;
