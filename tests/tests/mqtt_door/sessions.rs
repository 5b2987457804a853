//! MQTT 5, statement by statement: how long sessions last, who takes them over, and what is in them.

use std::time::{Duration, Instant};

use tests::mqtt::{Client, Connect, DISCONNECT, PUBLISH, PUBREC, PUBREL, packet};
use tests::mqtt_node::{Node, node};

use super::v5::{SERVER_KEEP_ALIVE, SESSION_EXPIRY, enter, four, lasting, leave};

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

/// What the broker does otherwise and cannot be had to do from outside of it. When it fails, it has been mended: then it is a promise.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_forgets_what_it_received_with_the_connection() {
    let node = node().await;
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["news"]).await;
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
