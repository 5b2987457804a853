//! MQTT 5, statement by statement: last wills, when they are published and as what.

use std::time::{Duration, Instant};

use tests::mqtt::{Connect, text};
use tests::mqtt_node::node;

use super::v5::{CONTENT_TYPE, PAYLOAD_FORMAT, USER, WILL_DELAY, enter, four, lasting, leave, said, word};

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
        if retain {
            assert!(later.message().await.retain);
        }
        node.client(5, "reporter").await.tell("wills/marker", "x", 0, false, &[]).await;
        assert_eq!(later.message().await.topic, "wills/marker");
        assert_eq!(listening.message().await.topic, "wills/marker");
    }
    node.stop().await;
}

/// What the broker does otherwise and cannot be had to do from outside of it. When it fails, it has been mended: then it is a promise.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_throws_a_waiting_will_away_with_its_session() {
    let node = node().await;
    let mut listening = node.client(5, "listening").await;
    listening.subscribe(&["wills/#"]).await;
    // 3.1.2-8: a clean start ends the session, so a will that waits for its delay is due.
    let mut waiting = lasting("waiting", 100).with_will("wills/waiting", "gone", 0, false);
    waiting.will_properties = four(WILL_DELAY, 100);
    drop(enter(&node, &waiting).await);
    drop(enter(&node, &Connect::new(5, "waiting")).await);
    node.client(5, "reporter").await.tell("wills/marker", "x", 0, false, &[]).await;
    assert_eq!(listening.message().await.topic, "wills/marker");
    node.stop().await;
}
