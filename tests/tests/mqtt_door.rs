//! The MQTT door, spoken to by client libraries and by hand.

#[path = "mqtt_door/attacks.rs"]
mod attacks;
#[path = "mqtt_door/cbor.rs"]
mod cbor;
#[path = "mqtt_door/conformance.rs"]
mod conformance;
#[path = "mqtt_door/entering.rs"]
mod entering;
#[path = "mqtt_door/over_time.rs"]
mod over_time;
#[path = "mqtt_door/publishing.rs"]
mod publishing;
#[path = "mqtt_door/transports.rs"]
mod transports;
