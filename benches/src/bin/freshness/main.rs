//! From an event to its views: how long until a row that was sent is durable and visible in every view.
//!
//! Bursts of readings are appended a thousand times a second, whatever became of those before. A sender waits until its
//! readings are published: in the log, decoded, in three rollups, committed, both synced. The probe is what the disk alone
//! asks for the same: the bytes that have come meanwhile are appended to one file, synced, appended to another, synced. Both
//! run in turn; latencies count from the moment at which a burst was due, so that a stall is counted on all it held up.
//!
//! The same for the whole way: from a meter's PUBLISH over MQTT to the topic that its Home Assistant looks at.

mod home_assistant;
mod node;
mod probe;

use std::time::{Duration, Instant};

use benches::report::{Report, median, percentile};
use clap::Parser;
use serde_json::json;

const BURSTS_PER_SECOND: u64 = 1_000;
/// Circuits, each read once a second of its own clock, and the second of their first reading.
const CIRCUITS: u64 = 1_000;
const FIRST_SECOND: u64 = 1_700_000_000;
const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
/// What the node may take, by what the probe takes.
const TARGET_RATIO: f64 = 2.0;

#[derive(Parser)]
struct Arguments {
    /// Events a second, one part of the bench each.
    #[arg(long, value_delimiter = ',', default_value = "5000,20000")]
    rates: Vec<u64>,
    /// Seconds of each run.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Runs of each side; medians count.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
}

/// When bursts are due, and what is in them.
#[derive(Clone, Copy)]
pub struct Load {
    pub bursts: u64,
    pub burst_events: u64,
}

impl Load {
    /// The payloads of a burst.
    pub fn payloads(self, burst: u64) -> impl Iterator<Item = String> {
        let first = burst * self.burst_events;
        (first..first + self.burst_events).map(payload)
    }

    pub fn events(self) -> u64 {
        self.bursts * self.burst_events
    }

    /// When a burst is due.
    pub fn due(self, started: Instant, burst: u64) -> Instant {
        started + Duration::from_micros(burst * 1_000_000 / BURSTS_PER_SECOND)
    }
}

/// A reading as a meter sends it.
fn payload(number: u64) -> String {
    let (circuit, at) = (number % CIRCUITS, (FIRST_SECOND + number / CIRCUITS) * 1_000);
    let power = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50;
    format!(r#"{{"circuit": {circuit}, "at": {at}, "power_w": {power}}}"#)
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = sql::runtime()?;
    let mut report = Report::new("freshness", &["until", "events/s", "latency", "probe ms", "node ms", "ratio"]);
    for &rate in &arguments.rates {
        anyhow::ensure!(rate >= BURSTS_PER_SECOND, "at least {BURSTS_PER_SECOND} events a second");
        compare(&mut report, &arguments, "published", rate, |load| runtime.block_on(node::run(load)))?;
    }
    let shown = |load| runtime.block_on(home_assistant::run(load));
    compare(&mut report, &arguments, "in Home Assistant", BURSTS_PER_SECOND, shown)?;
    report.note(format!("Medians of {} runs of {} s a side, in turn.", arguments.repeats, arguments.seconds));
    report.finish()?;
    Ok(())
}

/// Runs the probe and the node in turn.
fn compare(
    report: &mut Report,
    arguments: &Arguments,
    until: &str,
    rate: u64,
    node: impl Fn(Load) -> anyhow::Result<Vec<f64>>,
) -> anyhow::Result<()> {
    let bursts = arguments.seconds * BURSTS_PER_SECOND;
    let load = Load { bursts, burst_events: rate / BURSTS_PER_SECOND };
    let mut latencies: [Vec<Vec<f64>>; 2] = Default::default();
    for _ in 0..arguments.repeats {
        latencies[0].push(probe::run(load)?);
        latencies[1].push(node(load)?);
    }
    for (name, share) in SHARES {
        let of = |side: &Vec<Vec<f64>>| median(&side.iter().map(|run| percentile(run, share)).collect::<Vec<_>>());
        let [probe, node] = [of(&latencies[0]), of(&latencies[1])];
        let ratio = node / probe;
        report.row(vec![json!(until), json!(rate), json!(name), json!(probe), json!(node), json!(ratio)]);
        let met = if ratio <= TARGET_RATIO { "met" } else { "MISSED" };
        report.note(format!(
            "Target until {until} at {rate} events/s, {name}: at most {TARGET_RATIO}x, found {ratio:.2}x: {met}."
        ));
    }
    Ok(())
}
