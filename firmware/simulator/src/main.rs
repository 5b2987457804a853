//! `simulator`: a fleet of meters against an MQTT broker.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use meter::upload::Encoding;
use simulator::faults::Severity;
use simulator::fleet::{self, Names, Options, Tally};
use tokio::sync::watch;
use tokio::time::Instant;

/// Simulates meters: the firmware's own logic, from the clamps to MQTT.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How many meters.
    #[arg(long, default_value_t = 10)]
    fleet: u64,
    /// Decides houses, faults and clocks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the broker listens.
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    /// How many times faster time goes by, until it has caught up with the clock.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Where simulated time begins, before now: 90s, 30m, 24h, 7d. The span, if one is given.
    #[arg(long, value_parser = duration)]
    back: Option<Duration>,
    /// How much time is simulated; without it, until Ctrl-C.
    #[arg(long, value_parser = duration)]
    span: Option<Duration>,
    /// Seconds between two readings of a circuit.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=900))]
    interval: u16,
    /// Outages, power cuts, resets, crystals that drift, acknowledgements that are lost.
    #[arg(long, value_enum, default_value = "some")]
    faults: Faults,
    /// What readings are sent as.
    #[arg(long, value_enum, default_value = "json")]
    encoding: Format,
    /// Each meter's customer; {n} is its number, from 1.
    #[arg(long, default_value = "sim-{n}")]
    customer_pattern: String,
    /// Each meter's client id.
    #[arg(long, default_value = "meter-{n}")]
    device_pattern: String,
    /// Each meter's user; empty for none.
    #[arg(long, default_value = "")]
    user_pattern: String,
    /// Each meter's password.
    #[arg(long, default_value = "", env = "SIMULATOR_PASSWORD_PATTERN", hide_env_values = true)]
    password_pattern: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Faults {
    None,
    Some,
    Many,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Cbor,
}

/// A number and a unit of one letter.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("a number and s, m, h or d, such as 90s or 7d".to_string()),
    };
    let number: u64 = number.parse().map_err(|_| format!("{number:?} is not a whole number"))?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

impl Arguments {
    fn options(self) -> anyhow::Result<Options> {
        anyhow::ensure!(self.speed.is_finite() && self.speed > 0.0, "--speed is more than 0");
        let faults = match self.faults {
            Faults::None => Severity::None,
            Faults::Some => Severity::Some,
            Faults::Many => Severity::Many,
        };
        let encoding = match self.encoding {
            Format::Json => Encoding::Json,
            Format::Cbor => Encoding::Cbor,
        };
        let names = Names {
            customer: self.customer_pattern,
            device: self.device_pattern,
            user: self.user_pattern,
            password: self.password_pattern,
        };
        Ok(Options {
            meters: names.meters(self.fleet, self.seed),
            broker: self.broker,
            interval_s: self.interval,
            encoding,
            faults,
            back: self.back.or(self.span).unwrap_or_default(),
            speed: self.speed,
            span: self.span,
            settle: Duration::from_secs(60),
            keeps_records: false,
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Arguments::parse().options()?;
    let tally = Arc::new(Tally::default());
    let (ask, stop) = watch::channel(false);
    let began = Instant::now();
    eprintln!("{} meters send to {}", options.meters.len(), options.broker);
    let mut fleet = Box::pin(fleet::run(options, tally.clone(), stop));
    let mut every = tokio::time::interval(Duration::from_secs(10));
    every.tick().await;
    let outcomes = loop {
        tokio::select! {
            outcomes = &mut fleet => break outcomes?,
            _ = every.tick() => tell(&tally, began)?,
            _ = tokio::signal::ctrl_c() => { ask.send_replace(true); }
        }
    };
    tell(&tally, began)?;
    let sum = |count: fn(&fleet::Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    eprintln!(
        "{} of {} meters delivered all that they have; {} records were overwritten, {} never got a date",
        sum(|outcome| u64::from(outcome.delivered)),
        outcomes.len(),
        sum(|outcome| outcome.overwritten),
        sum(|outcome| outcome.undatable),
    );
    Ok(())
}

/// A line about what was done so far.
fn tell(tally: &Tally, began: Instant) -> std::io::Result<()> {
    writeln!(
        std::io::stderr(),
        "{:>5} s: {} records taken, {} readings acknowledged in {} messages, {} batches sent twice, \
         {} connections of which {} were lost, {} power cuts, {} resets, {} ms behind",
        began.elapsed().as_secs(),
        tally.records.load(Relaxed),
        tally.readings_acknowledged.load(Relaxed),
        tally.messages.load(Relaxed),
        tally.batches_repeated.load(Relaxed),
        tally.connections.load(Relaxed),
        tally.connections_lost.load(Relaxed),
        tally.power_cuts.load(Relaxed),
        tally.resets.load(Relaxed),
        tally.behind_ms.load(Relaxed),
    )
}
