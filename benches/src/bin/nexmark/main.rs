//! Nexmark's queries 4, 5, 7, 9 and 20 as views in SQL against the same by hand over crate dbsp.
//!
//! The peer is a program of its own (`benches/dbsp`, see [`peer`]), run three ways: in memory; durable, with a checkpoint of
//! what the query needs after each epoch; and durable with the events kept as tables by key, which is what a view over tables
//! is. The target is about the last one. Each run of any side is a process that generates the events, takes them in epochs and
//! says what that took and what the answer is; the answers must be the same. Figures are of processor time, of all threads, so
//! that two cores help nobody.

mod by_sql;
mod events;
mod peer;

use std::path::Path;

use benches::report::{Report, median};
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;

const TARGET_RATIO: f64 = 0.5;

/// What is compared, as the report has it.
const SIDES: [&str; 4] = [
    "dbsp by hand, in memory",
    "dbsp by hand, durable",
    "dbsp by hand, durable, with tables",
    "view by SQL, durable, with tables",
];
const MEMORY: usize = 0;
const DURABLE: usize = 1;
const TABLES: usize = 2;
const BY_SQL: usize = 3;

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
        "by SQL, x of it",
        "us of processor/event",
        "peak MiB",
        "rows",
    ];
    let mut report = Report::new("nexmark", &columns);
    for query in &arguments.queries {
        let runs = runs(&peer, &own, query, &arguments)?;
        let events = arguments.events as f64;
        let of = |side: usize, figure: fn(&Run) -> f64| median(&runs[side].iter().map(figure).collect::<Vec<_>>());
        let per_processor = |side: usize| events / of(side, |run| run.processor_seconds);
        let times = |side: usize| per_processor(BY_SQL) / per_processor(side);
        for (side, name) in SIDES.iter().enumerate() {
            report.row(vec![
                json!(query),
                json!(name),
                json!((events / of(side, |run| run.seconds)).round()),
                json!(per_processor(side).round()),
                json!(times(side)),
                json!(1e6 / per_processor(side)),
                json!(of(side, |run| run.peak_mib as f64).round() as u64),
                json!(runs[side][0].rows),
            ]);
        }
        let met = if times(TABLES) >= TARGET_RATIO { "met" } else { "MISSED" };
        report.note(format!(
            "Target {query}: at least {TARGET_RATIO}x of durable tables and query by hand, found {:.2}x: {met}; {:.2}x where only \
             the query is kept, {:.2}x in memory.",
            times(TABLES),
            times(DURABLE),
            times(MEMORY)
        ));
    }
    report.note(format!("Answers compared in every run; medians of {} runs, the sides in turn.", arguments.repeats));
    report.finish()?;
    Ok(())
}

/// The runs of each side, which take turns. Fails where an answer is another.
fn runs(peer: &Path, own: &Path, query: &str, arguments: &Arguments) -> anyhow::Result<[Vec<Run>; 4]> {
    let [events, epoch] = [arguments.events.to_string(), arguments.epoch.to_string()];
    let mut runs: [Vec<Run>; 4] = Default::default();
    for _ in 0..arguments.repeats {
        let dirs = [tempfile::tempdir()?, tempfile::tempdir()?];
        let [durable, tables] = dirs.each_ref().map(|dir| dir.path().to_str().expect("a temporary directory's name"));
        let of_round = [
            peer::run(peer, &[query, &events, &epoch])?,
            peer::run(peer, &[query, &events, &epoch, durable])?,
            peer::run(peer, &[query, &events, &epoch, tables, "tables"])?,
            peer::run(own, &["--once", query, "--events", &events, "--epoch", &epoch])?,
        ];
        for (run, side) in of_round.iter().zip(SIDES) {
            anyhow::ensure!(
                (run.rows, &run.digest) == (of_round[BY_SQL].rows, &of_round[BY_SQL].digest),
                "{query}: {} rows ({}) of {side}, {} rows ({}) by SQL",
                run.rows,
                run.digest,
                of_round[BY_SQL].rows,
                of_round[BY_SQL].digest
            );
        }
        runs.iter_mut().zip(of_round).for_each(|(runs, run)| runs.push(run));
    }
    Ok(runs)
}
