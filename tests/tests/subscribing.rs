//! A subscription's changes add up to what is subscribed to, at every epoch that it says is complete, whatever happens
//! meanwhile: none is lost, none comes twice, and nobody waits for a client that does not read.
//!
//! `CAUDAL_SEED=n` runs one random load.

#[path = "subscribing/asking.rs"]
mod asking;
#[path = "subscribing/follower.rs"]
mod follower;
#[path = "subscribing/slow.rs"]
mod slow;

use std::collections::BTreeMap;

use bytes::Bytes;
use dataflow::Epoch;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storage::Event;
use tests::node::Node;
use tokio_postgres::Client;

use follower::{Follower, Row};

const READINGS: &str = "CREATE TABLE reading (k bigint PRIMARY KEY, g bigint, w bigint)";

/// Views with their queries: a group, a bag, and a view on a view.
const VIEWS: [&str; 3] = [
    "CREATE MATERIALIZED VIEW per_group AS SELECT g, count(*) AS n, CAST(sum(w) AS BIGINT) AS w FROM reading GROUP BY g",
    "CREATE MATERIALIZED VIEW remainder AS SELECT g % 3 AS g, w % 5 AS w FROM reading WHERE w > 10",
    "CREATE MATERIALIZED VIEW per_count AS SELECT n, count(*) AS groups FROM per_group GROUP BY n",
];

/// What is subscribed to, and how to work out its rows from those of `reading`.
type Expected = fn(&BTreeMap<Row, i64>) -> BTreeMap<Row, i64>;
const SUBSCRIBED: [(&str, Expected); 5] = [
    ("SUBSCRIBE TO per_group", per_group),
    ("SUBSCRIBE remainder", remainder),
    ("SUBSCRIBE per_count", |readings| {
        let mut counted = BTreeMap::new();
        per_group(readings).keys().for_each(|row| *counted.entry(vec![row[1]]).or_default() += 1);
        counted.into_iter().map(|(row, groups): (Row, i64)| (vec![row[0], groups], 1)).collect()
    }),
    ("SUBSCRIBE (SELECT w + 1 AS more, k FROM reading WHERE g < 4)", |readings| {
        readings.keys().filter(|row| row[1] < 4).map(|row| (vec![row[2] + 1, row[0]], 1)).collect()
    }),
    ("SUBSCRIBE (SELECT w AS only FROM per_group WHERE n > 2)", |readings| {
        let mut only = BTreeMap::new();
        per_group(readings).keys().filter(|row| row[1] > 2).for_each(|row| *only.entry(vec![row[2]]).or_default() += 1);
        only
    }),
];

fn per_group(readings: &BTreeMap<Row, i64>) -> BTreeMap<Row, i64> {
    let mut groups: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for row in readings.keys() {
        let (n, w) = groups.entry(row[1]).or_default();
        (*n, *w) = (*n + 1, *w + row[2]);
    }
    groups.into_iter().map(|(g, (n, w))| (vec![g, n, w], 1)).collect()
}

fn remainder(readings: &BTreeMap<Row, i64>) -> BTreeMap<Row, i64> {
    let mut bag = BTreeMap::new();
    let rows = readings.keys().filter(|row| row[2] > 10).map(|row| vec![row[1] % 3, row[2] % 5]);
    rows.for_each(|row| *bag.entry(row).or_default() += 1);
    bag
}

/// Seeds of random loads: the one that is asked for, else a few.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("CAUDAL_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("CAUDAL_SEED is a number");
            seed..seed + 1
        }
        Err(_) if std::env::var_os("CAUDAL_FULL").is_some() => 0..40,
        Err(_) => 0..3,
    }
}

