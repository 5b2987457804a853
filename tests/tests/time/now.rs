//! `now()` in views.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::TryStreamExt;
use sql::{Cancel, Config, Database, Identity, Response};
use storage::Event;
use tests::load;

use crate::harness::{Node, millis};

const READINGS: &str =
    "CREATE TABLE readings (circuit text, at timestamptz, power_w bigint, PRIMARY KEY (circuit, at))";
const DEFINITIONS: [&str; 6] = [
    READINGS,
    "CREATE TABLE circuits (circuit text PRIMARY KEY, room text, patience_s bigint) WITH (max_rows = 100)",
    "CREATE MATERIALIZED VIEW recent AS SELECT * FROM readings WHERE at > now() - INTERVAL '1 hour'",
    "CREATE MATERIALIZED VIEW used AS SELECT circuit, count(*) AS n, sum(power_w) AS w FROM recent GROUP BY circuit",
    "CREATE MATERIALIZED VIEW silent AS SELECT circuit, max(at) AS last_seen FROM readings GROUP BY circuit
     HAVING max(at) < now() - INTERVAL '15 minutes'",
    "CREATE MATERIALIZED VIEW waiting AS SELECT c.room, s.circuit FROM silent s JOIN circuits c USING (circuit)
     WHERE s.last_seen + INTERVAL '1 second' * c.patience_s < now()",
];

const RECENT: &str = "SELECT circuit, power_w FROM recent ORDER BY circuit, at";
const USED: &str = "SELECT circuit, n, w FROM used ORDER BY circuit";
const SILENT: &str = "SELECT circuit FROM silent ORDER BY circuit";
const WAITING: &str = "SELECT room, circuit FROM waiting ORDER BY circuit";

