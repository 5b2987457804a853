//! What stops other brokers, or takes from others what is theirs, does neither here.

use std::time::Duration;

use gateway::limits::MQTT_PACKET_BYTES_MAX;
use tests::mqtt::{Client, Connect, packet, text};
use tests::mqtt_node::{Node, node};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Whether somebody else is served: each attack is followed by this.
async fn is_served(node: &Node, after: &str) {
    let mut client = node.client(5, "somebody else").await;
    assert!(client.publish("casa/ana/power/3", "{\"at\": 0, \"w\": 1}").await, "after {after}");
    client.leave().await;
}

/// Ends a connection at once, with what is on its way thrown away.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_ids_that_are_not_ascii_are_as_good_as_others() {
    let node = node().await;
    for version in [4, 5] {
        for name in ["ñu/b", "ñ", "日本/電力", "a//b", "/", "\u{1f600}"] {
            let mut client = node.client(version, name).await;
            assert_eq!(client.subscribe(&[name]).await, [2], "{name}");
            let id = client.send_publish(name, "x", 1).await.unwrap();
            let mut got = [client.receive().await.unwrap(), client.receive().await.unwrap()];
            got.sort_by_key(|packet| packet.kind());
            assert_eq!(got[0].message(version).0, name);
            assert_eq!(got[1].body[..2], id.to_be_bytes());
        }
        for id in ["+", "#", "$", "/", "a/#/+", "%2F", "$share/g/t"] {
            // Twice, so that the second takes the session of the first over.
            node.client(version, id).await;
            node.client(version, id).await;
        }
    }
    is_served(&node, "odd names").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_subscription_that_leaves_with_a_message_unacknowledged() {
    let node = node().await;
    for version in [4, 5] {
        let mut connect = Connect::new(version, "worker");
        connect.clean = false;
        connect.properties = if version == 5 { vec![0x11, 0, 0, 0, 100] } else { vec![] };
        let mut worker = Client::enter(node.mqtt, &connect).await;
        let filter = "$share/group/work";
        let mut body = vec![0, 9];
        if version == 5 {
            body.push(0);
        }
        body.extend(text(filter));
        body.push(1);
        worker.send(&packet(0x82, &body)).await.unwrap();
        let _refused_or_not = worker.receive().await;
        assert!(node.client(5, "boss").await.publish("work", "x").await);
        reset(worker.stream);
        is_served(&node, "a shared subscription").await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_off_at_once() {
    let node = node().await;
    let connect = Connect::new(5, "hasty").bytes();
    for cut in 0..=connect.len() {
        for _ in 0..4 {
            let mut stream = TcpStream::connect(node.mqtt).await.unwrap();
            stream.write_all(&connect[..cut]).await.unwrap();
            reset(stream);
        }
    }
    is_served(&node, "CONNECT and a reset").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_do_not_keep_others_out() {
    let node = node().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(node.mqtt).await.unwrap());
    }
    is_served(&node, "silent connections").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_are_not_meant() {
    let node = node().await;
    let huge = [
        vec![0x10, 0xff, 0xff, 0xff, 0x7f],
        vec![0x10, 0xff, 0xff, 0xff, 0xff, 0x7f],
        vec![0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0xff, 0xff],
        packet(0x10, &[text("MQTT"), vec![5, 2, 0, 60, 0xff, 0xff, 0xff, 0x7f]].concat()),
    ];
    for bytes in huge {
        let mut client = Client::over(TcpStream::connect(node.mqtt).await.unwrap(), 5);
        client.send(&bytes).await.unwrap();
        assert_eq!(client.receive().await, None, "{bytes:?}");
    }
    for version in [4, 5] {
        let mut client = node.client(version, "large").await;
        let most = "x".repeat(MQTT_PACKET_BYTES_MAX - 64);
        assert!(client.publish("elsewhere", &most).await, "the largest is taken");
        let larger = "x".repeat(MQTT_PACKET_BYTES_MAX + 1);
        assert!(!client.publish("elsewhere", &larger).await);
    }
    is_served(&node, "large packets").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_and_wide_json_is_kept_and_does_no_harm() {
    let node = node().await;
    let mut client = node.client(5, "deep").await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let within = format!("{{\"at\": 0, \"w\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("[{}0]", "0,".repeat(100_000));
    for payload in [deep, within, wide] {
        assert!(client.publish("casa/ana/power/3", payload).await);
    }
    node.until("SELECT count(*) FROM caudal.quarantine", &["3"]).await;
    is_served(&node, "deep JSON").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_does_not_read_does_not_hold_others_up() {
    let node = node().await;
    let mut asleep = node.client(4, "asleep").await;
    assert_eq!(asleep.subscribe(&["news"]).await, [2]);
    let mut client = node.client(4, "reporter").await;
    let news = "x".repeat(100_000);
    let all = async {
        for _ in 0..200 {
            assert!(client.publish("news", &news).await);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("publishing goes on");
    is_served(&node, "a subscriber that sleeps").await;
    node.stop().await;
}
