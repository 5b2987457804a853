//! The processes that the bench starts and measures.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use benches::database::{integer, load, open, run as statement};
use clap::Subcommand;
use storage::Event;

use super::Opened;

const DEFINITIONS: [&str; 2] = [
    "CREATE TABLE readings (meter INT, at TIMESTAMPTZ, energy_wh BIGINT, PRIMARY KEY (meter, at))",
    "CREATE MATERIALIZED VIEW by_second AS SELECT meter, date_bin(INTERVAL '1 second', at) AS second, count(*) AS n, \
     sum(energy_wh) AS total, max(energy_wh) AS high FROM readings GROUP BY meter, date_bin(INTERVAL '1 second', at)",
];
const METERS: u64 = 1_000;

#[derive(Subcommand)]
pub enum Child {
    /// Loads groups, says `loaded` and goes on taking events until it is killed.
    Load { dir: PathBuf, groups: u64 },
    /// Opens what was loaded and prints what that took.
    Open { dir: PathBuf, groups: u64 },
}

pub fn run(child: Child) -> anyhow::Result<()> {
    let runtime = sql::runtime()?;
    match child {
        Child::Load { dir, groups } => runtime.block_on(async {
            let database = open(&dir).await?;
            for definition in DEFINITIONS {
                statement(&database, definition).await?;
            }
            load(&database, 0..groups, event).await?;
            println!("loaded");
            load(&database, groups..u64::MAX, event).await
        }),
        Child::Open { dir, groups } => runtime.block_on(async {
            let started = Instant::now();
            let database = open(&dir).await?;
            let found = integer(&database, &by_key(groups / 2)).await?;
            let seconds = started.elapsed().as_secs_f64();
            let read_bytes = field("/proc/self/io", "rchar:")?;
            let peak_bytes = field("/proc/self/status", "VmHWM:")? << 10;
            println!("{}", serde_json::to_string(&Opened { seconds, read_bytes, peak_bytes, found })?);
            database.close().await;
            Ok(())
        }),
    }
}

/// How often the reading of this number was counted.
fn by_key(number: u64) -> String {
    let (meter, second) = (number % METERS, 1_700_000_000 + number / METERS);
    format!("SELECT n FROM by_second WHERE meter = {meter} AND second = to_timestamp({second})")
}

fn event(number: u64) -> Event {
    let (meter, at) = (number % METERS, (1_700_000_000 + number / METERS) * 1_000);
    let energy = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
    let json = format!(r#"{{"meter": {meter}, "at": {at}, "energy_wh": {energy}}}"#);
    Event { value: Some(json.into()), ..Event::default() }
}

/// A number of a file of `/proc`.
fn field(file: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{file} has no {name}"))?;
    Ok(line.split_whitespace().next().context("no number")?.parse()?)
}
