//! One changed row of a join, while ten thousand and a million rows are kept: what it reads must not grow with history.
//!
//! Events name their meter, ten events each. Joined by the meter's number, sides are found by their keys; by its serial, in
//! indexes that the join keeps; outer, semi and anti joins count matches besides. Each kind of join runs in a store of its
//! own. Before anything is timed and again in the end, the view is compared with what is made by hand of the same rows.

mod job;

use benches::cpu;
use benches::report::{Report, median, percentile};
use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use storage::Stats;

use job::{Job, Kind};

/// Keys that a change looks up with the most rows, by those with the fewest.
const TARGET_GROWTH: f64 = 1.1;
/// Bytes that a change reads more with the most rows than with the fewest: what a store with few rows has in the value cache, the
/// current row and its entries in indexes.
const MORE_BYTES_MAX: f64 = 512.0;
/// Rows of an epoch while loading.
const LOADED_AT_ONCE: u64 = 10_000;

#[derive(Parser)]
struct Arguments {
    /// Events kept, one part of the bench each.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    kept: Vec<u64>,
    /// Changes measured of each side.
    #[arg(long, default_value_t = 2_000)]
    changes: u64,
    /// What the order of changes comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Which side changes.
#[derive(Clone, Copy)]
enum Side {
    Event,
    Meter,
}

/// What one change took.
struct Cost {
    cpu_us: Vec<f64>,
    look_ups: f64,
    read_bytes: f64,
    block_bytes: f64,
}

fn measure(job: &mut Job, side: Side, changes: u64, random: &mut ChaCha8Rng) -> anyhow::Result<Cost> {
    let before = job.node.store.stats();
    let mut cpu_us = Vec::new();
    for _ in 0..changes {
        let (table, rows) = match side {
            Side::Event => job.changed_event(random.random_range(0..job.kept()), random.random_range(0..1_000)),
            Side::Meter => job.changed_meter(random.random_range(0..job.meters()), random.random_range(1..8)),
        };
        let started = cpu::thread_seconds();
        let written = job.node.apply(table, &rows)?;
        cpu_us.push((cpu::thread_seconds() - started) * 1e6);
        job.node.store.sync(written)?;
    }
    let after = job.node.store.stats();
    let each = |of: fn(&Stats) -> u64| (of(&after) - of(&before)) as f64 / changes as f64;
    Ok(Cost {
        cpu_us,
        look_ups: each(|stats| stats.value_hits + stats.value_misses),
        read_bytes: each(|stats| stats.read_bytes),
        block_bytes: each(|stats| stats.block_read_bytes),
    })
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let columns =
        ["join", "changed row", "rows kept", "cpu us", "p99", "look-ups", "bytes read", "block bytes", "x fewest rows"];
    let mut report = Report::new("joins", &columns);
    let (mut growth, mut more): (f64, f64) = (1.0, 0.0);
    for kind in Kind::ALL {
        let mut fewest = [None; 2];
        let mut rows = [vec![], vec![]];
        for &kept in &arguments.kept {
            let dir = tempfile::tempdir()?;
            let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
            let mut job = Job::open(dir.path(), kind)?;
            job.load(kept, LOADED_AT_ONCE)?;
            job.check()?;
            for (at, (side, name)) in [(Side::Event, "an event"), (Side::Meter, "a meter")].into_iter().enumerate() {
                // The first changes bring what is used again and again into the caches.
                measure(&mut job, side, arguments.changes / 4, &mut random)?;
                let cost = measure(&mut job, side, arguments.changes, &mut random)?;
                let (look_ups, bytes) = *fewest[at].get_or_insert((cost.look_ups, cost.read_bytes));
                let grown = cost.look_ups / look_ups;
                (growth, more) = (growth.max(grown), more.max(cost.read_bytes - bytes));
                rows[at].push(vec![
                    json!(kind.name()),
                    json!(name),
                    json!(kept),
                    json!(median(&cost.cpu_us)),
                    json!(percentile(&cost.cpu_us, 0.99)),
                    json!(cost.look_ups),
                    json!(cost.read_bytes),
                    json!(cost.block_bytes),
                    json!(grown),
                ]);
            }
            job.check()?;
        }
        rows.into_iter().flatten().for_each(|row| report.row(row));
    }
    let met = if growth <= TARGET_GROWTH { "met" } else { "MISSED" };
    report.note(format!(
        "Target: no change looks up more than {TARGET_GROWTH}x as many keys as rows grow; found {growth:.2}x: {met}."
    ));
    let met = if more <= MORE_BYTES_MAX { "met" } else { "MISSED" };
    report.note(format!(
        "Target: no change reads more than {MORE_BYTES_MAX} bytes more, scans of indexes among them; found {more:.0}: {met}."
    ));
    report.note(format!(
        "Medians of {} changes, seed {}; ten events a meter; views compared with sums by hand.",
        arguments.changes, arguments.seed
    ));
    report.finish()?;
    Ok(())
}
