//! MQTT 5, statement by statement: what a server must do with what clients send, and with what they must not send.

use std::time::Duration;

use tests::mqtt::{
    CONNACK, Client, Connect, DISCONNECT, PINGRESP, PUBACK, PUBCOMP, PUBREC, Packet, SUBACK, UNSUBACK, packet, text,
};
use tests::mqtt_node::{Node, node};

/// What one client does and gets.
enum Step {
    Send(Vec<u8>),
    /// A packet of a kind, with this in its body.
    Get(u8, Vec<u8>),
    /// The end of the connection, with a DISCONNECT before it or without.
    Gone,
}
use Step::{Get, Gone, Send};

fn connect() -> Connect {
    Connect::new(5, "conformance")
}

/// A client that is in.
fn inside(mut steps: Vec<Step>) -> Vec<Step> {
    steps.splice(0..0, [Send(connect().bytes()), Get(CONNACK, vec![0, 0])]);
    steps
}

/// A CONNECT with properties.
fn said(properties: &[u8]) -> Step {
    Send(connect().saying(properties).bytes())
}

fn raw_connect(name: &str, version: u8, flags: u8, rest: &[u8]) -> Step {
    let mut body = text(name);
    body.extend([version, flags, 0, 60]);
    body.extend(rest);
    Send(packet(0x10, &body))
}

fn publish(first: u8, topic: impl AsRef<[u8]>, id: Option<u16>, properties: &[u8], payload: &[u8]) -> Step {
    let mut body = text(topic);
    body.extend(id.map(u16::to_be_bytes).into_iter().flatten());
    body.push(properties.len() as u8);
    body.extend(properties);
    body.extend(payload);
    Send(packet(first, &body))
}

fn subscribe(first: u8, filters: &[(&str, u8)]) -> Step {
    let mut body = vec![0, 9, 0];
    for (filter, options) in filters {
        body.extend(text(filter));
        body.push(*options);
    }
    Send(packet(first, &body))
}

