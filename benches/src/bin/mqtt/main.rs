//! The MQTT door beside Mosquitto: readings published with QoS 1 over 1, 10 and 200 connections, alone and in arrays of ten; and what
//! connections that rest cost in memory.
//!
//! Every connection has some messages in flight and publishes until all are acknowledged. The node acknowledges what its log has on disk
//! and its table counts, which is compared first; Mosquitto acknowledges from memory and keeps nothing. Both run as processes of
//! their own.

mod load;
mod served;

use std::path::PathBuf;

use anyhow::ensure;
use benches::report::{Report, median};
use clap::Parser;
use serde_json::json;
use tests::mosquitto;

use load::Load;
use served::Served;

/// Aims: messages and readings a second over 200 connections, MiB of 10,000 connections that rest.
const MESSAGES_AIM: f64 = 20_000.0;
const READINGS_AIM: f64 = 100_000.0;
const MEMORY_AIM_MIB: f64 = 256.0;

#[derive(Parser)]
struct Arguments {
    /// Serves a node in a directory, as the bench starts it.
    #[arg(long)]
    serve: Option<PathBuf>,
    /// Messages of a run.
    #[arg(long, default_value_t = 40_000)]
    messages: usize,
    /// Connections, one part of the bench each.
    #[arg(long, value_delimiter = ',', default_value = "1,10,200")]
    connections: Vec<usize>,
    /// Connections that rest.
    #[arg(long, default_value_t = 10_000)]
    resting: usize,
    /// Runs of each side; medians count.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = sql::runtime()?;
    if let Some(dir) = &arguments.serve {
        return runtime.block_on(served::serve(dir));
    }
    let mut report =
        Report::new("mqtt", &["connections", "readings a message", "side", "messages/s", "readings/s", "of Mosquitto"]);
    let dirs = [tempfile::tempdir()?, tempfile::tempdir()?];
    let node = Served::start(dirs[0].path())?;
    let mosquitto = mosquitto::start(dirs[1].path(), "allow_anonymous true\nset_tcp_nodelay true\n");
    if let Err(why) = &mosquitto {
        report.note(format!("Without Mosquitto: {why}."));
    }
    let mut first = 0;
    for &connections in &arguments.connections {
        // One connection waits for each of its messages: fewer say as much.
        let messages = arguments.messages.min(connections * 2_000);
        for together in [1, 10] {
            let mut rates = [Vec::new(), Vec::new()];
            for _ in 0..arguments.repeats {
                let load = Load { connections, messages, together, first };
                first += messages * together;
                rates[0].push(runtime.block_on(load.run(node.mqtt))?);
                if let Ok(mosquitto) = &mosquitto {
                    rates[1].push(runtime.block_on(load.run(mosquitto.address))?);
                }
            }
            let peer = (!rates[1].is_empty()).then(|| median(&rates[1]));
            for (side, rates) in ["node", "Mosquitto"].into_iter().zip(&rates).filter(|(_, rates)| !rates.is_empty()) {
                let rate = median(rates);
                report.row(vec![
                    json!(connections),
                    json!(together),
                    json!(side),
                    json!(rate),
                    json!(rate * together as f64),
                    json!(peer.map(|peer| rate / peer)),
                ]);
            }
            if connections == 200 {
                let (aim, rate) = if together == 1 { (MESSAGES_AIM, 1.0) } else { (READINGS_AIM, 10.0) };
                let reached = median(&rates[0]) * rate;
                let met = if reached >= aim { "met" } else { "missed" };
                report.note(format!("Aim of {aim} readings/s over 200 connections, {together} a message: {met}."));
            }
        }
    }
    let counted = runtime.block_on(node.counted(first))?;
    ensure!(counted == first, "{counted} readings in the table, {first} were acknowledged");
    let resting = arguments.resting.min(served::connections_max());
    if resting < arguments.resting {
        report.note("The limit of open files (ulimit -n) is in the way of more connections.".to_owned());
    }
    let (before, after) = runtime.block_on(load::rest(&node, resting))?;
    let each_kib = (after - before) * 1024.0 / resting as f64;
    let all = each_kib * arguments.resting as f64 / 1024.0;
    report.note(format!(
        "{resting} connections that rest: {each_kib:.1} KiB each beside {before:.0} MiB without; {}, {all:.0} MiB. Aim {MEMORY_AIM_MIB} MiB: {}.",
        arguments.resting,
        if all <= MEMORY_AIM_MIB { "met" } else { "missed" }
    ));
    report.finish()?;
    Ok(())
}
