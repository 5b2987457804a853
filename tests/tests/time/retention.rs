//! Rows that are older than their table's retention are forgotten, and not retracted.

use bytes::Bytes;
use storage::Event;

use crate::harness::{Node, millis};

const READINGS: &str = "CREATE TABLE readings (circuit text, at timestamptz, power_w bigint, PRIMARY KEY (circuit, at))
    WITH (retention = '10 days')";
const BY_DAY: &str = "SELECT circuit, local_day(at, 'UTC') AS day, count(*) AS n, max(power_w) AS w FROM readings
    GROUP BY circuit, local_day(at, 'UTC')";
const BY_QUARTER: &str =
    "SELECT circuit, date_bin(INTERVAL '15 minutes', at) AS quarter, max(power_w) AS w FROM readings
    GROUP BY circuit, date_bin(INTERVAL '15 minutes', at)";
const KEPT: &str = "SELECT circuit, to_char(at, 'DD'), power_w FROM readings ORDER BY at, circuit";
const REASON: &str = "table readings keeps rows for 10 days, and takes none that are as old but for a day";

fn values(rows: &[(&str, &str, i64)]) -> String {
    let values = rows.iter().map(|(circuit, at, power_w)| format!("('{circuit}', '{at}', {power_w})"));
    format!("INSERT INTO readings VALUES {}", values.collect::<Vec<_>>().join(", "))
}

/// What became of events: taken, corrected, unchanged, deleted, and why not.
async fn sent(node: &Node, table: &str, events: &[(&str, &str)]) -> (u64, u64, u64, u64, String) {
    let bytes = |text: &str| (!text.is_empty()).then(|| Bytes::from(text.to_owned()));
    let events = events.iter().map(|(key, value)| Event { key: bytes(key), value: bytes(value), ..Event::default() });
    let outcomes = node.database.submit(table, events.collect()).await.unwrap();
    let reasons = outcomes.quarantined.into_keys().collect::<Vec<_>>().join("; ");
    (outcomes.taken, outcomes.corrected, outcomes.unchanged, outcomes.deleted, reasons)
}

