//! What a PostgreSQL client waits for, beside PostgreSQL itself: prepared look-ups, a scan of a million rows, an aggregate.
//!
//! Both servers are processes of their own that take the same rows by COPY and are asked over loopback by the same driver, in
//! turn. Answers are compared before anything is timed. PostgreSQL has its default settings but for 256 MiB of shared buffers,
//! as much as Caudal's caches, and has been vacuumed.

mod caudal;

use std::io::Write;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, ensure};
use benches::report::{Report, median, percentile};
use bytes::Bytes;
use clap::Parser;
use futures::{SinkExt, TryStreamExt, pin_mut};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tests::postgresql::PostgreSql;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

const TARGET_RATIO: f64 = 3.0;
const TABLE: &str =
    "CREATE TABLE readings (circuit INT, at TIMESTAMPTZ, power_w DOUBLE PRECISION, PRIMARY KEY (circuit, at))";
const CIRCUITS: u64 = 1_000;
/// Seconds since 1970 of the first reading; each circuit is read every ten seconds.
const START_S: u64 = 1_700_000_000;

const LOOK_UP: &str = "SELECT power_w FROM readings WHERE circuit = $1 AND at = $2";
const LATEST: &str = "SELECT at, power_w FROM readings WHERE circuit = $1 ORDER BY at DESC LIMIT 10";
const SCAN: &str = "SELECT circuit, extract(epoch FROM at)::double precision, power_w FROM readings";
const AGGREGATE: &str = "SELECT circuit, count(*), avg(power_w), max(power_w) FROM readings GROUP BY circuit";

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Look-ups of each kind on each side.
    #[arg(long, default_value_t = 5_000)]
    look_ups: u64,
    /// Scans and aggregates on each side; medians count.
    #[arg(long, default_value_t = 5)]
    scans: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Serve a database in this directory and say where: the bench starts itself so.
    #[arg(long)]
    serve: Option<std::path::PathBuf>,
}

/// A server and its name.
struct Side {
    name: &'static str,
    client: Client,
    look_up: Statement,
    latest: Statement,
}

impl Side {
    async fn loaded(name: &'static str, client: Client, rows: u64) -> anyhow::Result<(Side, f64)> {
        client.batch_execute(TABLE).await?;
        let started = Instant::now();
        let sink = client.copy_in("COPY readings FROM STDIN").await?;
        pin_mut!(sink);
        for first in (0..rows).step_by(10_000) {
            let mut lines = Vec::new();
            for number in first..rows.min(first + 10_000) {
                let (circuit, seconds, power) = reading(number);
                let at = chrono_text(seconds);
                writeln!(lines, "{circuit}\t{at}\t{power}")?;
            }
            sink.send(Bytes::from(lines)).await?;
        }
        ensure!(sink.finish().await? == rows, "{name} took fewer rows");
        let seconds = started.elapsed().as_secs_f64();
        let (look_up, latest) = (client.prepare(LOOK_UP).await?, client.prepare(LATEST).await?);
        Ok((Side { name, client, look_up, latest }, rows as f64 / seconds))
    }

    /// The power of a reading, and the milliseconds that the answer took.
    async fn look_up(&self, number: u64) -> anyhow::Result<(f64, f64)> {
        let (circuit, seconds, _) = reading(number);
        let at = UNIX_EPOCH + Duration::from_secs(seconds);
        let started = Instant::now();
        let row = self.client.query_one(&self.look_up, &[&circuit, &at]).await?;
        Ok((row.get(0), started.elapsed().as_secs_f64() * 1e3))
    }

    /// The sum of a circuit's ten last readings, and the milliseconds that the answer took.
    async fn latest(&self, circuit: i32) -> anyhow::Result<(f64, f64)> {
        let started = Instant::now();
        let rows = self.client.query(&self.latest, &[&circuit]).await?;
        ensure!(rows.len() == 10, "{}: {} rows for {circuit}", self.name, rows.len());
        Ok((rows.iter().map(|row| row.get::<_, f64>(1)).sum(), started.elapsed().as_secs_f64() * 1e3))
    }

    /// How many rows a scan gives and what its columns add up to, and the milliseconds that it took.
    async fn scan(&self) -> anyhow::Result<([f64; 4], f64)> {
        let started = Instant::now();
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = self.client.query_raw(SCAN, none).await?;
        pin_mut!(rows);
        let mut sums = [0.0; 4];
        while let Some(row) = rows.try_next().await? {
            sums[0] += 1.0;
            sums[1] += f64::from(row.get::<_, i32>(0));
            sums[2] += row.get::<_, f64>(1) - START_S as f64;
            // Hundredths of a watt, so that the order does not matter.
            sums[3] += (row.get::<_, f64>(2) * 100.0).round();
        }
        Ok((sums, started.elapsed().as_secs_f64() * 1e3))
    }

