//! Views created over a million rows while events come: what that does to the freshness of the views that are there.
//!
//! Bursts of readings are sent a thousand times a second to a node with three rollups, whatever became of those before; a
//! latency counts from the moment at which a burst was due until its readings are durable and in every view. The same
//! bursts are sent for a while before each of the other views is created, and until it is there: what the view costs once it
//! is there is part of what was before the next. In the end every view has what its query answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use benches::database::{integer, load, open, run};
use benches::report::{Report, percentile};
use clap::Parser;
use serde_json::json;
use sql::Database;
use storage::Event;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

const BURSTS_PER_SECOND: u64 = 1_000;
const SHARES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];
/// What the creation may cost the others, at the 99th percentile.
const TARGET_RATIO: f64 = 2.0;

const DEFINITIONS: [&str; 6] = [
    "CREATE TABLE circuits (circuit INT PRIMARY KEY, house INT)",
    "INSERT INTO circuits SELECT n, n / 10 FROM generate_series(0, 999) AS n",
    "CREATE TABLE readings (circuit INT, at TIMESTAMPTZ, power_w BIGINT, PRIMARY KEY (circuit, at))",
    "CREATE MATERIALIZED VIEW minutes AS SELECT circuit, date_bin(INTERVAL '1 minute', at) AS start, count(*) AS n, \
     sum(power_w) AS total FROM readings GROUP BY circuit, date_bin(INTERVAL '1 minute', at)",
    "CREATE MATERIALIZED VIEW quarters AS SELECT circuit, date_bin(INTERVAL '15 minutes', at) AS start, count(*) AS n, \
     sum(power_w) AS total FROM readings GROUP BY circuit, date_bin(INTERVAL '15 minutes', at)",
    "CREATE MATERIALIZED VIEW days AS SELECT circuit, date_trunc('day', at) AS start, count(*) AS n, \
     sum(power_w) AS total FROM readings GROUP BY circuit, date_trunc('day', at)",
];
/// The views that are created, and their queries.
const CREATED: [(&str, &str); 5] = [
    (
        "rollup",
        "SELECT circuit, date_trunc('hour', at) AS start, count(*) AS n, sum(power_w) AS total, avg(power_w) AS mean, \
         max(power_w) AS high FROM readings GROUP BY circuit, date_trunc('hour', at)",
    ),
    (
        "joined",
        "SELECT house, count(*) AS n, sum(power_w) AS total FROM readings JOIN circuits USING (circuit) GROUP BY house",
    ),
    (
        "latest",
        "SELECT circuit, at, power_w FROM (SELECT circuit, at, power_w, row_number() OVER (PARTITION BY circuit \
         ORDER BY at DESC) AS place FROM readings) ranked WHERE place <= 3",
    ),
    (
        "differing",
        "SELECT date_trunc('hour', at) AS start, count(*) AS n, count(DISTINCT power_w) AS powers FROM readings \
         GROUP BY date_trunc('hour', at)",
    ),
    (
        "steps",
        "SELECT circuit, at, power_w - lag(power_w) OVER (PARTITION BY circuit ORDER BY at) AS step FROM readings",
    ),
];

