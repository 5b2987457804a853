//! What bridges to brokers of others promise besides: what they refuse, whom they tell, and what becomes of topics when a sink has
//! missed changes or its view is another. (That nothing is lost while either end dies is in the binary's own tests.)

use std::collections::BTreeMap;
use std::process::Command;

use tests::mosquitto::{Mosquitto, PASSWORD, USER};
use tests::mqtt::{self, Connect, PUBLISH, SUBACK};
use tests::node::{self, PATIENCE, eventually};
use tests::rumqttd::Rumqttd;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A node whose bridges are kept up.
struct Node {
    node: node::Node,
    sql: Client,
}

impl Node {
    async fn up(mut node: node::Node) -> Node {
        let bridges = gateway::bridge::serve(node.database.clone(), node.shutdown.clone());
        node.doors.push(tokio::spawn(async move {
            bridges.await;
            Ok(())
        }));
        Node { sql: node.connect().await, node }
    }

    /// Opens it again with its bridges down, so that they miss what happens.
    async fn restart_alone(self) -> node::Node {
        drop(self.sql);
        self.node.restart().await
    }

    async fn execute(&self, statements: &str) {
        self.sql.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    async fn refused(&self, statement: &str) -> (String, String) {
        let error = self.sql.batch_execute(statement).await.expect_err(statement);
        let error = error.as_db_error().unwrap();
        (error.code().code().to_owned(), error.message().to_owned())
    }

    /// Rows, cells separated by `|`.
    async fn rows(&self, query: &str) -> Vec<String> {
        let answer = self.sql.simple_query(query).await.unwrap();
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        answer.iter().filter_map(row).collect()
    }

    async fn until(&self, query: &str, expected: &[&str]) {
        let mut last = Vec::new();
        eventually(&format!("{query}: {expected:?}"), async || {
            last = self.rows(query).await;
            (last == expected).then_some(())
        })
        .await;
    }
}

/// A broker, or why there is none.
fn broker() -> Option<Mosquitto> {
    Mosquitto::start(None).map_err(tests::skip).ok()
}

fn options(broker: &Mosquitto) -> String {
    format!(
        "connector = 'mqtt', url = 'mqtt://127.0.0.1:{}', username = '{USER}', password = '{PASSWORD}'",
        broker.port
    )
}

/// What the broker retains below a topic.
fn retained(broker: &Mosquitto, below: &str) -> BTreeMap<String, String> {
    let mut sub = Command::new("mosquitto_sub");
    sub.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-u", USER, "-P", PASSWORD]);
    let output = sub.args(["-t", &format!("{below}/#"), "-v", "--retained-only", "-W", "1"]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.split_once(' ').unwrap()).map(|(topic, said)| (topic.into(), said.into())).collect()
}

async fn ends_with(broker: &Mosquitto, below: &str, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(topic, said)| ((*topic).to_owned(), (*said).to_owned())).collect();
    eventually(&format!("{expected:?}"), async || (retained(broker, below) == expected).then_some(())).await;
}

