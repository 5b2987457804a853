//! The log beside a file that is synced and beside Apache Kafka: batches in, durable, and out again.
//!
//! Senders, each with a connection of its own, send batches to one partition and wait for the acknowledgement of each; then one
//! reader fetches everything. The same client and the same batches meet the node's Kafka door and Apache Kafka, which syncs each
//! batch (`flush.messages=1`) or, as it does by itself, leaves that to the system: then an acknowledged batch may be lost with the
//! power. The raw side writes the same bytes to a file and syncs once for all senders. What comes back is compared first.

mod client;
mod raw;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use benches::report::{Report, median, percentile};
use bytes::Bytes;
use clap::Parser;
use client::Client;
use serde_json::json;
use storage::Event;
use storage::log::compression::Compression;
use storage::log::{Embedded, record};
use tests::broker::Broker;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Arguments {
    /// Batches that are sent in a run.
    #[arg(long, default_value_t = 1_000)]
    batches: usize,
    /// Records of 100 bytes in each.
    #[arg(long, default_value_t = 100)]
    records: usize,
    /// Senders at the same time, one part of the bench each.
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    senders: Vec<usize>,
    /// Runs of each side; medians count.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
}

#[derive(Clone, Copy)]
pub struct Load {
    pub senders: usize,
}

/// What a run took.
pub struct Figures {
    pub produced: Duration,
    pub latencies_ms: Vec<f64>,
    pub fetched: Duration,
}

/// A broker and what makes its topics.
struct Side {
    name: &'static str,
    address: SocketAddr,
    settings: &'static [(&'static str, &'static str)],
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = sql::runtime()?;
    let batches: Vec<Bytes> = (0..arguments.batches).map(|number| batch(number, arguments.records)).collect();
    let mut report = Report::new(
        "kafka_log",
        &["senders", "side", "records/s in", "of raw", "p50 ms", "p99 ms", "records/s out", "of raw out"],
    );
    let (node, _log) = node(&runtime)?;
    let mut sides = vec![Side { name: "node", address: node, settings: &[] }];
    let kafka = tests::clients::kafka().and_then(|class_path| Broker::start(&class_path));
    match &kafka {
        Ok(kafka) => {
            let address = kafka.address;
            sides.push(Side { name: "Kafka, flush.messages=1", address, settings: &[("flush.messages", "1")] });
            sides.push(Side { name: "Kafka, its default", address, settings: &[] });
        }
        Err(why) => report.note(format!("Without Kafka: {why}.")),
    }
    let mut topics = 0..;
    let mut topic = || format!("t{}", topics.next().expect("there are enough numbers"));
    for side in &sides {
        // Also lets the machine of Java get warm.
        run(side, Load { senders: 4 }, &topic(), &batches)?;
    }
    let records = (arguments.batches * arguments.records) as f64;
    for &senders in &arguments.senders {
        let load = Load { senders };
        let mut runs: Vec<Vec<Figures>> = (0..=sides.len()).map(|_| Vec::new()).collect();
        for _ in 0..arguments.repeats {
            runs[0].push(raw::run(load, &batches)?);
            for (side, runs) in sides.iter().zip(&mut runs[1..]) {
                runs.push(run(side, load, &topic(), &batches)?);
            }
        }
        let names = ["write and sync"].into_iter().chain(sides.iter().map(|side| side.name));
        let of = |runs: &[Figures], figure: fn(&Figures) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        let seconds_in = |figures: &Figures| figures.produced.as_secs_f64();
        let seconds_out = |figures: &Figures| figures.fetched.as_secs_f64();
        let raw = (of(&runs[0], seconds_in), of(&runs[0], seconds_out));
        for (name, runs) in names.zip(&runs) {
            let (seconds_in, seconds_out) = (of(runs, seconds_in), of(runs, seconds_out));
            report.row(vec![
                json!(senders),
                json!(name),
                json!(records / seconds_in),
                json!(raw.0 / seconds_in),
                json!(of(runs, |figures| percentile(&figures.latencies_ms, 0.5))),
                json!(of(runs, |figures| percentile(&figures.latencies_ms, 0.99))),
                json!(records / seconds_out),
                json!(raw.1 / seconds_out),
            ]);
        }
    }
    let (batches, records, repeats) = (arguments.batches, arguments.records, arguments.repeats);
    report.note(format!(
        "{batches} batches of {records} records of 100 bytes; medians of {repeats} runs a side, in turn."
    ));
    report.finish()?;
    Ok(())
}

