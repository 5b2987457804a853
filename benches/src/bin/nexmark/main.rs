//! Nexmark's queries 4, 5, 7, 9 and 20 as views in SQL against the same by hand over crate dbsp.
//!
//! The peer is a program of its own (`benches/dbsp`, see [`peer`]), run three ways: in memory; durable, with a checkpoint of
//! what the query needs after each epoch; and durable with the events kept as tables by key. The views run two ways: over
//! streams, of whose events nothing is kept but what the query needs, and over tables by key. The target is about each against
//! the peer that keeps the same. Each run of any side is a process that generates the events, takes them in epochs and
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
const SIDES: [&str; 5] = [
    "dbsp by hand, in memory",
    "dbsp by hand, durable",
    "view by SQL over streams, durable",
    "dbsp by hand, durable, with tables",
    "view by SQL over tables, durable",
];
const MEMORY: usize = 0;
const DURABLE: usize = 1;
const OVER_STREAMS: usize = 2;
const TABLES: usize = 3;
const OVER_TABLES: usize = 4;

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
    /// That once over streams.
    #[arg(long)]
    streams: bool,
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
        println!(
            "{}",
            serde_json::to_string(&by_sql::run(query, arguments.streams, arguments.events, arguments.epoch)?)?
        );
        return Ok(());
    }
    let peer = peer::program()?;
    let own = std::env::current_exe()?;
    let columns = [
        "query",
        "side",
        "events/s",
        "events per processor second",
        "x of the peer that keeps the same",
        "x of the peer in memory",
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
        let times = |side: usize, peer: usize| per_processor(side) / per_processor(peer);
        for (side, name) in SIDES.iter().enumerate() {
            let same = [MEMORY, DURABLE, DURABLE, TABLES, TABLES][side];
            report.row(vec![
                json!(query),
                json!(name),
                json!((events / of(side, |run| run.seconds)).round()),
                json!(per_processor(side).round()),
                json!(times(side, same)),
                json!(times(side, MEMORY)),
                json!(1e6 / per_processor(side)),
                json!(of(side, |run| run.peak_mib as f64).round() as u64),
                json!(runs[side][0].rows),
            ]);
        }
        let (streams, tables) = (times(OVER_STREAMS, DURABLE), times(OVER_TABLES, TABLES));
        let met = if streams.min(tables) >= TARGET_RATIO { "met" } else { "MISSED" };
        report.note(format!(
            "Target {query}: at least {TARGET_RATIO}x of what is by hand, durable and keeps the same, found {streams:.2}x over \
             streams, {tables:.2}x over tables: {met}.",
        ));
    }
    report.note(format!("Answers compared in every run; medians of {} runs, the sides in turn.", arguments.repeats));
    report.finish()?;
    Ok(())
}

/// The runs of each side, which take turns. Fails where an answer is another.
fn runs(peer: &Path, own: &Path, query: &str, arguments: &Arguments) -> anyhow::Result<[Vec<Run>; 5]> {
    let [events, epoch] = [arguments.events.to_string(), arguments.epoch.to_string()];
    let mut runs: [Vec<Run>; 5] = Default::default();
    for _ in 0..arguments.repeats {
        let dirs = [tempfile::tempdir()?, tempfile::tempdir()?];
        let [durable, tables] = dirs.each_ref().map(|dir| dir.path().to_str().expect("a temporary directory's name"));
        let of_round = [
            peer::run(peer, &[query, &events, &epoch])?,
            peer::run(peer, &[query, &events, &epoch, durable])?,
            peer::run(own, &["--once", query, "--events", &events, "--epoch", &epoch, "--streams"])?,
            peer::run(peer, &[query, &events, &epoch, tables, "tables"])?,
            peer::run(own, &["--once", query, "--events", &events, "--epoch", &epoch])?,
        ];
        for (run, side) in of_round.iter().zip(SIDES) {
            anyhow::ensure!(
                (run.rows, &run.digest) == (of_round[OVER_TABLES].rows, &of_round[OVER_TABLES].digest),
                "{query}: {} rows ({}) of {side}, {} rows ({}) over tables",
                run.rows,
                run.digest,
                of_round[OVER_TABLES].rows,
                of_round[OVER_TABLES].digest
            );
        }
        runs.iter_mut().zip(of_round).for_each(|(runs, run)| runs.push(run));
    }
    Ok(runs)
}
