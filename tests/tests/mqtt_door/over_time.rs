//! MQTT 5 over time and among clients, statement by statement: sessions, wills, flow control, what is promised to subscribers.

use std::time::{Duration, Instant};

use gateway::limits::MQTT_IN_FLIGHT_MAX;
use tests::mqtt::{
    CONNACK, Client, Connect, DISCONNECT, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Published, packet, text,
};
use tests::mqtt_node::{Node, node};

/// Properties, by their numbers in the standard.
const PAYLOAD_FORMAT: u8 = 0x01;
const MESSAGE_EXPIRY: u8 = 0x02;
const CONTENT_TYPE: u8 = 0x03;
const RESPONSE_TOPIC: u8 = 0x08;
const CORRELATION: u8 = 0x09;
const SUBSCRIPTION_ID: u8 = 0x0b;
const SESSION_EXPIRY: u8 = 0x11;
const SERVER_KEEP_ALIVE: u8 = 0x13;
const WILL_DELAY: u8 = 0x18;
const PROBLEM_INFORMATION: u8 = 0x17;
const RESPONSE_INFORMATION: u8 = 0x1a;
const REASON: u8 = 0x1f;
const RECEIVE_MAXIMUM: u8 = 0x21;
const ALIAS_MAXIMUM: u8 = 0x22;
const ALIAS: u8 = 0x23;
const USER: u8 = 0x26;
const PACKET_MAXIMUM: u8 = 0x27;

/// Options of a subscription beside its quality of service.
const NO_LOCAL: u8 = 4;
const AS_PUBLISHED: u8 = 8;
const RETAINED_IF_NEW: u8 = 0x10;
const RETAINED_NEVER: u8 = 0x20;

fn four(number: u8, value: u32) -> Vec<u8> {
    [&[number], &value.to_be_bytes()[..]].concat()
}

fn two(number: u8, value: u16) -> Vec<u8> {
    [&[number], &value.to_be_bytes()[..]].concat()
}

fn word(number: u8, value: &str) -> Vec<u8> {
    [vec![number], text(value)].concat()
}

fn said(name: &str, value: &str) -> Vec<u8> {
    [vec![USER], text(name), text(value)].concat()
}

/// A client whose session lasts for some seconds after its connection.
fn lasting(id: &str, seconds: u32) -> Connect {
    Connect::new(5, id).saying(&four(SESSION_EXPIRY, seconds))
}

/// Comes in; whether there was a session.
async fn enter(node: &Node, connect: &Connect) -> (Client, bool) {
    let (client, answer) = Client::ask(node.mqtt, connect).await;
    let answer = answer.unwrap();
    assert_eq!((answer.kind(), answer.body[1]), (CONNACK, 0), "{answer:?}");
    (client, answer.body[0] == 1)
}

/// Leaves by DISCONNECT with a reason and properties.
async fn leave(mut client: Client, reason: u8, properties: &[u8]) {
    let body = [&[reason, properties.len() as u8][..], properties].concat();
    client.send(&packet(0xe0, &body)).await.unwrap();
}