#[derive(Parser)]
struct Arguments {
    /// Rows that are there before.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Events a second, one part of the bench each.
    #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
    rates: Vec<u64>,
    /// Seconds of load before each view is created.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

/// A reading as a meter sends it: 1,000 circuits, each read once a second of its own clock.
fn event(number: u64) -> Event {
    let (circuit, at) = (number % 1_000, 1_700_000_000_000 + number / 1_000 * 1_000);
    let power = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50;
    let payload = format!(r#"{{"circuit": {circuit}, "at": {at}, "power_w": {power}}}"#);
    Event { value: Some(payload.into()), ..Event::default() }
}

/// Sends bursts until `ends`; the milliseconds that each took, and the first number that was not sent.
async fn bursts(
    database: &Arc<Database>,
    first: u64,
    burst_events: u64,
    ends: impl Fn(Instant) -> bool + Send + 'static,
) -> anyhow::Result<(Vec<f64>, u64)> {
    // A thread of its own: the runtime's timers are no finer than the period of the bursts.
    let (sender_database, runtime) = (database.clone(), Handle::current());
    let generate = move || {
        let mut senders = JoinSet::new();
        let started = Instant::now();
        let mut burst = 0;
        while !ends(started) {
            let due = started + Duration::from_micros(burst * 1_000_000 / BURSTS_PER_SECOND);
            let from = first + burst * burst_events;
            let events: Vec<Event> = (from..from + burst_events).map(event).collect();
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let database = sender_database.clone();
            let submit = async move {
                let outcomes = database.submit("readings", events).await?;
                anyhow::Ok((outcomes.taken, due.elapsed().as_secs_f64() * 1e3))
            };
            senders.spawn_on(submit, &runtime);
            burst += 1;
        }
        (senders, first + burst * burst_events)
    };
    let (mut senders, next) = tokio::task::spawn_blocking(generate).await?;
    let mut latencies = Vec::new();
    while let Some(sent) = senders.join_next().await {
        let (taken, latency) = sent??;
        ensure!(taken == burst_events, "{taken} of {burst_events} readings were taken");
        latencies.push(latency);
    }
    Ok((latencies, next))
}

/// The creation of a view.
struct Creation {
    /// Milliseconds that each burst took before it and meanwhile.
    latencies: [Vec<f64>; 2],
    seconds: f64,
}

/// Creates the views.
async fn part(rows: u64, rate: u64, seconds: u64) -> anyhow::Result<Vec<Creation>> {
    let dir = tempfile::tempdir()?;
    let database = open(dir.path()).await?;
    for definition in DEFINITIONS {
        run(&database, definition).await?;
    }
    load(&database, 0..rows, event).await?;
    let burst_events = rate / BURSTS_PER_SECOND;
    let lasts = Duration::from_secs(seconds);
    let (mut creations, mut end) = (Vec::new(), rows);
    for (name, query) in CREATED {
        let (before, next) = bursts(&database, end, burst_events, move |started| started.elapsed() >= lasts).await?;
        let (created, creating) = (Arc::new(AtomicBool::new(false)), database.clone());
        let there = created.clone();
        let creation = tokio::spawn(async move {
            let started = Instant::now();
            let done = run(&creating, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await;
            there.store(true, Ordering::Relaxed);
            done.map(|_| started.elapsed().as_secs_f64())
        });
        let (during, next) = bursts(&database, next, burst_events, move |_| created.load(Ordering::Relaxed)).await?;
        creations.push(Creation { latencies: [before, during], seconds: creation.await?? });
        end = next;
    }
    for view in ["minutes", "quarters", "days"] {
        let counted = integer(&database, &format!("SELECT CAST(sum(n) AS BIGINT) FROM {view}")).await?;
        ensure!(counted as u64 == end, "{view} counts {counted} of {end} readings");
    }
    for (name, query) in CREATED {
        let view = format!("SELECT * FROM {name}");
        for (these, those) in [(&*view, query), (query, &*view)] {
            let more = format!("SELECT count(*) FROM ({these} EXCEPT ALL {those}) AS more");
            let more = integer(&database, &more).await?;
            ensure!(more == 0, "{more} rows of {these} are not of {those}");
        }
    }
    database.close().await;
    Ok(creations)
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = sql::runtime()?;
    let columns = ["events/s", "view", "created s", "latency", "before ms", "during ms", "ratio"];
    let mut report = Report::new("create_under_load", &columns);
    for &rate in &arguments.rates {
        ensure!(rate >= BURSTS_PER_SECOND, "at least {BURSTS_PER_SECOND} events a second");
        let creations = runtime.block_on(part(arguments.rows, rate, arguments.seconds))?;
        for ((view, _), Creation { latencies, seconds }) in CREATED.iter().zip(&creations) {
            for (name, share) in SHARES {
                let [before, during] = latencies.each_ref().map(|took| percentile(took, share));
                let ratio = during / before;
                report.row(vec![
                    json!(rate),
                    json!(view),
                    json!(seconds),
                    json!(name),
                    json!(before),
                    json!(during),
                    json!(ratio),
                ]);
                if name == "p99" {
                    let met = if ratio <= TARGET_RATIO { "met" } else { "MISSED" };
                    report.note(format!(
                        "Target of {view} at {rate} events/s: p99 at most {TARGET_RATIO}x of before, found {ratio:.2}x: {met}."
                    ));
                }
            }
        }
    }
    report.note(format!("Views over {} rows, {} s of load before each.", arguments.rows, arguments.seconds));
    report.finish()?;
    Ok(())
}