async fn house(time: &str) -> Node {
    let node = Node::new(time).await;
    for definition in DEFINITIONS {
        node.run(definition).await;
    }
    node.run("INSERT INTO circuits VALUES ('fridge', 'kitchen', 1800), ('lamp', 'hall', 7200)").await;
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_and_go_while_nothing_is_sent() {
    let node = house("2026-05-01 08:00:00").await;
    node.run(
        "INSERT INTO readings VALUES ('fridge', '2026-05-01T07:30:00Z', 1), ('fridge', '2026-05-01T07:50:00Z', 2),
        ('lamp', '2026-05-01T07:59:00Z', 4), ('lamp', '2026-05-01T06:59:59Z', 8)",
    )
    .await;
    assert_eq!(node.rows(RECENT).await, "fridge,1;fridge,2;lamp,4");
    assert_eq!(node.rows(USED).await, "fridge,2,3;lamp,1,4");
    assert_eq!(node.rows(SILENT).await, "");

    // At the moment itself it is not less yet.
    node.set("2026-05-01 08:05:00.001");
    node.becomes(SILENT, "fridge").await;
    node.set("2026-05-01 08:30:00");
    node.becomes(USED, "fridge,1,2;lamp,1,4").await;
    node.becomes(WAITING, "kitchen,fridge").await;
    assert_eq!(node.rows(SILENT).await, "fridge;lamp");

    // A reading ends it, and begins it again.
    node.run("INSERT INTO readings VALUES ('fridge', '2026-05-01T08:30:00Z', 16)").await;
    assert_eq!(node.rows(SILENT).await, "lamp");
    assert_eq!(node.rows(WAITING).await, "");
    assert_eq!(node.rows(USED).await, "fridge,2,18;lamp,1,4");
    node.run("DELETE FROM readings WHERE circuit = 'fridge' AND at = '2026-05-01T08:30:00Z'").await;
    assert_eq!(node.rows(WAITING).await, "kitchen,fridge");

    // Far ahead everything is over.
    node.set("2027-01-01 00:00:00");
    node.becomes(USED, "").await;
    assert_eq!(node.rows(RECENT).await, "");
    assert_eq!(node.rows(WAITING).await, "kitchen,fridge;hall,lamp");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_due_while_the_node_was_down_is_done_at_start() {
    let node = house("2026-05-01 08:00:00").await;
    node.run("INSERT INTO readings VALUES ('fridge', '2026-05-01T07:30:00Z', 1), ('lamp', '2026-05-01T07:59:00Z', 4)")
        .await;
    let node = node.sleeps_until("2026-05-01 08:45:00").await;
    node.becomes(USED, "lamp,1,4").await;
    assert_eq!(node.rows(SILENT).await, "fridge;lamp");
    // Timers that were set before are there, and one that has nothing to wait for is not.
    let node = node.sleeps_until("2026-05-01 08:50:00").await;
    assert_eq!(node.rows(USED).await, "lamp,1,4");
    node.set("2026-05-01 09:00:00");
    node.becomes(USED, "").await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_does_not_go_back_and_makes_no_epochs_when_nothing_is_due() {
    let node = house("2026-05-01 08:00:00").await;
    node.run("INSERT INTO readings VALUES ('fridge', '2026-05-01T07:30:00Z', 1)").await;
    node.set("2026-05-01 08:30:00");
    node.becomes(USED, "").await;
    let before = node.epoch();
    node.set("2026-05-01 06:00:00");
    node.run("INSERT INTO readings VALUES ('lamp', '2026-05-01T07:31:00Z', 4), ('lamp', '2026-05-01T07:29:00Z', 8)")
        .await;
    assert_eq!(node.rows(USED).await, "lamp,1,4", "it is half past eight still");
    assert_eq!(node.epoch(), before + 1);
    let node = node.sleeps_until("2026-05-01 06:00:00").await;
    node.run("INSERT INTO readings VALUES ('lamp', '2026-05-01T07:28:00Z', 16)").await;
    assert_eq!(node.rows(USED).await, "lamp,1,4");
    assert_eq!(node.epoch(), before + 2);
    node.set("2026-05-01 08:30:59");
    node.run("INSERT INTO readings VALUES ('lamp', '2026-05-01T07:27:00Z', 32)").await;
    assert_eq!((node.rows(USED).await.as_str(), node.epoch()), ("lamp,1,4", before + 3));
    node.set("2026-05-01 08:31:00");
    node.becomes(USED, "").await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_made_later_has_its_timers() {
    let node = Node::new("2026-05-01 08:00:00").await;
    node.run(READINGS).await;
    node.run(
        "INSERT INTO readings VALUES ('fridge', '2026-05-01T07:30:00Z', 1), ('lamp', '2026-05-01T07:59:00Z', 4),
        ('lamp', '2026-05-01T05:59:00Z', 8)",
    )
    .await;
    node.run(DEFINITIONS[2]).await;
    node.run(DEFINITIONS[3]).await;
    assert_eq!(node.rows(USED).await, "fridge,1,1;lamp,1,4");
    node.set("2026-05-01 08:59:00");
    node.becomes(USED, "").await;
    // Time has gone on, and no epoch has seen it, when the next one is made.
    node.run("INSERT INTO readings VALUES ('fridge', '2026-05-01T08:30:00Z', 1)").await;
    node.set("2026-05-01 10:00:00");
    node.run(DEFINITIONS[4]).await;
    node.becomes(SILENT, "fridge;lamp").await;
    node.becomes(RECENT, "").await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_that_go_at_once_go_in_several_epochs() {
    let node = Node::new("2026-05-01 08:00:00").await;
    node.run(READINGS).await;
    node.run(DEFINITIONS[2]).await;
    node.run("CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM recent").await;
    let first = millis("2026-05-01 08:00:00");
    let rows = dataflow::limits::TIMERS_PER_EPOCH_MAX as i64 + 5_000;
    let events = (0..rows).map(|row| {
        let json = format!("{{\"circuit\": \"c\", \"at\": {}, \"power_w\": 1}}", first + row);
        Event { value: Some(Bytes::from(json)), ..Event::default() }
    });
    let outcomes = node.database.submit("readings", events.collect()).await.unwrap();
    assert_eq!(outcomes.taken, rows as u64);
    assert_eq!(node.rows("SELECT n FROM kept").await, rows.to_string());
    let before = node.epoch();
    node.set("2026-06-01 00:00:00");
    node.becomes("SELECT n FROM kept", "0").await;
    assert_eq!(node.epoch(), before + 2);
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pipeline_wakes_when_it_is_time() {
    let directory = tempfile::tempdir().unwrap();
    let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let (data_dir, clock) = (directory.path().to_owned(), Arc::new(wall));
    let database =
        Database::open(Config { data_dir, cache_bytes: 8 << 20, changelog_bytes: 1 << 20, clock, cluster: None })
            .await
            .unwrap();
    for definition in [
        READINGS,
        "CREATE MATERIALIZED VIEW fresh AS SELECT circuit FROM readings WHERE at > now() - INTERVAL '700 milliseconds'",
    ] {
        load::run(&database, definition).await.unwrap();
    }
    let begun = Instant::now();
    load::run(&database, "INSERT INTO readings VALUES ('fridge', now(), 1)").await.unwrap();
    let mut published = database.published();
    let before = published.borrow_and_update().0;
    assert_eq!(load::run(&database, "SELECT * FROM fresh").await.unwrap(), [["fridge"]]);
    published.changed().await.unwrap();
    let after = begun.elapsed().as_millis();
    assert!(load::run(&database, "SELECT * FROM fresh").await.unwrap().is_empty());
    assert_eq!(published.borrow().0, before + 1);
    assert!((690..5_000).contains(&after), "it woke after {after} ms");
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_has_the_time_at_which_it_or_its_transaction_begins() {
    let node = Node::new("2026-05-01 08:00:00").await;
    let session = node.database.session(Identity::Operator("caudal".into()));
    let ask = async |prepared: &sql::Prepared| {
        let Response::Rows { rows, .. } = session.execute(prepared, vec![], Cancel::new()).await.unwrap() else {
            panic!("it answers rows");
        };
        let batches: Vec<_> = rows.try_collect().await.unwrap();
        arrow::util::display::array_value_to_string(batches[0].column(0), 0).unwrap()
    };
    let query =
        "SELECT to_char(now(), 'HH24:MI') || to_char(localtimestamp, ' HH24:MI ') || CAST(current_date AS text)";
    let prepared = session.prepare(query, &[]).await.unwrap();
    assert_eq!(ask(&prepared).await, "08:00 08:00 2026-05-01");
    node.set("2026-05-02 09:30:00");
    assert_eq!(ask(&prepared).await, "09:30 09:30 2026-05-02");
    let control = async |statement: &str| {
        let prepared = session.prepare(statement, &[]).await.unwrap();
        session.execute(&prepared, vec![], Cancel::new()).await.unwrap();
    };
    control("BEGIN").await;
    node.set("2026-05-03 10:00:00");
    assert_eq!(ask(&prepared).await, "09:30 09:30 2026-05-02");
    control("COMMIT").await;
    assert_eq!(ask(&prepared).await, "10:00 10:00 2026-05-03");
    // As in PostgreSQL 30 hours are more than a day.
    let spans =
        "SELECT now() - TIMESTAMPTZ '2026-05-02T04:00:00Z' > INTERVAL '1 day', INTERVAL '30 days' = INTERVAL '1 month'";
    assert_eq!(node.rows(spans).await, "true,true");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_change_at_every_moment_is_refused() {
    let node = Node::new("2026-05-01 08:00:00").await;
    node.run(READINGS).await;
    node.run("CREATE VIEW aged AS SELECT circuit, at, now() - at AS age FROM readings").await;
    for query in [
        "SELECT circuit, at, now() AS asked FROM readings",
        "SELECT circuit, at, age > INTERVAL '1 hour' AS old FROM aged",
    ] {
        let refused = node.refused(&format!("CREATE MATERIALIZED VIEW v AS {query}")).await;
        assert_eq!(refused.sqlstate, "0A000");
        assert!(refused.message.contains("now() in the SELECT list"), "{}", refused.message);
        assert!(refused.hint.is_some_and(|hint| hint.contains("caudal.clock")));
    }
    // Through the same plain view it is a condition.
    node.run("CREATE MATERIALIZED VIEW old AS SELECT circuit, at FROM aged WHERE age > INTERVAL '1 hour'").await;
    node.run("INSERT INTO readings VALUES ('fridge', '2026-05-01T07:30:00Z', 1)").await;
    assert_eq!(node.rows("SELECT circuit FROM old").await, "");
    node.set("2026-05-01 08:30:00.001");
    node.becomes("SELECT circuit FROM old", "fridge").await;
    let refused = node.refused("COPY (SUBSCRIBE (SELECT circuit FROM readings WHERE at > now())) TO STDOUT").await;
    assert!(refused.message.contains("a condition on the time"), "{}", refused.message);
    node.database.close().await;
}
