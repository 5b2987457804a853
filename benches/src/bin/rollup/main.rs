//! Meter rollups by SQL against the same job hand-written: counts, sums and extremes by minute, quarter of an hour and day.
//!
//! Both sides look the readings of an epoch up, keep those that are new or corrected, bring three rollups up to date and
//! write all of it as one batch, which a second thread makes durable while the next epoch is computed. What is timed begins
//! with decoded readings and ends when the last epoch is durable.

mod by_hand;
mod by_sql;
mod readings;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use benches::cpu;
use benches::report::{Report, median};
use clap::Parser;
use serde_json::{Value, json};

use readings::Epoch;

/// A minute, a quarter of an hour, a day.
pub const WIDTHS_US: [i64; 3] = [60_000_000, 900_000_000, 86_400_000_000];
/// Epochs written and not yet durable, at most.
const UNSYNCED_MAX: usize = 4;
/// Parts of a run whose rates are compared: history grows from the first to the last.
const SLICES: usize = 5;
const TARGET_RATIO: f64 = 0.8;
const TARGET_RATE: f64 = 300_000.0;

/// What is known of a circuit's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    pub count: i64,
    pub sum: i64,
    pub min: i64,
    pub max: i64,
}

/// (circuit, start) -> rollup, by width.
pub type Rollups = [BTreeMap<(i32, i64), Rollup>; 3];

/// Makes a written epoch durable.
pub type Sync = Box<dyn FnOnce() -> anyhow::Result<()> + Send>;

/// One way to do the job.
pub trait Side: Sized {
    const NAME: &'static str;

    fn open(dir: &Path) -> anyhow::Result<Self>;
    /// Computes and writes an epoch.
    fn epoch(&mut self, epoch: &Epoch) -> anyhow::Result<Sync>;
    /// What is stored.
    fn rollups(&self) -> anyhow::Result<Rollups>;
}

#[derive(Parser)]
struct Arguments {
    /// Readings per run in epochs of 10,000; a tenth of it in epochs of 100, a thousandth in epochs of one.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Runs of each side; the median counts.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
}

/// What a run took.
struct Run {
    rate: f64,
    cpu_us_per_row: f64,
    /// The last slice's rate by the first one's.
    last_by_first: f64,
}

fn run<S: Side>(epochs: &[Epoch]) -> anyhow::Result<(Run, Rollups)> {
    let dir = tempfile::tempdir()?;
    let mut side = S::open(dir.path())?;
    let (send, receive) = sync_channel::<Sync>(UNSYNCED_MAX);
    let syncer = std::thread::spawn(move || receive.into_iter().try_for_each(|sync| sync()));
    let (started, cpu_started) = (Instant::now(), cpu::process_seconds());
    let mut slices = Vec::new();
    for slice in epochs.chunks(epochs.len().div_ceil(SLICES)) {
        let started = Instant::now();
        for epoch in slice {
            // A send fails when a sync has: its error is what the thread returns.
            if send.send(side.epoch(epoch)?).is_err() {
                break;
            }
        }
        slices.push(rows(slice) / started.elapsed().as_secs_f64());
    }
    drop(send);
    syncer.join().expect("syncing does not panic")?;
    let run = Run {
        rate: rows(epochs) / started.elapsed().as_secs_f64(),
        cpu_us_per_row: (cpu::process_seconds() - cpu_started) * 1e6 / rows(epochs),
        last_by_first: slices[slices.len() - 1] / slices[0],
    };
    Ok((run, side.rollups()?))
}

fn rows(epochs: &[Epoch]) -> f64 {
    epochs.iter().map(|epoch| epoch.readings.len() as f64).sum()
}

/// A side's name, and how to run it.
type Runner = (&'static str, fn(&[Epoch]) -> anyhow::Result<(Run, Rollups)>);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let sides: [Runner; 2] =
        [(by_hand::ByHand::NAME, run::<by_hand::ByHand>), (by_sql::BySql::NAME, run::<by_sql::BySql>)];
    let columns = ["epoch rows", "side", "rows/s", "x by hand", "cpu us/row", "last/first fifth"];
    let mut report = Report::new("rollup", &columns);
    for (epoch_rows, share) in [(1, 1_000), (100, 10), (10_000, 1)] {
        let epochs = readings::epochs(arguments.rows / share, epoch_rows);
        let expected = sides[0].1(&epochs)?.1;
        let found = sides[1].1(&epochs)?.1;
        anyhow::ensure!(found == expected, "the sides have other rollups in epochs of {epoch_rows}");
        let mut runs: [Vec<Run>; 2] = Default::default();
        for _ in 0..arguments.repeats {
            for ((_, run), runs) in sides.iter().zip(&mut runs) {
                runs.push(run(&epochs)?.0);
            }
        }
        let of = |side: usize, figure: fn(&Run) -> f64| median(&runs[side].iter().map(figure).collect::<Vec<_>>());
        let rate = |side: usize| of(side, |run| run.rate);
        for (side, (name, _)) in sides.iter().enumerate() {
            let figures: Vec<Value> = vec![
                json!(epoch_rows),
                json!(name),
                json!(rate(side).round() as u64),
                json!(rate(side) / rate(0)),
                json!(of(side, |run| run.cpu_us_per_row)),
                json!(of(side, |run| run.last_by_first)),
            ];
            report.row(figures);
        }
        if epoch_rows == 10_000 {
            report.note(verdict("by SQL against by hand", rate(1) / rate(0), TARGET_RATIO));
            report.note(verdict("readings/s durable by SQL", rate(1), TARGET_RATE));
        }
    }
    report.note(format!("Rollups compared before timing; medians of {} runs, the sides in turn.", arguments.repeats));
    report.finish()?;
    Ok(())
}

fn verdict(what: &str, figure: f64, target: f64) -> String {
    let met = if figure >= target { "met" } else { "MISSED" };
    format!("Target {what} in epochs of 10,000: at least {target}, found {figure:.2}: {met}.")
}
