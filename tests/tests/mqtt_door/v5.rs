//! What MQTT 5 says beside 3.1.1: properties by their numbers in the standard, and clients that come and go with them.

use tests::mqtt::{CONNACK, Client, Connect, packet, text};
use tests::mqtt_node::Node;

pub const PAYLOAD_FORMAT: u8 = 0x01;
pub const MESSAGE_EXPIRY: u8 = 0x02;
pub const CONTENT_TYPE: u8 = 0x03;
pub const RESPONSE_TOPIC: u8 = 0x08;
pub const CORRELATION: u8 = 0x09;
pub const SUBSCRIPTION_ID: u8 = 0x0b;
pub const SESSION_EXPIRY: u8 = 0x11;
pub const SERVER_KEEP_ALIVE: u8 = 0x13;
pub const WILL_DELAY: u8 = 0x18;
pub const PROBLEM_INFORMATION: u8 = 0x17;
pub const RESPONSE_INFORMATION: u8 = 0x1a;
pub const REASON: u8 = 0x1f;
pub const RECEIVE_MAXIMUM: u8 = 0x21;
pub const ALIAS_MAXIMUM: u8 = 0x22;
pub const ALIAS: u8 = 0x23;
pub const USER: u8 = 0x26;
pub const PACKET_MAXIMUM: u8 = 0x27;

/// Options of a subscription beside its quality of service.
pub const NO_LOCAL: u8 = 4;
pub const AS_PUBLISHED: u8 = 8;
pub const RETAINED_IF_NEW: u8 = 0x10;
pub const RETAINED_NEVER: u8 = 0x20;

/// A property of four bytes.
pub fn four(number: u8, value: u32) -> Vec<u8> {
    [&[number], &value.to_be_bytes()[..]].concat()
}

/// A property of two bytes.
pub fn two(number: u8, value: u16) -> Vec<u8> {
    [&[number], &value.to_be_bytes()[..]].concat()
}

/// A property that is a text.
pub fn word(number: u8, value: &str) -> Vec<u8> {
    [vec![number], text(value)].concat()
}

/// A property of the user's own.
pub fn said(name: &str, value: &str) -> Vec<u8> {
    [vec![USER], text(name), text(value)].concat()
}

/// A client whose session lasts for some seconds after its connection.
pub fn lasting(id: &str, seconds: u32) -> Connect {
    Connect::new(5, id).saying(&four(SESSION_EXPIRY, seconds))
}

/// Comes in; whether there was a session.
pub async fn enter(node: &Node, connect: &Connect) -> (Client, bool) {
    let (client, answer) = Client::ask(node.mqtt, connect).await;
    let answer = answer.unwrap();
    assert_eq!((answer.kind(), answer.body[1]), (CONNACK, 0), "{answer:?}");
    (client, answer.body[0] == 1)
}

/// Leaves by DISCONNECT with a reason and properties.
pub async fn leave(mut client: Client, reason: u8, properties: &[u8]) {
    let body = [&[reason, properties.len() as u8][..], properties].concat();
    client.send(&packet(0xe0, &body)).await.unwrap();
}