/// Whether a session is there after its client has left: by a DISCONNECT that says this, or without a word.
async fn is_kept(node: &Node, connect: &Connect, said: Option<&[u8]>) -> bool {
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["left"]).await;
    let (client, _) = enter(node, &connect.clone().with_will("left", "", 0, false)).await;
    match said {
        Some(properties) => leave(client, 4, properties).await,
        None => drop(client),
    }
    // The broker has seen the end.
    listening.message().await;
    enter(node, &Connect::new(5, &connect.client_id).again()).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lasts_as_long_as_it_was_asked_for() {
    let node = node().await;
    // 3.1.2-6, 3.2.2-3: without one there is a new one. 3.1.2-23, 3.1.2-5: it is kept, and is gone on with.
    let (mut client, present) = enter(&node, &lasting("stays", 100).again()).await;
    assert!(!present);
    client.subscribe(&["news"]).await;
    drop(client);
    node.client(5, "reporter").await.tell("news", "meanwhile", 1, false, &[]).await;
    let (mut client, present) = enter(&node, &lasting("stays", 100).again()).await;
    assert!(present);
    let message = client.message().await;
    assert_eq!(message.payload, b"meanwhile");
    client.acknowledge(&message).await;
    drop(client);
    // 3.1.2-4, 3.2.2-2: a clean start throws it away.
    let (mut client, present) = enter(&node, &lasting("stays", 100)).await;
    assert!(!present);
    node.client(5, "reporter").await.tell("news", "unheard", 1, false, &[]).await;
    client.subscribe(&["more"]).await;
    node.client(5, "reporter").await.tell("more", "heard", 1, false, &[]).await;
    assert_eq!(client.message().await.payload, b"heard", "subscriptions went with it");
    drop(client);
    // 3.14.2.2.2: DISCONNECT may say otherwise, but where the session was to end anyway.
    assert!(is_kept(&node, &lasting("a", 100), None).await);
    assert!(is_kept(&node, &lasting("b", 100), Some(&[])).await);
    assert!(is_kept(&node, &lasting("c", 1), Some(&four(SESSION_EXPIRY, 100))).await);
    assert!(!is_kept(&node, &lasting("d", 100), Some(&four(SESSION_EXPIRY, 0))).await);
    assert!(!is_kept(&node, &Connect::new(5, "e"), Some(&four(SESSION_EXPIRY, 100))).await);
    // 3.1.2.11.2: without an interval it ends with the connection; 4.1.0-2: with one, once that has passed.
    assert!(!is_kept(&node, &Connect::new(5, "f"), None).await);
    let (client, _) = enter(&node, &lasting("for a second", 1)).await;
    drop(client);
    let left = Instant::now();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (_, present) = enter(&node, &lasting("for a second", 1).again()).await;
    assert!(!present, "after {:?}", left.elapsed());
    // 3.2.2.3.2: more than the server keeps is answered with what it keeps.
    let (_, answer) = Client::ask(node.mqtt, &lasting("for ever", u32::MAX)).await;
    let kept = gateway::limits::MQTT_SESSION_EXPIRY_MAX.as_secs() as u32;
    assert!(answer.unwrap().properties_at(2).contains(&(SESSION_EXPIRY, kept.to_be_bytes().to_vec())));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_takes_over_and_the_other_is_told() {
    let node = node().await;
    let (mut first, _) = enter(&node, &lasting("one", 100)).await;
    first.subscribe(&["news"]).await;
    // 3.1.4-3.
    let (mut second, present) = enter(&node, &lasting("one", 100).again()).await;
    assert_eq!(first.expect(DISCONNECT).await.body[0], 0x8e, "session taken over");
    assert_eq!(first.receive().await, None);
    assert!(present);
    node.client(5, "reporter").await.tell("news", "x", 0, false, &[]).await;
    assert_eq!(second.message().await.payload, b"x");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_is_sent_again_on_return_and_only_then() {
    let node = node().await;
    let (mut client, _) = enter(&node, &lasting("stays", 100)).await;
    client.subscribe(&["news"]).await;
    let mut reporter = node.client(5, "reporter").await;
    reporter.tell("news", "one", 1, false, &[]).await;
    reporter.tell("news", "two", 2, false, &[]).await;
    let (one, two) = (client.message().await, client.message().await);
    assert_eq!((one.dup, one.qos, two.dup, two.qos), (false, 1, false, 2));
    // The second is received: what is left of it is its PUBREL.
    client.send(&packet(0x50, &two.id.to_be_bytes())).await.unwrap();
    assert_eq!(client.expect(PUBREL).await.body[..2], two.id.to_be_bytes());
    drop(client);
    // 4.4.0-1, with the numbers that they had.
    let (mut client, _) = enter(&node, &lasting("stays", 100).again()).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let packet = client.receive().await.unwrap();
        match packet.kind() {
            PUBLISH => {
                let again = packet.published();
                assert_eq!((again.dup, again.id, &again.payload[..]), (true, one.id, &b"one"[..]));
                client.acknowledge(&again).await;
            }
            PUBREL => client.send(&tests::mqtt::packet(0x70, &two.id.to_be_bytes())).await.unwrap(),
            _ => panic!("{packet:?}"),
        }
        seen.push(packet.kind());
    }
    seen.sort_unstable();
    assert_eq!(seen, [PUBLISH, PUBREL]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_is_published_when_it_is_due() {
    let node = node().await;
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["wills/#"]).await;
    let will = |id: &str, delay_s: u32, session_s: u32| {
        let mut connect = lasting(id, session_s).with_will(&format!("wills/{id}"), "gone", 1, false);
        connect.will_properties = four(WILL_DELAY, delay_s);
        connect
    };
    // 3.14.4-3: not after a DISCONNECT that says that all is well.
    leave(enter(&node, &will("polite", 0, 0)).await.0, 0, &[]).await;
    // 3.1.2-8: at once where there is no delay, and where the session ends before it.
    for connect in [will("at once", 0, 100), will("no session", 100, 0), will("short session", 100, 1)] {
        drop(enter(&node, &connect).await);
        assert_eq!(listening.message().await.topic, format!("wills/{}", connect.client_id));
    }
    // After its delay.
    drop(enter(&node, &will("late", 1, 100)).await);
    let left = Instant::now();
    assert_eq!(listening.message().await.topic, "wills/late");
    assert!(left.elapsed() >= Duration::from_millis(900), "{:?}", left.elapsed());
    // 3.1.3-9: not where the client is back before it.
    drop(enter(&node, &will("back", 1, 100)).await);
    let (back, present) = enter(&node, &lasting("back", 100).again()).await;
    assert!(present);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    // 3.1.2.5: DISCONNECT may ask for it.
    leave(enter(&node, &will("asked for", 0, 100)).await.0, 4, &[]).await;
    assert_eq!(listening.message().await.topic, "wills/asked for");
    drop(back);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_is_a_message_as_others() {
    let node = node().await;
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["wills/#"]).await;
    // 3.1.3-10, and its other properties; 3.1.2-14, 3.1.2-15.
    let properties =
        [vec![PAYLOAD_FORMAT, 1], word(CONTENT_TYPE, "text/plain"), said("b", "1"), said("a", "2"), said("b", "3")];
    for retain in [false, true] {
        let mut connect = Connect::new(5, "dying").with_will("wills/dying", "gone", 2, retain);
        connect.will_properties = properties.concat();
        drop(enter(&node, &connect).await);
        let will = listening.message().await;
        assert_eq!((will.qos, will.retain, will.payload.as_slice()), (2, false, &b"gone"[..]));
        assert_eq!((will.all(PAYLOAD_FORMAT), will.all(CONTENT_TYPE)), (vec![&[1][..]], vec![&text("text/plain")[..]]));
        let expected = [said("b", "1"), said("a", "2"), said("b", "3")];
        assert_eq!(will.all(USER), expected.iter().map(|said| &said[1..]).collect::<Vec<_>>());
        let mut later = node.client(5, "later").await;
        later.subscribe(&["wills/#"]).await;
        node.client(5, "reporter").await.tell("wills/marker", "x", 0, false, &[]).await;
        assert_eq!(later.message().await.retain, retain);
        assert_eq!(listening.message().await.topic, "wills/marker");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_heard_of_is_gone_after_one_and_a_half_times_its_keep_alive() {
    let node = node().await;
    for version in [4, 5] {
        let mut connect = Connect::new(version, "silent");
        connect.keep_alive_s = 2;
        let (mut client, answer) = Client::ask(node.mqtt, &connect).await;
        // 3.2.2-21: were it another one the client would be told.
        if version == 5 {
            let told = answer.unwrap().properties_at(2);
            assert!(told.iter().all(|(number, value)| *number != SERVER_KEEP_ALIVE || value[..] == [0, 2]), "{told:?}");
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        client.quiet().await;
        // 3.1.2-22.
        let heard = Instant::now();
        if version == 5 {
            assert_eq!(client.expect(DISCONNECT).await.body[0], 0x8d, "keep alive timeout");
        }
        assert_eq!(client.receive().await, None);
        let waited = heard.elapsed();
        assert!((Duration::from_millis(2900)..Duration::from_millis(4500)).contains(&waited), "{waited:?}");
    }
    node.stop().await;
}

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
async fn what_a_message_says_of_itself_arrives_as_it_was_said() {
    let node = node().await;
    let mut client = node.client(5, "listening").await;
    client.subscribe(&["news"]).await;
    let own = [
        vec![PAYLOAD_FORMAT, 1],
        word(CONTENT_TYPE, "text/plain"),
        word(RESPONSE_TOPIC, "answers"),
        word(CORRELATION, "\u{1}7"),
        said("b", "1"),
        said("a", "2"),
        said("b", "3"),
    ];
    node.client(5, "reporter").await.tell("news", "x", 1, false, &own.concat()).await;
    // 3.3.2-4, 3.3.2-15, 3.3.2-16, 3.3.2-17, 3.3.2-18, 3.3.2-20; and nothing that it does not say.
    let mut expected: Vec<_> = own.iter().map(|said| (said[0], said[1..].to_vec())).collect();
    let message = client.message().await;
    let mut got = message.properties.clone();
    assert_eq!(message.all(USER).len(), 3);
    let users =
        |properties: &[(u8, Vec<u8>)]| properties.iter().filter(|(at, _)| *at == USER).cloned().collect::<Vec<_>>();
    assert_eq!(users(&got), users(&expected), "in their order");
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    // 3.1.2-28: nobody asked where to answer.
    for asked in [0, 1] {
        let (_, answer) = Client::ask(node.mqtt, &Connect::new(5, "asking").saying(&[0x19, asked])).await;
        assert!(answer.unwrap().properties_at(2).iter().all(|(number, _)| *number != RESPONSE_INFORMATION));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_becomes_old() {
    let node = node().await;
    let (mut client, _) = enter(&node, &lasting("away", 100)).await;
    client.subscribe(&["news"]).await;
    drop(client);
    let mut reporter = node.client(5, "reporter").await;
    reporter.tell("news", "old", 1, false, &four(MESSAGE_EXPIRY, 1)).await;
    reporter.tell("news", "new", 1, false, &four(MESSAGE_EXPIRY, 100)).await;
    reporter.tell("news", "for ever", 1, false, &[]).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let (mut client, _) = enter(&node, &lasting("away", 100).again()).await;
    // 3.3.2-5: what is too old is not sent; 3.3.2-6: the rest says for how long it is still good.
    let new = client.message().await;
    let left = u32::from_be_bytes(new.all(MESSAGE_EXPIRY)[0].try_into().unwrap());
    assert!(new.payload == b"new" && (90..=98).contains(&left), "{new:?}");
    let other = client.message().await;
    assert_eq!((&other.payload[..], other.all(MESSAGE_EXPIRY)), (&b"for ever"[..], vec![]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_has_its_number_and_its_options() {
    let node = node().await;
    let mut reporter = node.client(5, "reporter").await;
    let mut client = node.client(5, "listening").await;
    let number = |value: u8| [SUBSCRIPTION_ID, value];
    // 3.3.4-3, 3.3.4-4, 3.3.4-5: a message says by which subscriptions it comes.
    client.subscribe_with("news/+", 1, &number(7)).await;
    client.subscribe_with("news/#", 1, &number(9)).await;
    client.subscribe_with("other", 1, &[]).await;
    reporter.tell("news/1", "x", 1, false, &[]).await;
    let mut numbers = Vec::new();
    while numbers.len() < 2 {
        let message = client.message().await;
        assert_eq!(message.qos, 1);
        numbers.extend(message.all(SUBSCRIPTION_ID).into_iter().map(<[u8]>::to_vec));
        client.acknowledge(&message).await;
    }
    numbers.sort();
    assert_eq!(numbers, [[7], [9]]);
    reporter.tell("other", "x", 0, false, &[]).await;
    assert_eq!(client.message().await.all(SUBSCRIPTION_ID), Vec::<&[u8]>::new());
    // 3.8.4-3: the same filter again replaces the subscription.
    client.subscribe_with("news/#", 0, &number(11)).await;
    client.send(&packet(0xa2, &[&[0, 77, 0][..], &text("news/+")].concat())).await.unwrap();
    client.expect(tests::mqtt::UNSUBACK).await;
    reporter.tell("news/1", "x", 1, false, &[]).await;
    let message = client.message().await;
    assert_eq!((message.qos, message.all(SUBSCRIPTION_ID)), (0, vec![&[11][..]]));
    // 3.8.3-3: not what it has said itself.
    client.subscribe_with("own", NO_LOCAL, &[]).await;
    client.tell("own", "mine", 1, false, &[]).await;
    reporter.tell("own", "another's", 1, false, &[]).await;
    assert_eq!(client.message().await.payload, b"another's");
    // 3.3.1-12, 3.3.1-13.
    for (options, retain) in [(0, false), (AS_PUBLISHED, true)] {
        client.subscribe_with("kept", options, &[]).await;
        reporter.tell("kept", "x", 1, true, &[]).await;
        let message = client.message().await;
        assert_eq!(message.retain, retain, "{message:?}");
        reporter.tell("kept", "", 1, true, &[]).await;
        assert_eq!(client.message().await.payload, b"");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retained_is_sent_as_the_subscription_says() {
    let node = node().await;
    let mut reporter = node.client(5, "reporter").await;
    reporter.tell("kept", "now", 1, true, &said("a", "1")).await;
    let mut client = node.client(5, "listening").await;
    // What comes before a message that is told afterwards.
    let told = async |client: &mut Client, reporter: &mut Client| {
        reporter.tell("kept", "marker", 0, false, &[]).await;
        let mut came = Vec::new();
        loop {
            let message = client.message().await;
            if message.payload == b"marker" {
                return came;
            }
            came.push((message.payload.clone(), message.retain, message.all(USER).len()));
        }
    };
    let retained = vec![(b"now".to_vec(), true, 1)];
    // 3.3.1-9, 3.3.1-10, 3.3.1-11.
    client.subscribe_with("kept", 0, &[]).await;
    assert_eq!(told(&mut client, &mut reporter).await, retained);
    client.subscribe_with("kept", 0, &[]).await;
    assert_eq!(told(&mut client, &mut reporter).await, retained, "3.8.4-4: again");
    client.subscribe_with("kept", RETAINED_IF_NEW, &[]).await;
    assert_eq!(told(&mut client, &mut reporter).await, []);
    let mut other = node.client(5, "other").await;
    other.subscribe_with("kept", RETAINED_IF_NEW, &[]).await;
    assert_eq!(told(&mut other, &mut reporter).await, retained);
    let mut never = node.client(5, "never").await;
    never.subscribe_with("kept", RETAINED_NEVER, &[]).await;
    assert_eq!(told(&mut never, &mut reporter).await, []);
    // 3.3.1-8: what is not retained replaces nothing; 3.3.1-6: an empty one takes it back.
    reporter.tell("kept", "", 1, true, &[]).await;
    let mut last = node.client(5, "last").await;
    last.subscribe_with("kept", 0, &[]).await;
    assert_eq!(told(&mut last, &mut reporter).await, []);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_no_words_gets_none() {
    let node = node().await;
    for words in [0, 1] {
        let connect = Connect::new(5, "terse").saying(&[PROBLEM_INFORMATION, words]);
        let (mut client, _) = enter(&node, &connect).await;
        // 3.1.2-29: refused, in words or without.
        let id = client.send_publish("$SYS/x", "x", 1).await.unwrap();
        let answer = client.expect(PUBACK).await;
        assert_eq!((&answer.body[..2], answer.body[2]), (&id.to_be_bytes()[..], 0x87));
        let properties = if answer.body.len() > 3 { answer.properties_at(3) } else { vec![] };
        assert_eq!(properties.iter().any(|(number, _)| *number == REASON), words == 1, "{answer:?}");
    }
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

/// What the broker does otherwise and cannot be had to do from outside of it. When one of these fails, it has been mended: then it is a
/// promise.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_does_otherwise() {
    let node = node().await;
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["news", "wills/#"]).await;
    let mut reporter = node.client(5, "reporter").await;

    // 3.1.2-8: a clean start ends the session, so a will that waits for its delay is due. It is thrown away with the session.
    let mut waiting = lasting("waiting", 100).with_will("wills/waiting", "gone", 0, false);
    waiting.will_properties = four(WILL_DELAY, 100);
    drop(enter(&node, &waiting).await);
    drop(enter(&node, &Connect::new(5, "waiting")).await);
    reporter.tell("wills/marker", "x", 0, false, &[]).await;
    assert_eq!(listening.message().await.topic, "wills/marker");

    // 4.3.3-10: a message that is sent again before its PUBREL is acknowledged as the first time. It is not delivered twice, but its
    // PUBREC says that the number is in use.
    let mut sending = node.client(5, "sending").await;
    let bytes = sending.publish_bytes("news", "twice", 2, 5, 0);
    sending.send(&bytes).await.unwrap();
    assert!(sending.expect(PUBREC).await.body.get(2).is_none_or(|reason| *reason == 0));
    sending.send(&bytes).await.unwrap();
    assert_eq!(sending.expect(PUBREC).await.body[..3], [0, 5, 0x91]);
    assert_eq!(listening.message().await.payload, b"twice");

    // 3.1.2-24: a message is dropped that would fit, since its header is taken for longer than it is.
    let (mut small, _) = enter(&node, &Connect::new(5, "small").saying(&four(PACKET_MAXIMUM, 60))).await;
    small.subscribe(&["news"]).await;
    reporter.tell("news", &"x".repeat(largest(60, 0) + 3), 0, false, &[]).await;
    reporter.tell("news", "marker", 0, false, &[]).await;
    assert_eq!(small.message().await.payload, b"marker");
    for _ in 0..2 {
        listening.message().await;
    }

    // 4.1.0, 4.3.3-10: the numbers of what was received belong to the session. They end with the connection, so that what is sent again
    // after it is delivered again. (A reading with a primary key counts once.)
    for _ in 0..2 {
        let (mut sending, _) = enter(&node, &lasting("returning", 100).again()).await;
        let bytes = sending.publish_bytes("news", "returned", 2, 6, 8);
        sending.send(&bytes).await.unwrap();
        sending.expect(PUBREC).await;
        assert_eq!(listening.message().await.payload, b"returned");
    }
    node.stop().await;
}
