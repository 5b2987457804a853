//! Streams: each event is a row once, nothing is kept of it but what views make of it, and a view that is made later has what
//! the log still has.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sql::{Database, SqlError};
use storage::{Event, LogHome, TopicPartition};
use tempfile::TempDir;
use tests::load::{self, Rows};

const SCANS: &str = "CREATE TABLE scans (parcel bigint, grams bigint CHECK (grams > 0), at timestamptz)
    WITH (topic = 'scans', stream = true, partitions = 3)";
const BY_PARCEL: &str = "SELECT parcel, count(*) AS n, sum(grams) AS total, min(grams) AS least, max(grams) AS most
    FROM scans GROUP BY parcel";
const LAST: &str =
    "SELECT parcel, grams FROM (SELECT parcel, grams, row_number() OVER (PARTITION BY parcel ORDER BY at DESC) AS n
    FROM scans) AS numbered WHERE n <= 2";

async fn run(database: &Arc<Database>, statement: &str) -> Rows {
    load::run(database, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

async fn refused(database: &Arc<Database>, statement: &str) -> SqlError {
    load::run(database, statement).await.expect_err(statement)
}

async fn view(database: &Arc<Database>, name: &str, query: &str) {
    run(database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await;
}

/// So many scans of ten parcels, from the `first` one on; every eleventh is no row.
async fn scan(database: &Arc<Database>, first: i64, count: i64) {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let scan = |n: i64| {
        let grams = if n % 11 == 0 { 0 } else { n };
        let value = format!(r#"{{"parcel": {}, "grams": {grams}, "at": {}}}"#, n % 10, n * 1_000);
        // What it says that it is called, all the others say too.
        let headers = [("ce_id", "7"), ("ce_source", "door")];
        let headers = headers.map(|(name, text)| (name.to_owned(), Bytes::from(text))).to_vec();
        let key = Some(Bytes::from(format!("{n}")));
        Event { key, value: Some(Bytes::from(value)), headers, timestamp_ms: now_ms, ..Event::default() }
    };
    database.append("scans", (first..first + count).map(scan).collect()).await.unwrap();
    load::catch_up(database).await.unwrap();
}

/// What the views of the first `count` scans must be.
fn by_parcel(count: i64) -> Rows {
    let grams = |parcel: i64| (1..=count).filter(move |n| n % 10 == parcel && n % 11 != 0);
    let row = |parcel: i64| {
        let [least, most] = [grams(parcel).min().unwrap(), grams(parcel).max().unwrap()];
        let figures = [parcel, grams(parcel).count() as i64, grams(parcel).sum(), least, most];
        figures.map(|figure| figure.to_string()).to_vec()
    };
    (0..10).map(row).collect()
}

fn last(count: i64) -> Rows {
    let of_parcel = |parcel: i64| {
        let grams = (1..=count).rev().filter(move |n| n % 10 == parcel && n % 11 != 0);
        let mut two: Vec<i64> = grams.take(2).collect();
        two.sort_unstable();
        two.into_iter().map(move |grams| vec![parcel.to_string(), grams.to_string()])
    };
    (0..10).flat_map(of_parcel).collect()
}

async fn both(database: &Arc<Database>, suffix: &str) -> [Rows; 2] {
    [
        run(database, &format!("SELECT parcel, n, total, least, most FROM by_parcel{suffix} ORDER BY parcel")).await,
        run(database, &format!("SELECT parcel, grams FROM last{suffix} ORDER BY parcel, grams")).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_made_before_and_after_events_came_are_the_same() {
    let dir = TempDir::new().unwrap();
    let database = load::open(dir.path()).await.unwrap();
    run(&database, SCANS).await;
    view(&database, "by_parcel", BY_PARCEL).await;
    view(&database, "last", LAST).await;
    scan(&database, 1, 3_000).await;
    assert_eq!(both(&database, "").await, [by_parcel(3_000), last(3_000)]);
    let quarantined = "SELECT count(*), count(DISTINCT reason) FROM caudal.quarantine WHERE table_name = 'scans'";
    assert_eq!(run(&database, quarantined).await, [["272", "1"]]);

    view(&database, "by_parcel_later", BY_PARCEL).await;
    view(&database, "last_later", LAST).await;
    assert_eq!(both(&database, "_later").await, [by_parcel(3_000), last(3_000)]);
    run(&database, &format!("CREATE OR REPLACE MATERIALIZED VIEW last AS {LAST}")).await;
    assert_eq!(run(&database, quarantined).await, [["272", "1"]], "what was no row is told once");
    let covers = "SELECT count(covers_since) FROM caudal.relations";
    assert_eq!(run(&database, covers).await, [["0"]]);

    database.close().await;
    drop(database);
    let database = load::open(dir.path()).await.unwrap();
    scan(&database, 3_001, 500).await;
    for suffix in ["", "_later"] {
        assert_eq!(both(&database, suffix).await, [by_parcel(3_500), last(3_500)], "{suffix}");
    }
    // By SQL it takes events as any other table does.
    run(&database, "INSERT INTO scans (parcel, grams, at) VALUES (77, 5, now()), (77, 5, now())").await;
    assert_eq!(run(&database, "SELECT n FROM by_parcel WHERE parcel = 77").await, [["2"]]);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_covers_what_the_log_still_has_and_says_so() {
    let dir = TempDir::new().unwrap();
    let database = load::open(dir.path()).await.unwrap();
    run(&database, SCANS).await;
    view(&database, "all_scans", "SELECT count(*) AS n FROM scans").await;
    scan(&database, 1, 600).await;
    let LogHome::Embedded(log) = database.log() else { panic!("it is embedded") };
    let mut dropped = 0;
    for partition in 0..3 {
        let partition = TopicPartition { topic: "scans".into(), partition };
        let (_, end) = log.bounds(&partition).await.unwrap();
        dropped += log.delete_records(&partition, end / 2).await.unwrap();
    }
    view(&database, "kept_scans", "SELECT count(*) AS n FROM scans").await;
    view(&database, "over_kept", "SELECT sum(n) AS n FROM kept_scans").await;
    let count = async |view: &str| run(&database, &format!("SELECT n FROM {view}")).await[0][0].parse::<u64>().unwrap();
    let (all, kept) = (count("all_scans").await, count("kept_scans").await);
    assert_eq!(all, 546);
    // Among those dropped some were no rows.
    assert!(kept < all && kept + dropped >= all, "{kept} of {all}, {dropped} dropped");
    let covers = "SELECT name FROM caudal.relations WHERE covers_since > now() - INTERVAL '1 hour' ORDER BY name";
    assert_eq!(run(&database, covers).await, [["kept_scans"], ["over_kept"]]);
    for partition in 0..3 {
        let partition = TopicPartition { topic: "scans".into(), partition };
        let (_, end) = log.bounds(&partition).await.unwrap();
        log.delete_records(&partition, end).await.unwrap();
    }
    view(&database, "new_scans", "SELECT count(*) AS n FROM scans").await;
    assert_eq!(run(&database, covers).await, [["kept_scans"], ["new_scans"], ["over_kept"]]);
    scan(&database, 601, 10).await;
    assert_eq!((count("kept_scans").await, count("new_scans").await), (kept + 10 - 1, 9));
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_need_kept_rows_is_refused_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    let database = load::open(dir.path()).await.unwrap();
    run(&database, SCANS).await;
    scan(&database, 1, 10).await;
    for statement in [
        "SELECT * FROM scans",
        "SELECT count(*) FROM scans s JOIN latest l ON l.grp = s.parcel",
        "INSERT INTO sent SELECT parcel, grams FROM scans",
        "SUBSCRIBE scans",
        "SUBSCRIBE scans WITH (SNAPSHOT = false)",
        "CREATE INDEX ON scans (parcel)",
        "ALTER TABLE scans ADD COLUMN depot text",
    ] {
        let error = refused(&database, statement).await;
        assert!(error.sqlstate == "0A000" && error.message.contains("scans"), "{statement}: {error:?}");
        assert!(error.hint.is_some(), "{statement}: {error:?}");
    }
    for statement in ["UPDATE scans SET grams = 5 WHERE parcel = 1", "DELETE FROM scans WHERE parcel = 1"] {
        assert_eq!(refused(&database, statement).await.sqlstate, "0A000", "{statement}");
    }
    let timed = refused(&database, "CREATE TABLE t (at timestamptz CHECK (at < now())) WITH (stream = true)").await;
    assert!(timed.sqlstate == "0A000" && timed.message.contains("asks for the time"), "{timed:?}");
    run(&database, "CREATE TABLE places (_id text) WITH (stream = true)").await;
    let fed = "CREATE TABLE channels (serial text, channel int, PRIMARY KEY (serial, channel)) WITH (gem = 'scans')";
    assert!(refused(&database, fed).await.message.contains("is a stream"));
    let kinds = "SELECT name, kind FROM caudal.relations WHERE name IN ('places', 'sent') ORDER BY name";
    assert_eq!(run(&database, kinds).await, [["places", "stream"], ["sent", "table"]]);
    // A view over it is as any other.
    view(&database, "heavy", "SELECT parcel, grams FROM scans WHERE grams > 5").await;
    assert_eq!(run(&database, "SELECT count(*) FROM heavy").await, [["5"]]);
    assert_eq!(refused(&database, "DROP TABLE scans").await.sqlstate, "2BP01");
    run(&database, "DROP MATERIALIZED VIEW heavy").await;
    run(&database, "DROP TABLE scans").await;
    database.close().await;
}
