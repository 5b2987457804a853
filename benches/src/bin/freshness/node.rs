//! The database: from append to published.

use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use benches::database::{integer, open, run as statement};
use storage::Event;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::Load;

const DEFINITIONS: [&str; 4] = [
    "CREATE TABLE readings (circuit INT, at TIMESTAMPTZ, power_w BIGINT, PRIMARY KEY (circuit, at))",
    "CREATE MATERIALIZED VIEW minutes AS SELECT circuit, date_bin(INTERVAL '1 minute', at) AS start, count(*) AS n, \
     sum(power_w) AS total, min(power_w) AS low, max(power_w) AS high FROM readings \
     GROUP BY circuit, date_bin(INTERVAL '1 minute', at)",
    "CREATE MATERIALIZED VIEW quarters AS SELECT circuit, date_bin(INTERVAL '15 minutes', at) AS start, count(*) AS n, \
     sum(power_w) AS total, min(power_w) AS low, max(power_w) AS high FROM readings \
     GROUP BY circuit, date_bin(INTERVAL '15 minutes', at)",
    "CREATE MATERIALIZED VIEW days AS SELECT circuit, date_trunc('day', at) AS start, count(*) AS n, \
     sum(power_w) AS total, min(power_w) AS low, max(power_w) AS high FROM readings \
     GROUP BY circuit, date_trunc('day', at)",
];

/// Milliseconds from due to published, an entry a burst. Every reading must be in every view at the end.
pub async fn run(load: Load) -> anyhow::Result<Vec<f64>> {
    let dir = tempfile::tempdir()?;
    let database = open(dir.path()).await?;
    for definition in DEFINITIONS {
        statement(&database, definition).await?;
    }
    // A thread of its own: the runtime's timers are no finer than the period of the bursts.
    let (sender_database, runtime) = (Arc::clone(&database), Handle::current());
    let generate = move || {
        let mut senders = JoinSet::new();
        let started = Instant::now();
        for burst in 0..load.bursts {
            let due = load.due(started, burst);
            let events: Vec<Event> = load.payloads(burst).map(event).collect();
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let database = Arc::clone(&sender_database);
            let submit = async move {
                let outcomes = database.submit("readings", events).await?;
                anyhow::Ok((outcomes.taken, due.elapsed().as_secs_f64() * 1e3))
            };
            senders.spawn_on(submit, &runtime);
        }
        senders
    };
    let mut senders = tokio::task::spawn_blocking(generate).await?;
    let mut latencies = Vec::with_capacity(load.bursts as usize);
    while let Some(sent) = senders.join_next().await {
        let (taken, latency) = sent??;
        ensure!(taken == load.burst_events, "{taken} of {} readings were taken", load.burst_events);
        latencies.push(latency);
    }
    for view in ["minutes", "quarters", "days"] {
        let counted = integer(&database, &format!("SELECT CAST(sum(n) AS BIGINT) FROM {view}")).await?;
        ensure!(counted as u64 == load.events(), "{view} counts {counted} of {} readings", load.events());
    }
    database.close().await;
    Ok(latencies)
}

fn event(payload: String) -> Event {
    Event { value: Some(payload.into()), ..Event::default() }
}
