//! MQTT 5, statement by statement: flow control, how much at a time, how large, under which short names, how often.

use std::time::Duration;

use gateway::limits::MQTT_IN_FLIGHT_MAX;
use tests::mqtt::{Client, Connect, DISCONNECT, PINGRESP, PUBCOMP, PUBREC, PUBREL, Published, packet, text};
use tests::mqtt_node::node;

use super::v5::{ALIAS, ALIAS_MAXIMUM, PACKET_MAXIMUM, RECEIVE_MAXIMUM, enter, four, lasting, leave, two};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_no_more_at_a_time_than_it_asked_for() {
    let node = node().await;
    let (mut client, _) = enter(&node, &Connect::new(5, "slow").saying(&two(RECEIVE_MAXIMUM, 2))).await;
    client.subscribe(&["news"]).await;
    let mut reporter = node.client(5, "reporter").await;
    for at in 0..6 {
        reporter.tell("news", &at.to_string(), 1 + at % 2, false, &[]).await;
    }
    // 3.3.4-9, 4.9.0-1: two, and another for each that is done; 3.3.4-10: other packets go on meanwhile.
    let mut open = vec![client.message().await, client.message().await];
    client.quiet().await;
    assert_eq!(client.receive_within(Duration::from_millis(300)).await, None);
    for at in 2..8 {
        let done: Published = open.remove(0);
        assert_eq!(done.payload, (at - 2).to_string().as_bytes(), "4.6.0-5: in their order");
        if done.qos == 1 {
            client.acknowledge(&done).await;
        } else {
            client.send(&packet(0x50, &done.id.to_be_bytes())).await.unwrap();
            client.expect(PUBREL).await;
            client.quiet().await;
            client.send(&packet(0x70, &done.id.to_be_bytes())).await.unwrap();
        }
        if at < 6 {
            open.push(client.message().await);
        }
    }
    client.quiet().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sends_no_more_at_a_time_than_it_was_told() {
    let node = node().await;
    let (mut client, answer) = Client::ask(node.mqtt, &Connect::new(5, "fast")).await;
    let maximum = MQTT_IN_FLIGHT_MAX.get();
    assert!(answer.unwrap().properties_at(2).contains(&(RECEIVE_MAXIMUM, maximum.to_be_bytes().to_vec())));
    for _ in 0..maximum {
        client.send_publish("news", "x", 2).await.unwrap();
        client.expect(PUBREC).await;
    }
    // 4.9.0-2: the others are taken though there is no room.
    assert!(client.publish_bytes("news", "x", 0, 0, 0).len() > 4);
    client.send_publish("news", "x", 0).await.unwrap();
    client.quiet().await;
    // 3.3.4-7: one too many.
    client.send_publish("news", "x", 2).await.unwrap();
    assert_eq!(client.expect(DISCONNECT).await.body[0], 0x93, "receive maximum exceeded");
    assert_eq!(client.receive().await, None);
    node.stop().await;
}

/// Bytes of a payload with which a message about `news` has so many bytes at most, however long its header.
fn largest(packet: usize, qos: u8) -> usize {
    let (header, topic, id, properties) = (5, 2 + "news".len(), if qos > 0 { 2 } else { 0 }, 1);
    packet - header - topic - id - properties
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_no_packet_that_is_larger_than_it_asked_for() {
    let node = node().await;
    let (mut client, _) = enter(&node, &Connect::new(5, "small").saying(&four(PACKET_MAXIMUM, 60))).await;
    client.subscribe(&["news"]).await;
    let mut reporter = node.client(5, "reporter").await;
    for qos in [0, 1, 2] {
        // 3.1.2-24, 3.1.2-25: it is dropped, as if it had been sent.
        let fits = largest(60, qos);
        reporter.tell("news", &"x".repeat(fits + 4), qos, false, &[]).await;
        reporter.tell("news", &"y".repeat(fits), qos, false, &[]).await;
        let message = client.message().await;
        assert_eq!(message.payload, "y".repeat(fits).as_bytes(), "with quality of service {qos}");
        match qos {
            1 => client.acknowledge(&message).await,
            2 => {
                client.send(&packet(0x50, &message.id.to_be_bytes())).await.unwrap();
                client.expect(PUBREL).await;
                client.send(&packet(0x70, &message.id.to_be_bytes())).await.unwrap();
            }
            _ => {}
        }
    }
    client.quiet().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_get_short_names_as_far_as_the_client_knows_them() {
    let node = node().await;
    for (version, maximum) in [(5, 0), (5, 1), (5, 2), (4, 2)] {
        let mut reporter = node.client(version, "reporter").await;
        let connect = Connect::new(5, "short").saying(&two(ALIAS_MAXIMUM, maximum));
        let (mut client, _) = enter(&node, &connect).await;
        client.subscribe(&["news/+"]).await;
        let mut names = std::collections::HashMap::new();
        for at in [1, 2, 3, 1, 2, 3] {
            reporter.send_publish(&format!("news/{at}"), "x", 0).await.unwrap();
            let message = client.message().await;
            let alias = message.all(ALIAS).first().map(|alias| u16::from_be_bytes([alias[0], alias[1]]));
            // 3.1.2-26, 3.1.2-27.
            assert!(alias.is_none_or(|alias| (1..=maximum).contains(&alias)), "{message:?}");
            let topic = match (alias, message.topic.is_empty()) {
                (Some(alias), true) => names[&alias],
                (Some(alias), false) => *names.entry(alias).insert_entry(at).get(),
                (None, _) => message.topic.strip_prefix("news/").unwrap().parse().unwrap(),
            };
            assert_eq!(topic, at, "{message:?}");
        }
        leave(client, 0, &[]).await;
    }
    // 3.3.2-7: a client's short names are its connection's alone.
    let (mut client, _) = enter(&node, &lasting("naming", 100)).await;
    client.tell("news/1", "x", 1, false, &two(ALIAS, 1)).await;
    drop(client);
    let (mut client, _) = enter(&node, &lasting("naming", 100).again()).await;
    let id = client.id();
    let body = [&text("")[..], &id.to_be_bytes(), &[3], &two(ALIAS, 1), b"x"].concat();
    client.send(&packet(0x32, &body)).await.unwrap();
    assert_eq!(client.expect(DISCONNECT).await.body[0] & 0x80, 0x80);
    assert_eq!(client.receive().await, None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_is_once_however_often_it_is_sent() {
    let node = node().await;
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["news"]).await;
    let mut client = node.client(5, "sending").await;
    // 4.3.3-10: until PUBREL the same number is the same message.
    for flags in [0, 8, 8] {
        let bytes = client.publish_bytes("news", "once", 2, 5, flags);
        client.send(&bytes).await.unwrap();
        assert_eq!(client.expect(PUBREC).await.body[..2], [0, 5]);
    }
    client.send(&packet(0x62, &[0, 5])).await.unwrap();
    client.expect(PUBCOMP).await;
    client.tell("news", "next", 0, false, &[]).await;
    assert_eq!(listening.message().await.payload, b"once");
    assert_eq!(listening.message().await.payload, b"next");
    // 3.12.4-1, still.
    listening.send(&packet(0xc0, &[])).await.unwrap();
    listening.expect(PINGRESP).await;
    node.stop().await;
}

/// What the broker does otherwise and cannot be had to do from outside of it. When it fails, it has been mended: then it is a promise.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_says_of_what_is_sent_again_that_its_number_is_in_use() {
    let node = node().await;
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["news"]).await;
    // 4.3.3-10: a message that is sent again before its PUBREL is acknowledged as the first time. It is not delivered twice, but its
    // PUBREC says otherwise.
    let mut sending = node.client(5, "sending").await;
    let bytes = sending.publish_bytes("news", "twice", 2, 5, 0);
    sending.send(&bytes).await.unwrap();
    assert!(sending.expect(PUBREC).await.body.get(2).is_none_or(|reason| *reason == 0));
    sending.send(&bytes).await.unwrap();
    assert_eq!(sending.expect(PUBREC).await.body[..3], [0, 5, 0x91]);
    assert_eq!(listening.message().await.payload, b"twice");
    sending.tell("news", "marker", 0, false, &[]).await;
    assert_eq!(listening.message().await.payload, b"marker");
    node.stop().await;
}

/// What the broker does otherwise and cannot be had to do from outside of it. When it fails, it has been mended: then it is a promise.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_takes_a_header_for_longer_than_it_is() {
    let node = node().await;
    // 3.1.2-24: a message is dropped that would fit.
    let (mut small, _) = enter(&node, &Connect::new(5, "small").saying(&four(PACKET_MAXIMUM, 60))).await;
    small.subscribe(&["news"]).await;
    let mut reporter = node.client(5, "reporter").await;
    reporter.tell("news", &"x".repeat(largest(60, 0) + 3), 0, false, &[]).await;
    reporter.tell("news", "marker", 0, false, &[]).await;
    assert_eq!(small.message().await.payload, b"marker");
    node.stop().await;
}
