//! What is published to a table's topics becomes its rows, and is acknowledged once the log has it.

use std::process::Command;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, QoS};
use tests::clients;
use tests::mqtt::{PUBCOMP, PUBREC, packet};
use tests::mqtt_node::node;

const TOTAL: &str = "SELECT customer, circuit, n, w FROM total ORDER BY customer, circuit";
const QUARANTINE: &str = "SELECT payload, subject, reason FROM caudal.quarantine ORDER BY position";

fn reading(minute: usize, w: &str) -> String {
    format!(r#"{{"at": "2026-11-21T03:{minute:02}:00Z", "w": {w}}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_and_every_quality_of_service_reaches_the_table() {
    let node = node().await;
    let mut minute = 0;
    for version in [3, 4, 5] {
        let mut client = node.client(version, "meter").await;
        for qos in [0, 1, 2] {
            minute += 1;
            let id = client.send_publish("casa/ana/power/3", reading(minute, "1.5"), qos).await.unwrap();
            if qos == 1 {
                let answer = client.expect(4).await;
                assert_eq!(answer.body[..2], id.to_be_bytes());
            }
            if qos == 2 {
                client.expect(PUBREC).await;
                client.send(&packet(0x62, &id.to_be_bytes())).await.unwrap();
                client.expect(PUBCOMP).await;
            }
        }
        client.leave().await;
    }
    node.until(TOTAL, &["ana|3|9|13.500"]).await;
    assert_eq!(node.rows("SELECT count(*) FROM caudal.quarantine").await, ["0"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_library_publishes_in_both_versions() {
    let node = node().await;
    let mut options = MqttOptions::new("library", "127.0.0.1", node.mqtt.port());
    options.set_credentials("caudal", "caudal");
    let (client, mut events) = AsyncClient::new(options, 10);
    for minute in 0..5 {
        client.publish("casa/ana/power/1", QoS::AtLeastOnce, false, reading(minute, "1")).await.unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < 5 {
        if let Event::Incoming(rumqttc::Packet::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
    let mut options = rumqttc::v5::MqttOptions::new("library", "127.0.0.1", node.mqtt.port());
    options.set_credentials("caudal", "caudal");
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    let five = rumqttc::v5::mqttbytes::QoS::ExactlyOnce;
    client
        .publish("casa/ana/power/2", five, false, format!("[{}, {}]", reading(1, "1"), reading(2, "2")))
        .await
        .unwrap();
    while !matches!(
        events.poll().await.unwrap(),
        rumqttc::v5::Event::Incoming(rumqttc::v5::mqttbytes::v5::Packet::PubComp(_))
    ) {}
    client.disconnect().await.unwrap();
    while !matches!(events.poll().await, Ok(rumqttc::v5::Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {}
    node.until(TOTAL, &["ana|1|5|5.000", "ana|2|2|3.000"]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquittos_own_publisher_is_served() {
    let publisher = match clients::mosquitto_pub() {
        Ok(publisher) => publisher,
        Err(why) => return tests::skip(why),
    };
    let node = node().await;
    for (version, circuit) in [("mqttv31", 1), ("mqttv311", 2), ("mqttv5", 3)] {
        for qos in ["0", "1", "2"] {
            let mut command = Command::new(&publisher);
            let minute = qos.parse().unwrap();
            command.args(["-h", "127.0.0.1", "-p", &node.mqtt.port().to_string(), "-V", version, "-q", qos]);
            command.args(["-u", "caudal", "-P", "caudal", "-i", "mosquitto"]);
            command.args(["-t", &format!("casa/eva/power/{circuit}"), "-m", &reading(minute, "2")]);
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    node.until(TOTAL, &["eva|1|3|6.000", "eva|2|3|6.000", "eva|3|3|6.000"]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_row_is_acknowledged_and_kept_with_its_reason_and_topic() {
    let node = node().await;
    let mut client = node.client(4, "meter").await;
    let bad = [
        ("casa/ana/power/3", "no".to_owned(), "not JSON"),
        ("casa/ana/power/3", String::new(), "not JSON"),
        ("casa/ana/power/3", "{\"at\": \"2026-11-21T03:00:00Z\", \"w\": \"much\"}".to_owned(), "column w"),
        ("casa/ana/power/3", "{\"w\": 1}".to_owned(), "column at"),
        ("casa/ana/power/x", reading(1, "1"), "column circuit"),
        ("casa/ana/power/3", reading(1, "1").replace('{', "{\"customer\": \"eva\", "), "the topic decides"),
        ("casa/ana/power/3", "7".to_owned(), "expected a JSON object"),
    ];
    for (topic, payload, _) in &bad {
        assert!(client.publish(topic, payload).await, "{payload} is acknowledged: sent again it would be no better");
    }
    // Of an array each element has its own fate.
    let mixed = format!("[{}, 5, {}]", reading(1, "1"), reading(2, "2"));
    assert!(client.publish("casa/ana/power/3", mixed).await);
    node.until(TOTAL, &["ana|3|2|3.000"]).await;
    let kept = node.rows(QUARANTINE).await;
    assert_eq!(kept.len(), bad.len() + 1, "{kept:#?}");
    for ((topic, payload, reason), kept) in bad.iter().zip(&kept) {
        let cells: Vec<&str> = kept.split('|').collect();
        assert_eq!(cells[1], *topic);
        assert!(cells[2].contains(reason), "{payload}: {kept}");
    }
    assert!(kept[0].starts_with("no|") && kept[7].starts_with("5|"), "{kept:#?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_reading_again_changes_nothing() {
    let node = node().await;
    let mut client = node.client(5, "meter").await;
    for _ in 0..3 {
        assert!(client.publish("casa/ana/power/3", reading(1, "1")).await);
    }
    assert!(client.publish("casa/ana/power/3", reading(1, "2")).await, "a correction");
    node.until(TOTAL, &["ana|3|1|2.000"]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_log_cannot_keep_it_nobody_is_acknowledged_in_either_version() {
    let node = node().await;
    let mut clients = Vec::new();
    for version in [4, 5] {
        for qos in [0, 1, 2] {
            let mut client = node.client(version, &format!("meter {version} {qos}")).await;
            assert!(client.publish("casa/ana/power/3", reading(1, "1")).await);
            clients.push((client, qos));
        }
    }
    node.node.database.log().close();
    for (mut client, qos) in clients {
        client.send_publish("casa/ana/power/3", reading(2, "1"), qos).await.unwrap();
        let answer = client.receive().await;
        assert!(answer.as_ref().is_none_or(|answer| answer.kind() == 14), "MQTT {}: {answer:?}", client.version);
    }
    // What concerns no table goes on.
    let mut client = node.client(4, "other").await;
    assert!(client.publish("elsewhere", "x").await);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_feeds_one_table_until_that_is_dropped() {
    let node = node().await;
    let refused = node.sql.batch_execute("CREATE TABLE other (a text) WITH (mqtt = 'casa/{a}/power/+')").await;
    let refused = refused.unwrap_err();
    let words = refused.as_db_error().unwrap().message();
    assert!(words.contains("\"readings\"") && words.contains("casa/{a}/power/+"), "{words}");
    let mut client = node.client(4, "meter").await;
    node.sql.batch_execute("DROP MATERIALIZED VIEW total; DROP TABLE readings").await.unwrap();
    assert!(client.publish("casa/ana/power/3", "{}").await, "it feeds nothing now");
    node.sql.batch_execute("CREATE TABLE other (a text) WITH (mqtt = 'casa/{a}/power/+')").await.unwrap();
    assert!(client.publish("casa/ana/power/3", "{}").await);
    node.until("SELECT a FROM other", &["ana"]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_fed_after_a_restart_as_before() {
    let node = node().await.restart_at("127.0.0.1:0").await;
    let mut client = node.client(4, "meter").await;
    assert!(client.publish("casa/ana/power/3", reading(1, "1")).await);
    node.until(TOTAL, &["ana|3|1|1.000"]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_not_retained_and_other_messages_are() {
    let node = node().await;
    let mut client = node.client(4, "meter").await;
    for (topic, payload) in [("casa/ana/power/3", reading(1, "1")), ("casa/ana/state", "on".to_owned())] {
        let id = client.id();
        let publish = client.publish_bytes(topic, payload, 1, id, 1);
        client.send(&publish).await.unwrap();
        client.expect(4).await;
    }
    let mut late = node.client(5, "late").await;
    assert_eq!(late.subscribe(&["casa/#"]).await, [2]);
    let retained = late.expect(3).await;
    assert_eq!(retained.message(5), ("casa/ana/state".to_owned(), b"on".to_vec()));
    assert_eq!(retained.first & 1, 1);
    assert_eq!(late.receive_within(Duration::from_millis(200)).await, None);
    // Who is there gets the reading as it comes.
    assert!(client.publish("casa/ana/power/3", reading(2, "1")).await);
    assert_eq!(late.expect(3).await.message(5).1, reading(2, "1").into_bytes());
    node.until(TOTAL, &["ana|3|2|2.000"]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_for_a_table_is_a_row_when_its_client_is_gone() {
    let node = node().await;
    let connect = tests::mqtt::Connect::new(4, "meter").with_will("casa/ana/power/3", &reading(1, "0"), 1, false);
    let client = tests::mqtt::Client::enter(node.mqtt, &connect).await;
    drop(client);
    node.until(TOTAL, &["ana|3|1|0.000"]).await;
    // Who says goodbye leaves none.
    let connect = connect.with_will("casa/ana/power/4", &reading(1, "0"), 1, false);
    tests::mqtt::Client::enter(node.mqtt, &connect).await.leave().await;
    // Somebody else comes: who came under the same name before the goodbye is heard would be taken for its successor.
    let mut other = node.client(4, "other").await;
    assert!(other.publish("casa/ana/power/3", reading(2, "1")).await);
    node.until(TOTAL, &["ana|3|2|1.000"]).await;
    assert_eq!(node.rows("SELECT count(*) FROM readings WHERE circuit = 4").await, ["0"]);
    node.stop().await;
}
