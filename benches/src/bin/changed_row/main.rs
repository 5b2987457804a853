//! One changed row, while ten thousand, a million and ten million rows are kept: the cost must not grow with history.
//!
//! A table of meter readings feeds a rollup with extremes, a join with a table in memory and a view on the rollup. Rows are
//! loaded in large epochs, then changed one an epoch. What is measured is the thread that looks the stored row up, runs the
//! engine and writes the commit; making it durable is left out. Before anything is timed, the views are compared with sums
//! made by hand of the same readings.

mod job;

use benches::cpu;
use benches::report::{Report, median, percentile};
use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use storage::Stats;

use job::Job;

/// What a change costs with the most rows, by what it costs with the fewest.
const TARGET_GROWTH: f64 = 1.5;
/// Rows of an epoch while loading.
const LOADED_AT_ONCE: u64 = 10_000;

#[derive(Parser)]
struct Arguments {
    /// Rows kept, one part of the bench each.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000,10000000")]
    kept: Vec<u64>,
    /// Changes measured of each kind.
    #[arg(long, default_value_t = 4_000)]
    changes: u64,
    /// What the order of corrections comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Which row changes.
#[derive(Clone, Copy)]
enum Kind {
    /// A reading that comes in time order.
    New,
    /// Another value for any reading of the newest day, as meters resend.
    Recent,
    /// Another value for any reading at all.
    Anywhere,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::New, Kind::Recent, Kind::Anywhere];

    fn name(self) -> &'static str {
        match self {
            Kind::New => "new",
            Kind::Recent => "corrects the last 10,000",
            Kind::Anywhere => "corrects any",
        }
    }

    /// The reading that changes, when there are `kept`.
    fn pick(self, random: &mut ChaCha8Rng, kept: u64) -> u64 {
        match self {
            Kind::New => kept,
            Kind::Recent => random.random_range(kept - kept.min(10_000)..kept),
            Kind::Anywhere => random.random_range(0..kept),
        }
    }
}

/// What one change took.
struct Cost {
    cpu_us: Vec<f64>,
    look_ups: f64,
    gets: f64,
    read_bytes: f64,
    block_bytes: f64,
}

fn measure(job: &mut Job, kind: Kind, changes: u64, random: &mut ChaCha8Rng) -> anyhow::Result<Cost> {
    let before = job.stats();
    let mut cpu_us = Vec::new();
    for _ in 0..changes {
        let reading = kind.pick(random, job.kept());
        let rows = job.changed(reading, random.random_range(0..1_000));
        let started = cpu::thread_seconds();
        let written = job.apply(&rows)?;
        cpu_us.push((cpu::thread_seconds() - started) * 1e6);
        job.sync(written)?;
    }
    let after = job.stats();
    let each = |of: fn(&Stats) -> u64| (of(&after) - of(&before)) as f64 / changes as f64;
    Ok(Cost {
        cpu_us,
        look_ups: each(|stats| stats.value_hits + stats.value_misses),
        gets: each(|stats| stats.gets),
        read_bytes: each(|stats| stats.read_bytes),
        block_bytes: each(|stats| stats.block_read_bytes),
    })
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let columns =
        ["rows kept", "changed row", "cpu us", "p99", "look-ups", "gets", "bytes read", "block bytes", "x fewest rows"];
    let mut report = Report::new("changed_row", &columns);
    let mut fewest = [None; Kind::ALL.len()];
    let mut growth: f64 = 1.0;
    for &kept in &arguments.kept {
        let dir = tempfile::tempdir()?;
        let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
        let mut job = Job::open(dir.path())?;
        job.load(kept, LOADED_AT_ONCE)?;
        for (kind, fewest) in Kind::ALL.into_iter().zip(&mut fewest) {
            // The first changes bring what is used again and again into the caches.
            measure(&mut job, kind, arguments.changes / 4, &mut random)?;
            let cost = measure(&mut job, kind, arguments.changes, &mut random)?;
            let us = median(&cost.cpu_us);
            let grown = us / *fewest.get_or_insert(us);
            growth = growth.max(grown);
            report.row(vec![
                json!(kept),
                json!(kind.name()),
                json!(us),
                json!(percentile(&cost.cpu_us, 0.99)),
                json!(cost.look_ups),
                json!(cost.gets),
                json!(cost.read_bytes),
                json!(cost.block_bytes),
                json!(grown),
            ]);
        }
        job.check()?;
    }
    let met = if growth <= TARGET_GROWTH { "met" } else { "MISSED" };
    report.note(format!("Target: no change costs more than {TARGET_GROWTH}x as rows grow; found {growth:.2}x: {met}."));
    report.note(format!(
        "Medians of {} changes, seed {}; views compared with sums by hand.",
        arguments.changes, arguments.seed
    ));
    report.finish()?;
    Ok(())
}