fn reading(circuit: &str, at: &str, power_w: i64) -> String {
    format!("{{\"circuit\": \"{circuit}\", \"at\": {}, \"power_w\": {power_w}}}", millis(at))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollups_keep_what_they_counted_and_later_views_cover_what_is_kept() {
    let node = Node::new("2026-05-10 12:00:00").await;
    node.run(READINGS).await;
    node.run(&format!("CREATE MATERIALIZED VIEW by_day AS {BY_DAY}")).await;
    node.run(&values(&[
        ("a", "2026-05-02T10:00:00Z", 1),
        ("a", "2026-05-02T11:00:00Z", 2),
        ("b", "2026-05-05T10:00:00Z", 4),
        ("b", "2026-05-09T10:00:00Z", 8),
    ]))
    .await;
    assert_eq!(node.rows(KEPT).await, "a,02,1;a,02,2;b,05,4;b,09,8");
    let rollup = "SELECT circuit, day, n, w FROM by_day ORDER BY day";
    let counted = "a,2026-05-02,2,2;b,2026-05-05,1,4;b,2026-05-09,1,8";
    assert_eq!(node.rows(rollup).await, counted);

    node.set("2026-05-12 10:30:00");
    node.becomes(KEPT, "a,02,2;b,05,4;b,09,8").await;
    let node = node.sleeps_until("2026-05-17 00:00:00").await;
    node.becomes(KEPT, "b,09,8").await;
    assert_eq!(node.rows(rollup).await, counted);
    assert_eq!(node.rows("SELECT day, n FROM by_day WHERE circuit = 'a'").await, "2026-05-02,2");

    node.run(&format!("CREATE MATERIALIZED VIEW later AS {BY_DAY}")).await;
    node.run("CREATE MATERIALIZED VIEW above AS SELECT sum(n) AS n FROM later").await;
    assert_eq!(node.rows("SELECT circuit, day, n FROM later").await, "b,2026-05-09,1");
    let covered = "SELECT name, to_char(covers_since, 'MM-DD HH24:MI') FROM caudal.relations
        WHERE covers_since IS NOT NULL ORDER BY name";
    assert_eq!(node.rows(covered).await, "above,05-07 00:00;by_day,04-30 12:00;later,05-07 00:00");
    let node = node.sleeps_until("2026-05-17 00:00:00").await;
    assert_eq!(node.rows(covered).await, "above,05-07 00:00;by_day,04-30 12:00;later,05-07 00:00");
    node.run(&values(&[("b", "2026-05-09T11:00:00Z", 16)])).await;
    assert_eq!(node.rows("SELECT n, w FROM later").await, "2,16");
    assert_eq!(node.rows("SELECT n FROM above").await, "2");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_to_be_forgotten_takes_no_corrections() {
    let node = Node::new("2026-05-10 12:00:00").await;
    node.run(READINGS).await;
    node.run(&format!("CREATE MATERIALIZED VIEW by_quarter AS {BY_QUARTER}")).await;
    node.run(&values(&[
        ("a", "2026-05-02T10:00:00Z", 1),
        ("a", "2026-05-02T10:05:00Z", 9),
        ("a", "2026-05-08T10:00:00Z", 4),
    ]))
    .await;
    // A day before it is forgotten, to the moment.
    node.set("2026-05-11 10:00:00");
    assert_eq!(
        sent(&node, "readings", &[("", &reading("a", "2026-05-02 10:00:00", 2))]).await,
        (0, 1, 0, 0, String::new())
    );
    node.set("2026-05-11 10:00:00.001");
    let late = [
        ("", &*reading("a", "2026-05-02 10:00:00", 3)),
        ("", &*reading("a", "2026-05-02 10:00:00", 2)),
        ("", &*reading("b", "2026-05-01 10:00:00", 3)),
        ("{\"circuit\": \"a\", \"at\": \"2026-05-02T10:00:00Z\"}", ""),
        // The greatest of its quarter goes while it still may.
        ("{\"circuit\": \"a\", \"at\": \"2026-05-02T10:05:00Z\"}", ""),
    ];
    assert_eq!(sent(&node, "readings", &late).await, (0, 0, 1, 1, REASON.to_owned()));
    let kept = "SELECT payload, reason FROM caudal.quarantine ORDER BY position LIMIT 1";
    assert_eq!(node.rows(kept).await, format!("{},{REASON}", reading("a", "2026-05-02 10:00:00", 3)));
    assert_eq!(node.rows("SELECT w FROM by_quarter ORDER BY quarter").await, "2;4");
    // What is forgotten does not come back: neither the row nor its count.
    node.set("2026-05-13 00:00:00");
    node.becomes("SELECT count(*) FROM readings", "1").await;
    assert_eq!(sent(&node, "readings", &[("", &reading("a", "2026-05-02 10:00:00", 2))]).await.4, REASON);
    assert_eq!(node.rows("SELECT w FROM by_quarter ORDER BY quarter").await, "2;4");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_forgotten_by_a_column_that_is_not_in_the_key_too() {
    let node = Node::new("2026-05-10 12:00:00").await;
    node.run(
        "CREATE TABLE talks (id bigint PRIMARY KEY, day date, v bigint)
         WITH (retention = '10 days', retention_by = 'day', version = 'v', max_rows = 300)",
    )
    .await;
    node.run("CREATE TABLE people (id bigint PRIMARY KEY, talk bigint)").await;
    node.run("CREATE MATERIALIZED VIEW of_people AS SELECT p.id, t.day FROM people p JOIN talks t ON t.id = p.talk")
        .await;
    let talks = (0..300).map(|id| format!("({id}, DATE '2026-05-{:02}', 1)", 2 + id % 8));
    node.run(&format!("INSERT INTO talks VALUES {}", talks.collect::<Vec<_>>().join(", "))).await;
    node.run("INSERT INTO people VALUES (1, 0), (2, 7)").await;
    node.run("DELETE FROM talks WHERE id = 1").await;
    let full = sent(
        &node,
        "talks",
        &[
            ("", "{\"id\": 1000, \"day\": \"2026-05-09\", \"v\": 1}"),
            ("", "{\"id\": 1001, \"day\": \"2026-05-09\", \"v\": 1}"),
            ("", "{\"id\": 1002, \"v\": 1}"),
        ],
    )
    .await;
    assert_eq!((full.0, full.4.contains("max_rows"), full.4.contains("day")), (1, true, true), "{}", full.4);
    // It is moved on before its day comes, and is kept as long as its day says.
    node.run("UPDATE talks SET day = DATE '2026-05-09', v = 2 WHERE id = 0").await;
    node.set("2026-05-13 12:00:00");
    node.becomes("SELECT min(day), count(*) FROM talks", "2026-05-04,226").await;
    assert_eq!(node.rows("SELECT day FROM talks WHERE id = 0").await, "2026-05-09");
    // There is room again, and joins find what is kept.
    let taken = sent(&node, "talks", &[("", "{\"id\": 1001, \"day\": \"2026-05-13\", \"v\": 1}")]).await;
    assert_eq!((taken.0, taken.4), (1, String::new()));
    node.run("INSERT INTO people VALUES (3, 8), (4, 3), (5, 1001)").await;
    assert_eq!(
        node.rows("SELECT id, day FROM of_people ORDER BY id").await,
        "1,2026-05-09;2,2026-05-09;4,2026-05-05;5,2026-05-13"
    );
    let node = node.sleeps_until("2026-05-13 12:00:00").await;
    node.run("INSERT INTO people VALUES (6, 8), (7, 3)").await;
    assert_eq!(node.rows("SELECT id FROM of_people WHERE id > 5").await, "7");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_made_after_rows_were_forgotten_goes_on_from_then() {
    let node = Node::new("2026-05-10 12:00:00").await;
    node.run(READINGS).await;
    node.run(&values(&[("a", "2026-05-02T10:00:00Z", 1), ("b", "2026-05-12T10:00:00Z", 2)])).await;
    // That a row is forgotten is all that happens until then.
    node.set("2026-05-12 12:00:00");
    node.becomes(KEPT, "b,12,2").await;
    node.run(
        "CREATE MATERIALIZED VIEW today AS SELECT circuit FROM readings WHERE at BETWEEN now() - INTERVAL '1 day' AND now()",
    )
    .await;
    assert_eq!(node.rows("SELECT circuit FROM today").await, "b");
    node.set("2026-05-13 11:00:00");
    node.becomes("SELECT circuit FROM today", "").await;
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_forgets_with_its_table() {
    let node = Node::new("2026-05-10 12:00:00").await;
    node.run(READINGS).await;
    node.run(&values(&[
        ("a", "2026-05-02T10:00:00Z", 1),
        ("a", "2026-05-05T10:00:00Z", 2),
        ("b", "2026-05-09T10:00:00Z", 4),
    ]))
    .await;
    node.run("CREATE INDEX by_power ON readings (power_w)").await;
    let by_power = "SELECT circuit, power_w FROM readings WHERE power_w > 0 ORDER BY power_w";
    let plan = node.rows(&format!("EXPLAIN {by_power}")).await;
    assert!(plan.contains("index=by_power") && !plan.contains("SortExec"), "{plan}");
    assert_eq!(node.rows(by_power).await, "a,1;a,2;b,4");
    node.set("2026-05-12 12:00:00");
    node.becomes(by_power, "a,2;b,4").await;
    let node = node.sleeps_until("2026-05-16 00:00:00").await;
    node.becomes(by_power, "b,4").await;
    assert_eq!(node.rows("SELECT rows_estimate FROM caudal.relations WHERE name = 'by_power'").await, "1");
    node.database.close().await;
}

/// A row that met one which is forgotten goes with its own retraction, and once, whatever came in that one's place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_and_exists_keep_what_they_found_until_the_row_goes() {
    let node = Node::new("2026-05-10 12:00:00").await;
    node.run(
        "CREATE TABLE trips (id bigint PRIMARY KEY, at timestamptz) WITH (retention = '10 days', retention_by = 'at')",
    )
    .await;
    node.run("CREATE TABLE parcels (id bigint PRIMARY KEY, trip bigint, address text)").await;
    node.run("CREATE MATERIALIZED VIEW travelling AS SELECT * FROM parcels WHERE trip IN (SELECT id FROM trips)").await;
    node.run("CREATE MATERIALIZED VIEW known AS SELECT id FROM trips").await;
    node.run(
        "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM parcels AS p
         WHERE EXISTS (SELECT 1 FROM known AS k WHERE k.id = p.trip)",
    )
    .await;
    node.run("INSERT INTO trips VALUES (1, '2026-05-02 00:00:00Z'), (2, '2026-05-09 00:00:00Z')").await;
    node.run("INSERT INTO parcels VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, 3, 'd')").await;
    const TRAVELLING: &str = "SELECT id, address FROM travelling ORDER BY id";
    assert_eq!(node.rows(TRAVELLING).await, "1,a;2,b;3,c");
    assert_eq!(node.rows("SELECT n FROM counted").await, "3");
    node.set("2026-05-13 12:00:00");
    node.becomes("SELECT id FROM trips", "2").await;
    node.run("DELETE FROM parcels WHERE id = 1").await;
    node.run("UPDATE parcels SET address = 'B' WHERE id = 2").await;
    assert_eq!(node.rows(TRAVELLING).await, "2,B;3,c");
    // Its number is given to another.
    node.run("INSERT INTO trips VALUES (1, '2026-05-13 00:00:00Z')").await;
    assert_eq!(node.rows(TRAVELLING).await, "2,B;3,c");
    assert_eq!(node.rows("SELECT count(*) FROM travelling").await, "2");
    assert_eq!(node.rows("SELECT n FROM counted").await, "2");
    node.run("DELETE FROM parcels WHERE id = 2").await;
    assert_eq!(node.rows(TRAVELLING).await, "3,c");
    assert_eq!(node.rows("SELECT n FROM counted").await, "1");
    node.database.close().await;
}