/// A record batch of its own content.
fn batch(number: usize, records: usize) -> Bytes {
    let event = |record: usize| Event {
        topic: "t".into(),
        value: Some(Bytes::from(format!("{:0100}", number * records + record))),
        timestamp_ms: 1_700_000_000_000,
        ..Event::default()
    };
    let events: Vec<Event> = (0..records).map(event).collect();
    let (_, batch) = record::batch_of(&events.iter().collect::<Vec<_>>(), Compression::None).expect("it is small");
    batch
}

/// A log behind a Kafka door, until the runtime ends.
fn node(runtime: &Runtime) -> anyhow::Result<(SocketAddr, tempfile::TempDir)> {
    let dir = tempfile::tempdir()?;
    let log = Arc::new(Embedded::open(&dir.path().join("log"), Default::default())?);
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(gateway::kafka::serve(listener, log, Default::default(), CancellationToken::new()));
    Ok((address, dir))
}

fn run(side: &Side, load: Load, topic: &str, batches: &[Bytes]) -> anyhow::Result<Figures> {
    Client::connect(side.address)?.create_topic(topic, side.settings)?;
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let latencies_ms = std::thread::scope(|scope| {
        let sending: Vec<_> = (0..load.senders).map(|_| scope.spawn(|| send(side, topic, &next, batches))).collect();
        let mut latencies = Vec::with_capacity(batches.len());
        for sent in sending {
            latencies.extend(sent.join().expect("sending does not panic")?);
        }
        anyhow::Ok(latencies)
    })?;
    let produced = started.elapsed();
    let mut reader = Client::connect(side.address)?;
    let started = Instant::now();
    let (mut fetched, mut offset) = (Vec::new(), 0);
    loop {
        let slice = reader.fetch(topic, offset)?;
        if slice.is_empty() {
            break;
        }
        offset = next_offset(&slice)?;
        fetched.push(slice);
    }
    let elapsed = started.elapsed();
    compare(&fetched, batches)?;
    Ok(Figures { produced, latencies_ms, fetched: elapsed })
}

/// Sends the batches that come next until there are no more; milliseconds for each.
fn send(side: &Side, topic: &str, next: &AtomicUsize, batches: &[Bytes]) -> anyhow::Result<Vec<f64>> {
    let mut client = Client::connect(side.address)?;
    let mut latencies = Vec::new();
    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
        let sent = Instant::now();
        client.produce(topic, batch)?;
        latencies.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

/// The offset after the last whole batch of a slice.
fn next_offset(slice: &Bytes) -> anyhow::Result<u64> {
    let whole = batches_of(slice);
    let (offset, batch) = whole.last().ok_or_else(|| anyhow::anyhow!("a slice has at least one batch"))?;
    let last_delta = i32::from_be_bytes(batch[23..27].try_into()?);
    Ok(offset + last_delta as u64 + 1)
}

/// The whole batches of a slice, each with its offset.
fn batches_of(slice: &Bytes) -> Vec<(u64, Bytes)> {
    let (mut batches, mut at) = (Vec::new(), 0);
    while let Some(header) = slice.get(at..at + 12) {
        let offset = u64::from_be_bytes(header[..8].try_into().expect("eight bytes"));
        let length = 12 + u32::from_be_bytes(header[8..].try_into().expect("four bytes")) as usize;
        if at + length > slice.len() {
            break;
        }
        batches.push((offset, slice.slice(at..at + length)));
        at += length;
    }
    batches
}

/// What came back is what was sent: the same batches, each once, offsets without gaps.
fn compare(fetched: &[Bytes], sent: &[Bytes]) -> anyhow::Result<()> {
    // Before the checksum stand the offset and the epoch, which the broker gives.
    const CHECKED: usize = 17;
    let mut expected_offset = 0;
    let mut contents = Vec::with_capacity(sent.len());
    for (offset, batch) in fetched.iter().flat_map(batches_of) {
        ensure!(offset == expected_offset, "a batch at {offset} follows {expected_offset}");
        expected_offset += i32::from_be_bytes(batch[23..27].try_into()?) as u64 + 1;
        contents.push(batch.slice(CHECKED..));
    }
    let mut expected: Vec<Bytes> = sent.iter().map(|batch| batch.slice(CHECKED..)).collect();
    contents.sort_unstable();
    expected.sort_unstable();
    ensure!(contents == expected, "{} batches came back for {} sent, or others", contents.len(), expected.len());
    Ok(())
}
