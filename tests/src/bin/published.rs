//! A database with its MQTT door, under publishers, for tests that kill it: says what was acknowledged to them.
//! Its arguments are the data directory, the first number and how many follow.
//!
//! When the disk fails the publishers must be disconnected, and nothing be acknowledged. It ends with success either way: it said
//! what it could.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gateway::mqtt::{Options, Transport};
use sql::{Cancel, Database};
use tests::load::{self, GROUPS};
use tests::mqtt::{Client, Connect};
use tokio::net::TcpListener;

/// Each has groups of its own, so that what it sends to one comes in its order.
const PUBLISHERS: i64 = 5;
/// Readings in one message, when there are several.
const TOGETHER: i64 = 3;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [dir, first, count] = &arguments[..] else { panic!("DIR FIRST COUNT") };
    let (dir, first): (PathBuf, i64) = (dir.into(), first.parse().expect("the first number"));
    let count: i64 = count.parse().expect("how many");
    let database = match load::open(&dir).await {
        Ok(database) => database,
        Err(error) => return say(&format!("refused {error}")),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let listeners = vec![(Transport::Tcp, listener)];
    let closing = Cancel::new();
    let door = tokio::spawn(gateway::mqtt::serve(listeners, database.clone(), Options::default(), closing.clone()));
    let publishers: Vec<_> =
        (0..PUBLISHERS).map(|publisher| tokio::spawn(publish(address, publisher, first, first + count))).collect();
    for publisher in publishers {
        publisher.await.expect("a publisher ends");
    }
    closing.cancel();
    door.await.expect("the door").expect("the door ends");
    finish(&database).await;
    database.close().await;
}

/// Publishes this publisher's numbers to both tables until it is disconnected: alone, or several of a group in one message.
async fn publish(address: SocketAddr, publisher: i64, first: i64, end: i64) {
    let version = if publisher % 2 == 0 { 4 } else { 5 };
    let mut client = Client::enter(address, &Connect::new(version, &format!("publisher {publisher}"))).await;
    let mut start = first;
    while start < end {
        for group in (publisher..GROUPS).step_by(PUBLISHERS as usize) {
            let numbers = (0..TOGETHER).map(|at| start + at * GROUPS + group).filter(|n| *n < end);
            let numbers: Vec<i64> = numbers.collect();
            let grp = numbers.first().map_or(0, |n| n % GROUPS);
            let objects: Vec<String> = numbers.iter().map(|n| format!("{{\"n\": {n}}}")).collect();
            let messages = match group % 3 {
                0 => vec![format!("[{}]", objects.join(", "))],
                _ => objects,
            };
            for message in messages {
                for table in ["sent", "latest"] {
                    if !client.publish(&format!("{table}/{grp}"), &message).await {
                        return say("failed: a publisher was disconnected");
                    }
                }
            }
            numbers.iter().for_each(|n| say(&format!("acknowledged {n} {}", n + 1)));
        }
        start += TOGETHER * GROUPS;
    }
}

/// Catches up where that is possible: a database that cannot write reads on.
async fn finish(database: &Arc<Database>) {
    if load::catch_up(database).await.is_err() {
        load::run(database, "SELECT count(*) FROM sent").await.expect("a database that cannot write reads on");
    }
}

/// A line at once, whole or not at all.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("somebody listens");
}
