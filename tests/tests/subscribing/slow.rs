//! Subscribers that do not read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use storage::Event;
use tests::node::{Node, PATIENCE};
use tokio_postgres::{Client, Error, Row};

/// Events that go by a subscriber that does not read.
const EVENTS: usize = 100_000;

/// Events of one append.
const AT_ONCE: usize = 2_000;

/// Bytes of a row, so that neither a socket nor a buffer takes what goes by.
const NOTE_BYTES: usize = 200;

/// Keys that the events are about.
const KEYS: usize = 5_000;

/// Sends events numbered from `from`, and waits until they can be read.
async fn send(node: &Node, client: &Client, events: std::ops::Range<usize>) {
    let note = "x".repeat(NOTE_BYTES);
    for first in events.clone().step_by(AT_ONCE) {
        let event = |n: usize| Event {
            key: Some(Bytes::from((n % KEYS).to_string())),
            value: Some(Bytes::from(format!("{{\"k\": {}, \"n\": {n}, \"note\": \"{note}\"}}", n % KEYS))),
            ..Event::default()
        };
        node.database.append("event", (first..first + AT_ONCE).map(event).collect()).await.unwrap();
    }
    let last = format!("INSERT INTO event VALUES ({}, {}, '')", (events.end - 1) % KEYS, events.end);
    client.batch_execute(&last).await.unwrap();
}

async fn subscribe(client: &Client, sql: &str) -> impl Stream<Item = Result<Row, Error>> + use<> {
    client.query_raw::<_, i64, _>(sql, []).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_keeps_nobody_waiting_and_then_gets_all() {
    let node = Node::start().await;
    let (client, stalled) = (node.connect().await, node.connect().await);
    client.batch_execute("CREATE TABLE event (k bigint PRIMARY KEY, n bigint, note text)").await.unwrap();
    client.batch_execute("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM event").await.unwrap();
    send(&node, &client, 0..AT_ONCE).await;
    let alone = Instant::now();
    send(&node, &client, AT_ONCE..EVENTS / 2).await;
    let alone = alone.elapsed();
    let mut rows = std::pin::pin!(subscribe(&stalled, "SUBSCRIBE event WITH (PROGRESS)").await);
    let mut first = rows.try_next().await.unwrap().unwrap();
    let beside = Instant::now();
    send(&node, &client, EVENTS / 2..EVENTS).await;
    let beside = beside.elapsed();
    eprintln!("{} events alone in {alone:?}, beside a stalled reader in {beside:?}", EVENTS / 2);
    assert!(beside < 3 * alone + Duration::from_secs(2), "{beside:?} beside a stalled reader, {alone:?} alone");
    let last = *node.database.published().borrow();
    let mut newest: BTreeMap<i64, i64> = BTreeMap::new();
    loop {
        if first.get("progressed") {
            if first.get::<_, i64>("epoch") as u64 >= last.0 {
                break;
            }
        } else {
            let (k, n): (i64, i64) = (first.get("k"), first.get("n"));
            match first.get::<_, i64>("diff") {
                1 => assert_eq!(newest.insert(k, n), None, "key {k} has one row at a time"),
                _ => assert_eq!(newest.remove(&k), Some(n), "what goes was there"),
            }
        }
        first = tokio::time::timeout(PATIENCE, rows.try_next()).await.unwrap().unwrap().unwrap();
    }
    let table = client.query("SELECT k, n FROM event", &[]).await.unwrap();
    assert_eq!(newest, table.iter().map(|row| (row.get(0), row.get(1))).collect());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_further_behind_than_changes_are_kept_is_told_and_ended() {
    let node = Node::keeping(4 << 20).await;
    let (client, stalled) = (node.connect().await, node.connect().await);
    client.batch_execute("CREATE TABLE event (k bigint PRIMARY KEY, n bigint, note text)").await.unwrap();
    let mut rows = std::pin::pin!(subscribe(&stalled, "SUBSCRIBE event WITH (PROGRESS)").await);
    let first = rows.try_next().await.unwrap().unwrap();
    assert!(first.get::<_, bool>("progressed"));
    send(&node, &client, 0..EVENTS).await;
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            match rows.try_next().await {
                Ok(row) => assert!(row.is_some(), "it does not end as if that were all"),
                Err(error) => return error,
            }
        }
    });
    let ended = ended.await.unwrap();
    let told = ended.as_db_error().unwrap();
    assert_eq!((told.code().code(), told.hint()), ("72000", Some("Take the snapshot again: SUBSCRIBE without AS OF.")));
    let again = stalled.simple_query("SUBSCRIBE event AS OF 2").await.unwrap_err();
    assert_eq!(again.code().unwrap().code(), "72000", "the same is said of an epoch that is asked for");
    let kept: Vec<Row> = subscribe(&stalled, "SUBSCRIBE event").await.try_take_rows(KEYS).await;
    assert_eq!(kept.len(), KEYS, "the snapshot can be taken again");
    node.stop().await;
}

/// The first rows of a stream that does not end.
trait Take {
    async fn try_take_rows(self, count: usize) -> Vec<Row>;
}

impl<S: Stream<Item = Result<Row, Error>>> Take for S {
    async fn try_take_rows(self, count: usize) -> Vec<Row> {
        let mut stream = std::pin::pin!(self);
        let mut rows = Vec::with_capacity(count);
        while rows.len() < count {
            rows.push(tokio::time::timeout(PATIENCE, stream.try_next()).await.unwrap().unwrap().unwrap());
        }
        rows
    }
}
