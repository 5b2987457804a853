//! Nexmark's queries 4, 5, 7, 9 and 20 as views in SQL, durable, against the same by hand over crate dbsp, in memory.
//!
//! The peer is a program of its own (`benches/dbsp`, see [`peer`]). Each run of either side is a process that generates the
//! events, takes them in epochs and says what that took and what the answer is; the answers must be the same. Caudal also
//! keeps every event in its table, and each epoch is on disk before the last one counts as done; the peer keeps what the query
//! needs, and loses it with the process. Figures are of processor time, of all threads, so that two cores help nobody.

mod by_sql;
mod events;
mod peer;

use benches::report::{Report, median};
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;

const TARGET_RATIO: f64 = 0.5;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Events of an epoch.
    #[arg(long, default_value_t = 10_000)]
    epoch: usize,
    /// Runs of each side; the median counts.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Queries measured.
    #[arg(long, value_delimiter = ',', default_value = "q4,q5,q7,q9,q20")]
    queries: Vec<String>,
    /// Run this query once, by SQL, and print what it took as a line of JSON.
    #[arg(long)]
    once: Option<String>,
}

/// What a run took, and its answer.
#[derive(Serialize, Deserialize)]
struct Run {
    seconds: f64,
    /// Of all threads.
    processor_seconds: f64,
    /// The most memory of the process, the generated events among it.
    peak_mib: u64,
    rows: i64,
    /// The sum of the rows' hashes, in hexadecimal.
    digest: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(query) = &arguments.once {
        println!("{}", serde_json::to_string(&by_sql::run(query, arguments.events, arguments.epoch)?)?);
        return Ok(());
    }
    let peer = peer::program()?;
    let own = std::env::current_exe()?;
    let columns = [
        "query",
        "side",
        "events/s",
        "events per processor second",
        "x by hand",
        "us of processor/event",
        "peak MiB",
        "rows",
    ];
    let mut report = Report::new("nexmark", &columns);
    for query in &arguments.queries {
        let counts = [arguments.events.to_string(), arguments.epoch.to_string()];
        let mut runs: [Vec<Run>; 2] = Default::default();
        for _ in 0..arguments.repeats {
            runs[0].push(peer::run(&peer, &[query, &counts[0], &counts[1]])?);
            runs[1].push(peer::run(&own, &["--once", query, "--events", &counts[0], "--epoch", &counts[1]])?);
            let [by_hand, by_sql] = [0, 1].map(|side: usize| &runs[side][runs[side].len() - 1]);
            anyhow::ensure!(
                (by_hand.rows, &by_hand.digest) == (by_sql.rows, &by_sql.digest),
                "{query}: {} rows ({}) by hand, {} rows ({}) by SQL",
                by_hand.rows,
                by_hand.digest,
                by_sql.rows,
                by_sql.digest
            );
        }
        let events = arguments.events as f64;
        let of = |side: usize, figure: fn(&Run) -> f64| median(&runs[side].iter().map(figure).collect::<Vec<_>>());
        let per_processor = |side: usize| events / of(side, |run| run.processor_seconds);
        for (side, name) in ["dbsp by hand, in memory", "view by SQL, durable"].iter().enumerate() {
            report.row(vec![
                json!(query),
                json!(name),
                json!((events / of(side, |run| run.seconds)).round()),
                json!(per_processor(side).round()),
                json!(per_processor(side) / per_processor(0)),
                json!(1e6 / per_processor(side)),
                json!(of(side, |run| run.peak_mib as f64).round() as u64),
                json!(runs[side][0].rows),
            ]);
        }
        let ratio = per_processor(1) / per_processor(0);
        let met = if ratio >= TARGET_RATIO { "met" } else { "MISSED" };
        report.note(format!("Target {query}: at least {TARGET_RATIO}x by hand, found {ratio:.2}x: {met}."));
    }
    report.note(format!("Answers compared in every run; medians of {} runs, the sides in turn.", arguments.repeats));
    report.finish()?;
    Ok(())
}
