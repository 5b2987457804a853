//! MQTT 5, statement by statement: what is promised to subscribers.

use std::time::Duration;

use tests::mqtt::{Client, Connect, PUBACK, packet, text};
use tests::mqtt_node::node;

use super::v5::{
    AS_PUBLISHED, CONTENT_TYPE, CORRELATION, MESSAGE_EXPIRY, NO_LOCAL, PAYLOAD_FORMAT, PROBLEM_INFORMATION, REASON,
    RESPONSE_INFORMATION, RESPONSE_TOPIC, RETAINED_IF_NEW, RETAINED_NEVER, SUBSCRIPTION_ID, USER, enter, four, lasting,
    said, word,
};

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
    // So many messages, and what comes before one that is told only then: the broker sends what is retained beside what it does next.
    let told = async |client: &mut Client, reporter: &mut Client, count: usize| {
        let mut came = Vec::new();
        loop {
            if came.len() == count {
                reporter.tell("kept", "marker", 0, false, &[]).await;
            }
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
    assert_eq!(told(&mut client, &mut reporter, 1).await, retained);
    client.subscribe_with("kept", 0, &[]).await;
    assert_eq!(told(&mut client, &mut reporter, 1).await, retained, "3.8.4-4: again");
    client.subscribe_with("kept", RETAINED_IF_NEW, &[]).await;
    assert_eq!(told(&mut client, &mut reporter, 0).await, []);
    let mut other = node.client(5, "other").await;
    other.subscribe_with("kept", RETAINED_IF_NEW, &[]).await;
    assert_eq!(told(&mut other, &mut reporter, 1).await, retained);
    let mut never = node.client(5, "never").await;
    never.subscribe_with("kept", RETAINED_NEVER, &[]).await;
    assert_eq!(told(&mut never, &mut reporter, 0).await, []);
    // 3.3.1-8: what is not retained replaces nothing; 3.3.1-6: an empty one takes it back.
    reporter.tell("kept", "", 1, true, &[]).await;
    let mut last = node.client(5, "last").await;
    last.subscribe_with("kept", 0, &[]).await;
    assert_eq!(told(&mut last, &mut reporter, 0).await, []);
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
