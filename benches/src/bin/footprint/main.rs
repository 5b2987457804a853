//! What readings cost to take in and to keep: through the log into a table and three rollups, then compacted.
//!
//! Readings are JSON, as a meter sends them: 1,000 circuits, a power in watts every ten seconds. They are appended in batches
//! of ten thousand, two on their way at a time, as an import does. Every view must count every reading in the end.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use benches::cpu;
use benches::database::{CACHE_BYTES, integer, load, open, run};
use benches::report::Report;
use clap::Parser;
use serde_json::json;
use sql::Database;
use storage::{Event, Store, StoreOptions};

const CIRCUITS: u64 = 1_000;
const TARGET_BYTES: f64 = 60.0;

const TABLE: &str =
    "CREATE TABLE readings (circuit INT, at TIMESTAMPTZ, power_w DOUBLE PRECISION, PRIMARY KEY (circuit, at))";
const ROLLUPS: [(&str, &str); 3] = [
    ("minutes", "date_bin(INTERVAL '1 minute', at)"),
    ("quarters", "date_bin(INTERVAL '15 minutes', at)"),
    ("days", "date_trunc('day', at)"),
];

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
}

fn event(number: u64) -> Event {
    let (circuit, at) = (number % CIRCUITS, 1_700_000_000_000 + number / CIRCUITS * 10_000);
    let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    let power = (circuit % 20 * 100) as f64 + noise as f64 / 1_000.0;
    Event {
        value: Some(format!(r#"{{"circuit":{circuit},"at":{at},"power_w":{power:.2}}}"#).into()),
        ..Event::default()
    }
}

/// (name, rows, bytes on disk, operator state among them) of the tables and views.
async fn sizes(database: &Arc<Database>) -> anyhow::Result<Vec<(String, i64, i64)>> {
    let mut sizes = Vec::new();
    for batch in run(database, "SELECT name, rows_estimate, bytes_estimate FROM caudal.relations ORDER BY name").await?
    {
        let names = batch.column(0).as_string_opt::<i32>().context("a name is text")?;
        let [rows, bytes] = [1, 2].map(|column| batch.column(column).as_primitive::<Int64Type>().clone());
        sizes.extend((0..names.len()).map(|row| (names.value(row).to_owned(), rows.value(row), bytes.value(row))));
    }
    Ok(sizes)
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = sql::runtime()?;
    let dir = tempfile::tempdir()?;
    let mut report = Report::new("footprint", &["relation", "rows", "bytes", "bytes/reading"]);
    let (seconds, processor_seconds) = runtime.block_on(async {
        let database = open(dir.path()).await?;
        run(&database, TABLE).await?;
        for (name, start) in ROLLUPS {
            let view = format!(
                "CREATE MATERIALIZED VIEW {name} AS SELECT circuit, {start} AS start, count(*) AS n, sum(power_w) AS total, \
                 min(power_w) AS low, max(power_w) AS high FROM readings GROUP BY circuit, {start}"
            );
            run(&database, &view).await?;
        }
        let (started, processor_started) = (Instant::now(), cpu::process_seconds());
        load(&database, 0..arguments.rows, event).await?;
        let took = (started.elapsed().as_secs_f64(), cpu::process_seconds() - processor_started);
        for (name, _) in ROLLUPS {
            let counted = integer(&database, &format!("SELECT CAST(sum(n) AS BIGINT) FROM {name}")).await?;
            ensure!(counted as u64 == arguments.rows, "{name} counts {counted} of {} readings", arguments.rows);
        }
        database.close().await;
        anyhow::Ok(took)
    })?;
    let peak_mib = cpu::peak_mib()?;
    let options = StoreOptions { cache_bytes: CACHE_BYTES, changelog_bytes: sql::limits::CHANGELOG_BYTES };
    Store::open(&dir.path().join("table"), options)?.compact();
    let sizes = runtime.block_on(async {
        let database = open(dir.path()).await?;
        let sizes = sizes(&database).await?;
        database.close().await;
        anyhow::Ok(sizes)
    })?;

    let each = |bytes: i64| bytes as f64 / arguments.rows as f64;
    for (name, rows, bytes) in &sizes {
        report.row(vec![json!(name), json!(rows), json!(bytes), json!(each(*bytes))]);
    }
    let all: i64 = sizes.iter().map(|(_, _, bytes)| bytes).sum();
    report.row(vec![
        json!("all"),
        json!(sizes.iter().map(|(_, rows, _)| rows).sum::<i64>()),
        json!(all),
        json!(each(all)),
    ]);
    let met = if each(all) <= TARGET_BYTES { "met" } else { "MISSED" };
    report.note(format!("Target: at most {TARGET_BYTES} bytes a reading in tables and views: {met}."));
    let rows = arguments.rows as f64;
    report.note(format!(
        "Taken in at {:.0} readings/s, {:.2} us of processor time each, durable and in every view; at most {peak_mib} MiB.",
        rows / seconds,
        processor_seconds * 1e6 / rows
    ));
    report.finish()?;
    Ok(())
}