const TABLES: &str = "CREATE TABLE rooms (room TEXT PRIMARY KEY, celsius NUMERIC(5, 1), noted TEXT);
    CREATE TABLE notes (words TEXT);
    CREATE MATERIALIZED VIEW warm AS SELECT room, celsius FROM rooms WHERE celsius > 5;
    CREATE MATERIALIZED VIEW words AS SELECT words FROM notes;
    CREATE VIEW plain AS SELECT room FROM rooms";

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_bridged_is_refused_and_only_superusers_make_bridges() {
    let node = Node::up(node::Node::start().await).await;
    node.execute(TABLES).await;
    let to = "WITH (connector = 'mqtt', url = 'mqtt://127.0.0.1:1', username = 'u', password = 'never-told', topic";
    for (statement, code, words) in [
        (format!("CREATE SOURCE s INTO warm {to} = 'a/{{room}}')"), "42809", "a source feeds a table"),
        (format!("CREATE SOURCE s INTO nothing {to} = 'a/{{room}}')"), "42P01", "nothing"),
        (format!("CREATE SOURCE s INTO rooms {to} = 'a/{{house}}')"), "42703", "house"),
        (format!("CREATE SINK s FROM plain {to} = 'a/{{room}}')"), "42809", "a sink tells"),
        (format!("CREATE SINK s FROM notes {to} = 'a')"), "42P16", "no key"),
        (format!("CREATE SINK s FROM words {to} = 'a/{{words}}')"), "42P16", "no key"),
        (format!("CREATE SINK s FROM warm {to} = 'a')"), "42P16", "\"room\""),
        (format!("CREATE SINK s FROM warm {to} = 'a/{{room}}/{{celsius}}', oops)"), "42601", ""),
        ("DROP SINK s".to_owned(), "42704", "does not exist"),
    ] {
        let (got, said) = node.refused(&statement).await;
        assert!(got == code && said.contains(words) && !said.contains("never-told"), "{statement}: {got} {said}");
    }
    node.execute(&format!("CREATE SINK s FROM warm {to} = 'a/{{room}}')")).await;
    node.execute(&format!("CREATE SINK IF NOT EXISTS s FROM warm {to} = 'a/{{room}}')")).await;
    assert_eq!(node.refused(&format!("CREATE SOURCE s INTO rooms {to} = 'a/{{room}}')")).await.0, "42710");
    assert_eq!(node.refused("DROP SOURCE s").await.0, "42809");
    let (code, words) = node.refused("DROP MATERIALIZED VIEW warm").await;
    assert!(code == "2BP01" && words.contains("sink \"s\""), "{words}");
    // Nobody listens there: it says so, and goes on trying.
    let down = "SELECT connected_since IS NULL, last_error LIKE '%refused%' FROM caudal.bridges";
    node.until(down, &["t|t"]).await;

    node.execute("CREATE USER ana PASSWORD 'de ana'").await;
    let mut settings = node.node.settings();
    let (ana, connection) = settings.user("ana").password("de ana").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    for statement in [format!("CREATE SINK t FROM warm {to} = 'b/{{room}}')"), "DROP SINK s".to_owned()] {
        let error = ana.batch_execute(&statement).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{statement}");
    }
    for system in ["caudal.relations", "caudal.bridges", "pg_catalog.pg_class", "information_schema.tables"] {
        let told = format!("{:?}", node.rows(&format!("SELECT * FROM {system}")).await);
        assert!(!told.contains("never-told"), "{system} tells the password");
    }
    drop(ana);
    drop(node.sql);
    node.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_missed_changes_or_whose_view_is_another_takes_back_what_has_gone() {
    let Some(broker) = broker() else { return };
    let node = Node::up(node::Node::keeping(1 << 20).await).await;
    node.execute(TABLES).await;
    node.execute("INSERT INTO rooms VALUES ('cellar', 7, 'x'), ('attic', 9, NULL), ('shed', 2, NULL)").await;
    node.execute(&format!(
        "CREATE SINK warm FROM warm WITH ({}, topic = 'warm/{{room}}', retain = true)",
        options(&broker)
    ))
    .await;
    let (cellar, attic) = (
        ("warm/cellar", "{\"room\":\"cellar\",\"celsius\":7.0}"),
        ("warm/attic", "{\"room\":\"attic\",\"celsius\":9.0}"),
    );
    ends_with(&broker, "warm", &[cellar, attic]).await;
    node.execute("UPDATE rooms SET celsius = 1 WHERE room = 'attic'; UPDATE rooms SET celsius = 8 WHERE room = 'shed'")
        .await;
    let shed = ("warm/shed", "{\"room\":\"shed\",\"celsius\":8.0}");
    ends_with(&broker, "warm", &[cellar, shed]).await;

    // While nothing is told, more happens than is kept.
    let epoch = node.rows("SELECT epoch FROM caudal.bridges").await[0].clone();
    let alone = node.restart_alone().await;
    let client = alone.connect().await;
    client.batch_execute("DELETE FROM rooms WHERE room = 'cellar'").await.unwrap();
    let many = "INSERT INTO rooms SELECT 'r' || i, 7, repeat('x', 1000) FROM generate_series(1, 500) AS g(i)";
    for _ in 0..8 {
        client.batch_execute(many).await.unwrap();
        client
            .batch_execute("INSERT INTO rooms SELECT 'r' || i, 1, 'y' FROM generate_series(1, 500) AS g(i)")
            .await
            .unwrap();
    }
    let resumed = format!("SUBSCRIBE warm AS OF {epoch}");
    let forgotten = timeout(PATIENCE, client.simple_query(&resumed)).await.expect("it is refused").unwrap_err();
    assert_eq!(forgotten.code().unwrap().code(), "72000");
    drop(client);
    let node = Node::up(alone).await;
    ends_with(&broker, "warm", &[shed]).await;

    // Another view in its place: what it does not have goes, what is the same stays.
    node.execute("INSERT INTO rooms VALUES ('oven', 200, NULL)").await;
    ends_with(&broker, "warm", &[shed, ("warm/oven", "{\"room\":\"oven\",\"celsius\":200.0}")]).await;
    node.execute(
        "CREATE OR REPLACE MATERIALIZED VIEW warm AS SELECT room, celsius, noted FROM rooms WHERE celsius > 100",
    )
    .await;
    ends_with(&broker, "warm", &[("warm/oven", "{\"room\":\"oven\",\"celsius\":200.0,\"noted\":null}")]).await;

    // A row that has no topic is told in words and keeps nobody else waiting.
    node.execute("INSERT INTO rooms VALUES ('a/b', 300, NULL), ('kiln', 900, 'hot')").await;
    let expected = [
        ("warm/kiln", "{\"room\":\"kiln\",\"celsius\":900.0,\"noted\":\"hot\"}"),
        ("warm/oven", "{\"room\":\"oven\",\"celsius\":200.0,\"noted\":null}"),
    ];
    ends_with(&broker, "warm", &expected).await;
    node.until("SELECT last_error LIKE '%a/b%' FROM caudal.bridges", &["t"]).await;
    drop(node.sql);
    node.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_mended_by_another_bridge() {
    let Some(broker) = broker() else { return };
    let node = Node::up(node::Node::start().await).await;
    node.execute(TABLES).await;
    let options = format!("{}, client_id = 'caudal-rooms'", options(&broker));
    let wrong = options.replace(PASSWORD, "wrong");
    node.execute(&format!("CREATE SOURCE s INTO rooms WITH ({wrong}, topic = 'rooms/{{room}}/+')")).await;
    node.until("SELECT last_error FROM caudal.bridges", &["the broker refuses user and password"]).await;
    // At once, under the same client id: the one that goes does not take the one that comes with it.
    node.execute("DROP SOURCE s").await;
    node.execute(&format!("CREATE SOURCE s INTO rooms WITH ({options}, topic = 'rooms/{{room}}/+')")).await;
    let (code, words) =
        node.refused(&format!("CREATE SOURCE t INTO rooms WITH ({options}, topic = 'a/{{room}}')")).await;
    assert!(code == "42710" && words.contains("source \"s\""), "{words}");
    node.until("SELECT connected_since IS NOT NULL FROM caudal.bridges", &["t"]).await;
    let publish = |topic: &str, payload: &str, more: &[&str]| {
        let mut client = Command::new("mosquitto_pub");
        client.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-u", USER, "-P", PASSWORD, "-q", "1"]);
        assert!(client.args(["-t", topic, "-m", payload]).args(more).status().unwrap().success());
    };
    publish("rooms/cellar/now", "[{\"celsius\": 7}, {\"celsius\": 8}]", &[]);
    publish("rooms/attic/now", "{\"celsius\": 9}", &["-r"]);
    publish("rooms/attic", "{\"celsius\": 1}", &[]);
    publish("rooms/shed/now", "{\"room\": \"other\", \"celsius\": 9}", &[]);
    node.until("SELECT room, celsius FROM rooms ORDER BY room", &["attic|9.0", "cellar|8.0"]).await;
    node.until("SELECT subject FROM caudal.quarantine", &["rooms/shed/now"]).await;
    // A message of which the log can never take the events, since its topic is in each of them, does not come again and again.
    let room = "x".repeat(2_000);
    publish(&format!("rooms/{room}/now"), &format!("[{}{{}}]", "{},".repeat(4_999)), &[]);
    publish("rooms/last/now", "{\"celsius\": 3}", &[]);
    node.until("SELECT celsius FROM rooms WHERE room = 'last'", &["3.0"]).await;
    node.until("SELECT subject FROM caudal.quarantine ORDER BY position DESC LIMIT 1", &[&format!("rooms/{room}/now")])
        .await;
    drop(node.sql);
    node.node.stop().await;
}

/// Another broker than the one that the others are tried with.
#[tokio::test(flavor = "multi_thread")]
async fn rumqttd_is_read_and_told_too_over_a_restart_of_the_node() {
    let broker = match Rumqttd::start() {
        Ok(broker) => broker,
        Err(why) => return tests::skip(why),
    };
    let options =
        format!("connector = 'mqtt', url = 'mqtt://{}', username = '{USER}', password = '{PASSWORD}'", broker.address);
    let node = Node::up(node::Node::start().await).await;
    node.execute(TABLES).await;
    node.execute(&format!("CREATE SOURCE s INTO rooms WITH ({options}, topic = 'rooms/{{room}}/now')")).await;
    node.until("SELECT connected_since IS NOT NULL FROM caudal.bridges", &["t"]).await;
    let enter = |name: &str| {
        let connect = Connect::new(4, name).as_user(USER, PASSWORD);
        async move { mqtt::Client::enter(broker.address, &connect).await }
    };
    let mut meter = enter("meter").await;
    let mut publish = async |from: i64, to: i64| {
        for room in from..to {
            assert!(meter.publish(&format!("rooms/{room}/now"), format!("{{\"celsius\": {}}}", room % 9)).await);
        }
    };
    publish(0, 300).await;
    node.until("SELECT count(*), count(DISTINCT room) FROM rooms", &["300|300"]).await;
    // What is sent while nobody reads comes afterwards.
    let alone = node.restart_alone().await;
    publish(300, 350).await;
    let node = Node::up(alone).await;
    node.until(
        "SELECT count(*), sum(celsius) FROM rooms",
        &[&format!("350|{}.0", (0..350).map(|room| room % 9).sum::<i64>())],
    )
    .await;

    let mut home = enter("home").await;
    let subscribe = [&home.id().to_be_bytes()[..], &mqtt::text("warm/#"), &[0]].concat();
    home.send(&mqtt::packet(0x82, &subscribe)).await.unwrap();
    home.expect(SUBACK).await;
    node.execute(&format!("CREATE SINK warm FROM warm WITH ({options}, topic = 'warm/{{room}}')")).await;
    let mut told = BTreeMap::new();
    let warm = (0..350).filter(|room| room % 9 > 5).count();
    while told.len() < warm {
        let (topic, row) = home.expect(PUBLISH).await.message(4);
        told.insert(topic, String::from_utf8(row).unwrap());
    }
    assert_eq!(told["warm/7"], "{\"room\":\"7\",\"celsius\":7.0}");
    drop(node.sql);
    node.node.stop().await;
}