/// Changes readings for a while: statements that wait to be published, and events that do not.
async fn load(node: &Node, client: &Client, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(5..25) {
        let key = |random: &mut ChaCha8Rng| random.random_range(0..30_i64);
        let (group, value) = (random.random_range(0..6_i64), random.random_range(0..100_i64));
        let statement = match random.random_range(0..4) {
            0 => format!("INSERT INTO reading VALUES ({}, {group}, {value})", key(random)),
            1 => format!("DELETE FROM reading WHERE k = {}", key(random)),
            2 => format!("UPDATE reading SET w = w + {value} WHERE k = {}", key(random)),
            _ => {
                let event = |k: i64| {
                    let row = format!("{{\"k\": {k}, \"g\": {group}, \"w\": {value}}}");
                    let value = [None, Some(Bytes::from(row.clone())), Some(Bytes::from(row))];
                    let value = value.choose(random).unwrap().clone();
                    Event { key: Some(Bytes::from(k.to_string())), value, ..Event::default() }
                };
                let events = (0..20).map(event).collect();
                node.database.append("reading", events).await.unwrap();
                continue;
            }
        };
        client.batch_execute(&statement).await.unwrap();
    }
    // Waits for the events before it.
    client.batch_execute("INSERT INTO reading VALUES (1000, 5, 0); DELETE FROM reading WHERE k = 1000").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_add_up_to_the_view_at_every_epoch_and_go_on_after_restarts() {
    for seed in seeds() {
        eprintln!("seed {seed}");
        adds_up(ChaCha8Rng::seed_from_u64(seed)).await;
    }
}

async fn adds_up(mut random: ChaCha8Rng) {
    let mut node = Node::start().await;
    let client = node.connect().await;
    client.batch_execute(&format!("{READINGS}; {}", VIEWS.join("; "))).await.unwrap();
    let mut readings = Follower::new("SUBSCRIBE reading");
    let mut followers: Vec<(Follower, Expected)> = Vec::new();
    for round in 0..3 {
        let client = node.connect().await;
        if round > 0 {
            load(&node, &client, &mut random).await;
        }
        // Some begin while things happen, and some once they have.
        let new = SUBSCRIBED.iter().map(|(sql, expected)| (Follower::new(sql), *expected));
        followers.extend(new);
        let following: Vec<_> = std::iter::once(&mut readings)
            .chain(followers.iter_mut().map(|(follower, _)| follower))
            .map(|follower| std::mem::replace(follower, Follower::new("")))
            .collect();
        let mut running = Vec::new();
        for follower in following {
            let connection = node.connect().await;
            running.push(follower.run(connection, random.random_range(0..40)));
        }
        load(&node, &client, &mut random).await;
        let last = *node.database.published().borrow();
        let mut done = Vec::new();
        for follower in running {
            done.push(follower.until(last).await);
        }
        let mut done = done.into_iter();
        readings = done.next().unwrap();
        followers.iter_mut().zip(done).for_each(|((follower, _), done)| *follower = done);
        check(&node, &readings, &followers, last).await;
        node = node.restart().await;
    }
    node.stop().await;
}

/// Compares each follower with what the readings of the same epoch come to, and the readings with the table.
async fn check(node: &Node, readings: &Follower, followers: &[(Follower, Expected)], last: Epoch) {
    let client = node.connect().await;
    let table = client.query("SELECT k, g, w FROM reading", &[]).await.unwrap();
    let table: BTreeMap<Row, i64> = table.iter().map(|row| ((0..3).map(|at| row.get(at)).collect(), 1)).collect();
    assert_eq!(readings.at(last), table, "the changes of the table up to epoch {last}");
    let mut compared = 0;
    let first = readings.progress()[0].0;
    for (follower, expected) in followers {
        for (epoch, rows) in follower.progress().iter().filter(|(epoch, _)| *epoch >= first) {
            assert_eq!(*rows, expected(&readings.at(*epoch)), "{} at epoch {epoch}", follower.sql);
            compared += 1;
        }
    }
    // How many more there are depends on how often a follower gets its turn.
    assert!(compared >= followers.len(), "{compared} epochs were compared");
}
