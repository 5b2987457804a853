//! Who comes in, as whom, and how many.

use std::collections::BTreeSet;

use gateway::credentials::Credentials;
use gateway::limits::{MQTT_CLIENT_ID_BYTES_MAX, MQTT_TOPIC_BYTES_MAX};
use gateway::mqtt::Options;
use tests::mqtt::{CONNACK, Client, Connect, DISCONNECT, PUBLISH, Packet};
use tests::mqtt_node::{Node, node, node_at};

const USER: &str = "ana";
const PASSWORD: &str = "s3cret";

/// Codes of CONNACK that say that user or password are wrong, or that somebody must say who they are.
fn is_refusal(version: u8, answer: &Option<Packet>) -> bool {
    let codes: &[u8] = if version == 5 { &[0x86, 0x87] } else { &[4, 5] };
    answer.as_ref().is_some_and(|answer| answer.kind() == CONNACK && codes.contains(&answer.body[1]))
}

async fn exposed() -> Node {
    let credentials = Credentials { user: USER.to_owned(), password: PASSWORD.to_owned() };
    node_at("0.0.0.0:0", Options { credentials, ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn from_other_machines_one_says_who_one_is() {
    let node = exposed().await;
    for version in [3, 4, 5] {
        let connect = Connect::new(version, "meter");
        let wrong = [
            connect.clone(),
            connect.clone().as_user(USER, "wrong"),
            connect.clone().as_user(USER, ""),
            connect.clone().as_user("eva", PASSWORD),
            connect.clone().as_user("", PASSWORD),
        ];
        for connect in wrong {
            let (mut client, answer) = Client::ask(node.mqtt, &connect).await;
            assert!(is_refusal(version, &answer), "{connect:?}: {answer:?}");
            assert_eq!(client.receive().await, None, "and the connection ends");
        }
        Client::enter(node.mqtt, &connect.as_user(USER, PASSWORD)).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_the_default_user_need_not_say_who_it_is() {
    let node = node().await;
    for version in [3, 4, 5] {
        let connect = Connect::new(version, "meter");
        Client::enter(node.mqtt, &connect).await;
        Client::enter(node.mqtt, &connect.clone().as_user("caudal", "caudal")).await;
        let (_, answer) = Client::ask(node.mqtt, &connect.as_user("caudal", "wrong")).await;
        assert!(is_refusal(version, &answer), "who says something says the truth: {answer:?}");
    }
    node.stop().await;
}

/// A meter of customer 7, a client of customer 8's, and who may nothing.
const ROLES: &str = "
    CREATE ROLE meters;
    ALTER ROLE meters SET mqtt.publish = 'casa/{subject}/#';
    CREATE ROLE meter LOGIN PASSWORD 'm';
    ALTER ROLE meter SET caudal.subject = '7';
    GRANT meters TO meter;
    CREATE ROLE viewer LOGIN PASSWORD 'v';
    ALTER ROLE viewer SET caudal.subject = '8';
    ALTER ROLE viewer SET mqtt.subscribe = 'casa/{subject}/#';
    CREATE ROLE talkers;
    ALTER ROLE talkers SET mqtt.publish = 'chat';
    ALTER ROLE talkers SET mqtt.subscribe = 'chat';
    CREATE ROLE nobody LOGIN PASSWORD 'n';
    CREATE ROLE other LOGIN PASSWORD 'o';
    GRANT talkers TO nobody;
    GRANT talkers TO other";

async fn role(node: &Node, version: u8, user: &str) -> Client {
    let connect = Connect::new(version, "same id").as_user(user, &user[..1]);
    Client::enter(node.mqtt, &connect).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_publishes_and_subscribes_where_it_may_until_that_is_taken_back() {
    let node = node().await;
    node.sql.batch_execute(ROLES).await.unwrap();
    let reading = "{\"at\": \"2026-11-21T03:00:00Z\", \"w\": 1}";
    for version in [4, 5] {
        let mut meter = role(&node, version, "meter").await;
        assert!(meter.publish("casa/7/power/1", reading).await);
        assert!(!meter.publish("casa/8/power/1", reading).await, "of somebody else");
        let mut viewer = role(&node, version, "viewer").await;
        let refused = if version == 5 { 0x87 } else { 0x80 };
        let asked = ["casa/8/#", "casa/7/power/1", "#", "casa/+/power/1", "casa/8/power/+"];
        assert_eq!(viewer.subscribe(&asked).await, [2, refused, 2, 2, 2], "what could be its own is granted");
        let mut operator = node.client(version, "operator").await;
        for topic in ["casa/7/said", "chat", "casa/8/said"] {
            assert!(operator.publish(topic, "x").await);
        }
        assert_eq!(viewer.expect(3).await.message(version).0, "casa/8/said", "and its own alone comes");
        let mut viewer = role(&node, version, "viewer").await;
        assert!(!viewer.publish("casa/8/power/1", reading).await);
        for (user, topic) in [("meter", "casa/8/power/1"), ("nobody", "casa/7/power/1")] {
            let connect = Connect::new(version, "dying").as_user(user, &user[..1]).with_will(topic, reading, 1, false);
            let (_, answer) = Client::ask(node.mqtt, &connect).await;
            assert!(is_refusal(version, &answer), "a will where one may not publish: {answer:?}");
        }
    }
    node.until("SELECT customer, n FROM total", &["7|1"]).await;
    let mut meter = role(&node, 5, "meter").await;
    assert!(meter.publish("casa/7/power/2", reading).await);
    node.sql.batch_execute("REVOKE meters FROM meter").await.unwrap();
    assert!(!meter.publish("casa/7/power/3", reading).await, "taken back, and the connection is the same");
    node.sql.batch_execute("DROP ROLE nobody").await.unwrap();
    let connect = Connect::new(4, "gone").as_user("nobody", "n");
    assert!(is_refusal(4, &Client::ask(node.mqtt, &connect).await.1));
    node.stop().await;
}

/// A client's queue has room for a thousand messages.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_retained_for_others_takes_no_room_from_ones_own() {
    let node = node().await;
    node.sql.batch_execute(ROLES).await.unwrap();
    let mut operator = node.client(4, "operator").await;
    for at in 0..3_000 {
        let customer = if at % 30 == 29 { 8 } else { 7 };
        let retained = operator.publish_bytes(&format!("casa/{customer}/kept/{at}"), "x", 0, 0, 1);
        operator.send(&retained).await.unwrap();
    }
    assert!(operator.publish("chat", "all are sent").await);
    for filter in ["casa/+/kept/+", "#", "casa/8/#"] {
        let mut viewer = role(&node, 4, "viewer").await;
        viewer.subscribe(&[filter]).await;
        let mut topics = BTreeSet::new();
        while topics.len() < 100 {
            topics.insert(viewer.expect(PUBLISH).await.message(4).0);
        }
        assert!(topics.iter().all(|topic| topic.starts_with("casa/8/")), "{topics:?}");
        viewer.leave().await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_come_in_any_more_is_sent_away_at_once() {
    let node = node().await;
    node.sql.batch_execute(ROLES).await.unwrap();
    let changes = [
        ("ALTER ROLE other PASSWORD 'p'", "ALTER ROLE other PASSWORD 'o'"),
        ("ALTER ROLE other NOLOGIN", "ALTER ROLE other LOGIN"),
        ("DROP ROLE other", "CREATE ROLE other LOGIN PASSWORD 'o'; GRANT talkers TO other"),
    ];
    for (change, back) in changes {
        let mut stays = role(&node, 5, "nobody").await;
        for version in [3, 4, 5] {
            let connect = Connect::new(version, "leaving").as_user("other", "o");
            let mut leaving = Client::enter(node.mqtt, &connect.with_will("chat", "gone", 0, false)).await;
            assert_eq!(leaving.subscribe(&["chat"]).await, [2]);
            node.sql.batch_execute(change).await.unwrap();
            if version == 5 {
                let told = leaving.expect(DISCONNECT).await;
                assert_eq!(told.body[0], 0x98, "{change}: administrative action");
            }
            assert_eq!(leaving.receive().await, None, "{change}");
            let (_, answer) = Client::ask(node.mqtt, &Connect::new(version, "leaving").as_user("other", "o")).await;
            assert!(is_refusal(version, &answer), "{change}: {answer:?}");
            node.sql.batch_execute(back).await.unwrap();
        }
        assert!(stays.publish("chat", "x").await, "others stay: {change}");
        // Who is dropped may publish nothing any more, nor by a will.
        let dropped = change.starts_with("DROP");
        let mut listening = role(&node, 4, "nobody").await;
        listening.subscribe(&["chat"]).await;
        let connect = Connect::new(4, "leaving").as_user("other", "o").with_will("chat", "gone", 1, dropped);
        let mut leaving = Client::enter(node.mqtt, &connect).await;
        node.sql.batch_execute(change).await.unwrap();
        assert_eq!(leaving.receive().await, None);
        if !dropped {
            assert_eq!(listening.expect(PUBLISH).await.message(4).1, b"gone", "{change}");
        }
        let mut later = node.client(4, "later").await;
        later.subscribe(&["chat"]).await;
        assert!(node.client(5, "operator").await.publish("chat", "said").await);
        for client in [&mut listening, &mut later] {
            assert_eq!(client.expect(PUBLISH).await.message(4).1, b"said", "{change}");
        }
        node.sql.batch_execute(back).await.unwrap();
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_id_of_two_users_is_two_clients() {
    let node = node().await;
    node.sql.batch_execute(ROLES).await.unwrap();
    for version in [4, 5] {
        let (mut one, mut other) = (role(&node, version, "nobody").await, role(&node, version, "other").await);
        assert_eq!(one.subscribe(&["chat"]).await, [2]);
        assert!(other.publish("chat", "hello").await, "both are there");
        assert_eq!(one.expect(3).await.message(version).1, b"hello");
        // Nor does one get the session, with what waits in it, that the other has left.
        let stays = |user: &str| {
            let mut connect = Connect::new(version, &format!("stays {version}")).as_user(user, &user[..1]);
            connect.clean = false;
            connect.properties = if version == 5 { vec![0x11, 0, 0, 0, 100] } else { vec![] };
            connect
        };
        let mut leaves = Client::enter(node.mqtt, &stays("nobody")).await;
        leaves.subscribe(&["chat"]).await;
        drop(leaves);
        let (_, answer) = Client::ask(node.mqtt, &stays("other")).await;
        assert_eq!(answer.unwrap().body[0], 0, "no session present");
        let (_, answer) = Client::ask(node.mqtt, &stays("nobody")).await;
        assert_eq!(answer.unwrap().body[0], 1, "its own is");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_takes_its_own_connection_over() {
    let node = node().await;
    for version in [4, 5] {
        let mut first = node.client(version, "meter").await;
        let mut second = node.client(version, "meter").await;
        let end = first.receive().await;
        assert!(end.as_ref().is_none_or(|end| end.kind() == 14), "{end:?}");
        assert!(second.publish("elsewhere", "x").await);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_the_broker_are_not_published_to() {
    let node = node().await;
    for topic in ["$SYS/x".to_owned(), "$share/g/x".to_owned(), "x".repeat(MQTT_TOPIC_BYTES_MAX + 1)] {
        let mut five = node.client(5, "five").await;
        let id = five.send_publish(&topic, "x", 1).await.unwrap();
        let refused = five.expect(4).await;
        assert_eq!(refused.body[..2], id.to_be_bytes());
        assert!(refused.body[2] >= 0x80, "{refused:?}");
        assert!(five.publish("elsewhere", "x").await, "the connection lives");
        // MQTT 3.1.1 has no word for it.
        let mut four = node.client(4, "four").await;
        assert!(!four.publish(&topic, "x").await, "{topic}");
    }
    for version in [4, 5] {
        let connect = Connect::new(version, "will").with_will("$SYS/x", "x", 0, false);
        let (_, answer) = Client::ask(node.mqtt, &connect).await;
        assert!(is_refusal(version, &answer), "{answer:?}");
    }
    let mut client = node.client(4, "meter").await;
    assert_eq!(client.subscribe(&["$SYS/#", "casa/#"]).await, [0x80, 2], "refused, and the connection lives");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_ids_are_short() {
    let node = node().await;
    let long = "m".repeat(MQTT_CLIENT_ID_BYTES_MAX);
    for (version, code) in [(4, 2), (5, 0x85)] {
        Client::enter(node.mqtt, &Connect::new(version, &long)).await;
        let (_, answer) = Client::ask(node.mqtt, &Connect::new(version, &format!("{long}m"))).await;
        assert_eq!(answer.unwrap().body[1], code);
    }
    node.stop().await;
}
