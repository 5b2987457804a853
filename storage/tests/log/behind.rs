//! Appends to what feeds a table wait while the table is too far behind, and only they.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use storage::log::embedded::{Embedded, LogOptions, TopicSettings};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::harness::{PATIENCE, event, partition, position};

const BEHIND_BYTES_MAX: u64 = 1 << 20;
/// Bytes of an event; those of its batch are a few more.
const EVENT_BYTES: usize = 16 << 10;
const SENDERS: usize = 8;
/// Of each sender.
const EVENTS: usize = 100;
/// Events that a table may be behind, at least.
const LEAST: usize = (BEHIND_BYTES_MAX as usize - 2 * (64 << 10)) / (EVENT_BYTES + 100);

async fn fresh() -> (TempDir, Arc<Embedded>) {
    let dir = TempDir::new().unwrap();
    let options = LogOptions { behind_bytes_max: BEHIND_BYTES_MAX, ..LogOptions::default() };
    let log = Embedded::open(&dir.path().join("log"), options).unwrap();
    for topic in ["fed", "free"] {
        log.create_topic(topic, 1, TopicSettings::default()).await.unwrap();
    }
    (dir, Arc::new(log))
}

/// Sends to a topic, and counts what is acknowledged.
fn send(log: &Arc<Embedded>, topic: &'static str, acknowledged: &Arc<AtomicUsize>) {
    for _ in 0..SENDERS {
        let (log, acknowledged) = (log.clone(), acknowledged.clone());
        tokio::spawn(async move {
            for _ in 0..EVENTS {
                log.append(vec![event(topic, &"x".repeat(EVENT_BYTES))]).await.unwrap();
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Waits until so many are acknowledged, at least.
async fn until(acknowledged: &AtomicUsize, events: usize) {
    let reached = async {
        while acknowledged.load(Ordering::Relaxed) < events {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let found = timeout(PATIENCE, reached).await;
    assert!(found.is_ok(), "{} of {events} are acknowledged", acknowledged.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread")]
async fn never_more_is_acknowledged_than_the_table_may_be_behind() {
    let (_dir, log) = fresh().await;
    log.consumed(&[position("fed", 0, 0)]);
    let (fed, free) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    send(&log, "fed", &fed);
    send(&log, "free", &free);
    until(&free, SENDERS * EVENTS).await;
    // What each sender has on its way when the bound is reached; what the index does not tell apart counts as behind.
    let most = BEHIND_BYTES_MAX as usize / EVENT_BYTES + SENDERS;
    let mut consumed = 0;
    while consumed + LEAST < SENDERS * EVENTS {
        until(&fed, consumed + LEAST).await;
        let behind = fed.load(Ordering::Relaxed) - consumed;
        assert!(behind <= most, "{behind} events are acknowledged and not taken, more than {most}");
        consumed += LEAST / 2;
        log.consumed(&[position("fed", 0, consumed as u64)]);
    }
    until(&fed, SENDERS * EVENTS).await;
}

/// One that begins to read a topic with a history keeps nobody waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_not_waited_for() {
    let (_dir, log) = fresh().await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    send(&log, "fed", &acknowledged);
    until(&acknowledged, SENDERS * EVENTS).await;
    log.consumed(&[position("fed", 0, 0)]);
    timeout(PATIENCE, log.append(vec![event("fed", "next")])).await.unwrap().unwrap();
}

/// A table that is dropped, or takes nothing more, lets those go on that wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_ever() {
    for released in [true, false] {
        let (_dir, log) = fresh().await;
        log.consumed(&[position("fed", 0, 0)]);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        send(&log, "fed", &acknowledged);
        until(&acknowledged, LEAST).await;
        match released {
            true => log.released(&[partition("fed", 0)]),
            false => log.abandoned(),
        }
        until(&acknowledged, SENDERS * EVENTS).await;
    }
}