    /// Counts and greatest values, added up, and the milliseconds that the answer took.
    async fn aggregate(&self) -> anyhow::Result<([f64; 4], f64)> {
        let started = Instant::now();
        let rows = self.client.query(AGGREGATE, &[]).await?;
        let took = started.elapsed().as_secs_f64() * 1e3;
        let mut sums = [rows.len() as f64, 0.0, 0.0, 0.0];
        for row in rows {
            sums[1] += row.get::<_, i64>(1) as f64;
            // Means of a thousand hundredths have five digits; PostgreSQL rounds as it adds.
            sums[2] += (row.get::<_, f64>(2) * 1e6).round();
            sums[3] += (row.get::<_, f64>(3) * 100.0).round();
        }
        Ok((sums, took))
    }
}

/// Circuit, seconds since 1970 and power of the reading of a number.
fn reading(number: u64) -> (i32, u64, f64) {
    let power = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 46;
    ((number % CIRCUITS) as i32, START_S + number / CIRCUITS * 10, power as f64 / 100.0)
}

fn chrono_text(seconds: u64) -> String {
    let at = chrono::DateTime::from_timestamp(seconds as i64, 0).expect("a time within reach");
    at.format("%Y-%m-%d %H:%M:%S+00").to_string()
}

async fn compared(arguments: &Arguments, mut report: Report) -> anyhow::Result<()> {
    let port = tests::server::free_address().port();
    let settings = ["listen_addresses=127.0.0.1", "shared_buffers=256MB"];
    let postgresql =
        PostgreSql::start_on(port, &settings).context("PostgreSQL is the peer: apt-get install postgresql")?;
    // Asked on its socket first: it listens on the port by then.
    postgresql.connect().await;
    let caudal = caudal::Served::start()?;

    let theirs = connect(port, "postgres").await?;
    let (theirs, their_rate) = Side::loaded("PostgreSQL", theirs, arguments.rows).await?;
    theirs.client.batch_execute("VACUUM ANALYZE readings").await?;
    let (ours, our_rate) = Side::loaded("Caudal", connect(caudal.port, "caudal").await?, arguments.rows).await?;
    let sides = [theirs, ours];

    let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
    let mut took: [[Vec<f64>; 4]; 2] = Default::default();
    // The first round compares and warms, and is not counted.
    for round in 0..=arguments.scans {
        for query in 0..2 {
            let mut answers = Vec::new();
            for (side, took) in sides.iter().zip(&mut took) {
                let (answer, ms) = if query == 0 { side.scan().await? } else { side.aggregate().await? };
                answers.push(answer);
                if round > 0 {
                    took[2 + query].push(ms);
                }
            }
            ensure!(answers[0] == answers[1], "the answers differ: {answers:?}");
        }
    }
    for asked in 0..arguments.look_ups + arguments.look_ups / 10 {
        let (number, circuit) = (random.random_range(0..arguments.rows), random.random_range(0..CIRCUITS as i32));
        let mut answers = Vec::new();
        for (side, took) in sides.iter().zip(&mut took) {
            let (one, ms) = side.look_up(number).await?;
            let (ten, ms_of_ten) = side.latest(circuit).await?;
            answers.push((one, ten));
            if asked >= arguments.look_ups / 10 {
                took[0].push(ms);
                took[1].push(ms_of_ten);
            }
        }
        ensure!(answers[0] == answers[1], "the answers differ: {answers:?}");
    }

    for (at, query) in
        ["look-up by key", "last ten of a circuit", "scan of all rows", "aggregate by circuit"].iter().enumerate()
    {
        let [theirs, ours] = [&took[0][at], &took[1][at]];
        let ratio = median(ours) / median(theirs);
        let p99 = |took: &[f64]| percentile(took, 0.99);
        report.row(vec![
            json!(query),
            json!(median(theirs)),
            json!(median(ours)),
            json!(ratio),
            json!(p99(theirs)),
            json!(p99(ours)),
            json!(p99(ours) / p99(theirs)),
        ]);
        let met = if ratio <= TARGET_RATIO { "met" } else { "MISSED" };
        report.note(format!("Target {query}: at most {TARGET_RATIO}x PostgreSQL's median, found {ratio:.2}x: {met}."));
    }
    report.note(format!(
        "COPY of {} rows: PostgreSQL {their_rate:.0} rows/s, Caudal {our_rate:.0} rows/s, through the log: {:.2}x.",
        arguments.rows,
        our_rate / their_rate
    ));
    report.finish()?;
    Ok(())
}

async fn connect(port: u16, database: &str) -> anyhow::Result<Client> {
    let mut settings = tokio_postgres::Config::new();
    settings.host("127.0.0.1").port(port).user("caudal").password("caudal").dbname(database);
    let (client, connection) = settings.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(directory) = &arguments.serve {
        return sql::runtime()?.block_on(caudal::serve(directory));
    }
    let columns = ["query", "PostgreSQL ms", "Caudal ms", "ratio", "its p99 ms", "our p99 ms", "ratio of p99"];
    let report = Report::new("postgresql", &columns);
    sql::runtime()?.block_on(compared(&arguments, report))
}