/// Each with the number of the statement that it is about.
fn cases() -> Vec<(&'static str, Vec<Step>)> {
    let id = text("c");
    let one = |step: Step| inside(vec![step, Gone]);
    let with_empty_id = |flags| raw_connect("MQTT", 5, flags, &[0, 0, 0]);
    vec![
        ("3.1.0-1 the first packet is CONNECT", vec![Send(packet(0xc0, &[])), Gone]),
        ("3.1.0-2 there is one CONNECT", inside(vec![Send(connect().bytes()), Gone])),
        ("3.1.2-1 the protocol is MQTT", vec![raw_connect("MQTX", 5, 2, &[&[0], &id[..]].concat()), Gone]),
        (
            "3.1.2-2 an unknown version is told so",
            vec![raw_connect("MQTT", 6, 2, &[&[0], &id[..]].concat()), Get(CONNACK, vec![0, 0x84]), Gone],
        ),
        ("3.1.2-3 the reserved flag is 0", vec![raw_connect("MQTT", 5, 3, &[&[0], &id[..]].concat()), Gone]),
        (
            "3.1.2-12 a will has a quality of service",
            vec![raw_connect("MQTT", 5, 0x1e, &[&[0], &id[..], &[0, 0, 1, b't', 0, 0]].concat()), Gone],
        ),
        ("3.1.3-7 a client without id gets one", vec![with_empty_id(2), Get(CONNACK, vec![0x12, 0, 32])]),
        ("3.1.3-8 but has no session", vec![with_empty_id(0), Get(CONNACK, vec![0, 0x85]), Gone]),
        (
            "4.12.0-1 an unknown method of authentication is told so",
            vec![
                raw_connect("MQTT", 5, 2, &[&[8, 0x15, 0, 5], &b"magic"[..], &id].concat()),
                Get(CONNACK, vec![0, 0x8c]),
            ],
        ),
        ("4.12.0 AUTH without a method is an error", one(Send(packet(0xf0, &[])))),
        ("2.1.3-1 reserved flags of SUBSCRIBE", one(subscribe(0x80, &[("a", 0)]))),
        ("2.1.3-1 reserved flags of PUBREL", one(Send(packet(0x60, &[0, 1])))),
        ("3.8.3-2 SUBSCRIBE has a filter", one(subscribe(0x82, &[]))),
        ("3.2.2.3.13 shared subscriptions are not offered", vec![said(&[]), Get(CONNACK, vec![0x2a, 0])]),
        ("3.2.2-20 and are refused", inside(vec![subscribe(0x82, &[("$share/g/a", 0)]), Get(SUBACK, vec![0x9e])])),
        ("3.8.3-5 reserved options of a subscription", one(subscribe(0x82, &[("a", 0xc0)]))),
        ("3.8.3.1 a quality of service of 3", one(subscribe(0x82, &[("a", 3)]))),
        (
            "3.8.4-6 each filter is answered",
            inside(vec![subscribe(0x82, &[("a", 0), ("b/+", 1), ("#", 2)]), Get(SUBACK, vec![0, 1, 2])]),
        ),
        ("4.7.1-1 # is the last level", inside(vec![subscribe(0x82, &[("a/#/b", 0)]), Get(SUBACK, vec![0x8f])])),
        ("4.7.1-2 + is a level", inside(vec![subscribe(0x82, &[("a+", 0)]), Get(SUBACK, vec![0x8f])])),
        ("3.10.3-2 UNSUBSCRIBE has a filter", one(Send(packet(0xa2, &[0, 9, 0])))),
        (
            "3.10.4-4 UNSUBSCRIBE is answered",
            inside(vec![Send(packet(0xa2, &[0, 9, 0, 0, 1, b'a'])), Get(UNSUBACK, vec![0, 9])]),
        ),
        ("3.12.4-1 PINGREQ is answered", inside(vec![Send(packet(0xc0, &[])), Get(PINGRESP, vec![])])),
        ("3.3.1-2 QoS 0 is never a second time", one(publish(0x38, "a", None, &[], b"x"))),
        ("3.3.1-4 there is no QoS 3", one(publish(0x36, "a", Some(1), &[], b"x"))),
        ("2.2.1-3 numbers of packets are not 0", one(publish(0x32, "a", Some(0), &[], b"x"))),
        ("3.3.2-2 no wildcards where one publishes", one(publish(0x32, "a/+", Some(1), &[], b"x"))),
        ("3.3.2.1 a topic is not empty", one(publish(0x32, "", Some(1), &[], b"x"))),
        ("1.5.4-1 text is UTF-8", one(publish(0x32, [b'a', 0xff], Some(1), &[], b"x"))),
        ("1.5.4-2 text has no U+0000", one(publish(0x32, [b'a', 0], Some(1), &[], b"x"))),
        ("3.3.2-8 there is no alias 0", one(publish(0x32, "a", Some(1), &[0x23, 0, 0], b"x"))),
        ("3.3.2-9 an alias is within what was offered", one(publish(0x32, "a", Some(1), &[0x23, 0xff, 0xff], b"x"))),
        ("3.3.2 an alias that means nothing", one(publish(0x32, "", Some(1), &[0x23, 0, 1], b"x"))),
        (
            "3.3.2-12 an alias means its topic",
            inside(vec![
                publish(0x32, "a", Some(1), &[0x23, 0, 1], b"x"),
                Get(PUBACK, vec![0, 1]),
                publish(0x32, "", Some(2), &[0x23, 0, 1], b"x"),
                Get(PUBACK, vec![0, 2]),
            ]),
        ),
        (
            "4.3.3-8 QoS 2 to its end",
            inside(vec![
                publish(0x34, "a", Some(5), &[], b"x"),
                Get(PUBREC, vec![0, 5]),
                Send(packet(0x62, &[0, 5])),
                Get(PUBCOMP, vec![0, 5]),
            ]),
        ),
        ("3.3.4-6 a client says no number of a subscription", one(publish(0x32, "a", Some(1), &[0x0b, 1], b"x"))),
        (
            "3.3.2-14 one answers to no wildcards",
            one(publish(0x32, "a", Some(1), &[&[8, 0, 3], &b"b/+"[..]].concat(), b"x")),
        ),
        ("3.8.2.1.2 no subscription has the number 0", one(Send(packet(0x82, &[0, 9, 2, 0x0b, 0, 0, 1, b'a', 0])))),
        ("2.2.1-3 SUBSCRIBE has a number", one(Send(packet(0x82, &[0, 0, 0, 0, 1, b'a', 0])))),
        ("3.1.2.11.3 one takes at least one message", vec![said(&[0x21, 0, 0]), Gone]),
        ("3.1.2.11.4 a packet has at least one byte", vec![said(&[0x27, 0, 0, 0, 0]), Gone]),
        ("3.1.2.11.2 an interval is said once", vec![said(&[0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1]), Gone]),
        ("3.1.2.11.6 words are wanted or not", vec![said(&[0x17, 2]), Gone]),
        ("3.1.2.11.7 so is where to answer", vec![said(&[0x19, 2]), Gone]),
        ("3.1.2.11 each property has its packet", vec![said(&[0x0b, 1]), Gone]),
        ("3.3.2.3.2 a payload is text or not", one(publish(0x32, "a", Some(1), &[1, 2], b"x"))),
        ("3.14.2.1 a client leaves for one of its reasons", one(Send(packet(0xe0, &[0x01])))),
        ("1.5.5-1 a length of five bytes", one(Send(vec![0x30, 0x80, 0x80, 0x80, 0x80, 1]))),
        ("3.1.2-24 a packet that is larger than what was offered", one(Send(vec![0x30, 0xff, 0xff, 0xff, 0x7f]))),
        ("3.14.0-1 a server's packets are not a client's", one(Send(packet(0x20, &[0, 0, 0])))),
        ("2.1.2 there is no packet of kind 0", one(Send(packet(0, &[])))),
    ]
}

async fn run(node: &Node, steps: Vec<Step>) -> Result<(), String> {
    let stream = tokio::net::TcpStream::connect(node.mqtt).await.unwrap();
    let mut client = Client::over(stream, 5);
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            // Who is gone already is seen in the next step.
            Send(bytes) => drop(client.send(&bytes).await),
            Get(kind, within) => match client.receive_within(Duration::from_secs(5)).await {
                Some(got) if got.kind() == kind && has(&got, &within) => {}
                other => return Err(format!("step {at}: expected {kind} with {within:x?}, got {other:x?}")),
            },
            Gone => {
                let limit = Duration::from_secs(5);
                let told = tokio::time::timeout(limit, client.receive()).await;
                let ended = match told {
                    Ok(Some(told)) if told.kind() == DISCONNECT || is_refusal(&told) => {
                        tokio::time::timeout(limit, client.receive()).await == Ok(None)
                    }
                    Ok(None) => true,
                    _ => false,
                };
                if !ended {
                    return Err(format!("step {at}: the connection lives"));
                }
            }
        }
    }
    Ok(())
}

/// Whether an answer to CONNECT says that it is not taken.
fn is_refusal(packet: &Packet) -> bool {
    packet.kind() == CONNACK && packet.body[1] >= 0x80
}

fn has(packet: &Packet, within: &[u8]) -> bool {
    within.is_empty() || packet.body.windows(within.len()).any(|part| part == within)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_holds() {
    let node = node().await;
    let mut failed = Vec::new();
    for (statement, steps) in cases() {
        if let Err(why) = run(&node, steps).await {
            failed.push(format!("{statement}: {why}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    // Whatever was sent, the door is open.
    node.client(5, "after all").await;
    node.stop().await;
}
