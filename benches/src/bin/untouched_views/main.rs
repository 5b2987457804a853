//! One changed row, with the ten views that it touches alone, and with 290 others beside them: an epoch costs what it
//! touches, not what there is.
//!
//! Thirty tables of meter readings, all with rows, have ten views each, of all kinds of operators; in the other node there is one
//! table with the same ten views. The same rows change in both, in turn, one an epoch. What is measured is the thread that looks the
//! stored row up, runs the engine and writes the commit; making it durable is left out. In the end the views that were
//! touched must hold the same in both.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use arrow::array::{Float64Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use benches::node::Node;
use benches::report::{Report, median, percentile};
use benches::views::Catalogue;
use clap::Parser;
use dataflow::{Block, Direction, KeyRange, RelationId};
use serde_json::json;
use storage::{DEFAULT_TENANT, TenantScope};

const CIRCUITS: u64 = 1_000;
const FIRST_SECOND: i64 = 1_700_000_000;
/// What an epoch may cost with the others there, by what it costs without them.
const TARGET_RATIO: f64 = 1.1;
/// Epochs of one node before it is the other's turn.
const TURN: u64 = 200;

/// The views of one table.
const VIEWS: [&str; 10] = [
    "SELECT circuit, date_bin(INTERVAL '1 minute', at) AS start, count(*) AS n, sum(power_w) AS total FROM {} \
     GROUP BY circuit, date_bin(INTERVAL '1 minute', at)",
    "SELECT circuit, date_bin(INTERVAL '15 minutes', at) AS start, avg(power_w) AS mean, max(power_w) AS high FROM {} \
     GROUP BY circuit, date_bin(INTERVAL '15 minutes', at)",
    "SELECT circuit, count(*) AS n, median(power_w) AS middle FROM {} GROUP BY circuit",
    "SELECT circuit, count(DISTINCT power_w) AS different FROM {} GROUP BY circuit",
    "SELECT circuit, at, power_w FROM {} WHERE power_w > 3000",
    "SELECT r.circuit, r.at, r.power_w, c.name FROM {} r JOIN circuits c ON c.circuit = r.circuit",
    "SELECT c.name, sum(r.power_w) AS total FROM {} r JOIN circuits c ON c.circuit = r.circuit GROUP BY c.name",
    "SELECT circuit, at, power_w FROM (SELECT *, row_number() OVER (PARTITION BY circuit ORDER BY power_w DESC) AS place \
     FROM {}) AS placed WHERE place <= 3",
    "SELECT DISTINCT circuit FROM {} WHERE power_w > 1000",
    "SELECT circuit, at, power_w - lag(power_w) OVER (PARTITION BY circuit ORDER BY at) AS step FROM {}",
];

#[derive(Parser)]
struct Arguments {
    /// Tables with ten views each in the larger node.
    #[arg(long, default_value_t = 30)]
    tables: usize,
    /// Rows of the table that changes.
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// Rows of each of the other tables.
    #[arg(long, default_value_t = 10_000)]
    other_rows: u64,
    /// Changes measured in each node.
    #[arg(long, default_value_t = 4_000)]
    changes: u64,
}

struct Side {
    node: Node,
    readings: RelationId,
    touched: Vec<RelationId>,
    micros: Vec<f64>,
}

fn readings() -> SchemaRef {
    let at = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    Arc::new(Schema::new(vec![
        Field::new("circuit", DataType::Int32, false),
        Field::new("at", at, false),
        Field::new("power_w", DataType::Float64, true),
    ]))
}

/// Readings by number: each circuit once a second, in turn.
fn batch(numbers: std::ops::Range<u64>) -> anyhow::Result<RecordBatch> {
    let circuits = numbers.clone().map(|n| (n % CIRCUITS) as i32);
    let at = numbers.clone().map(|n| (FIRST_SECOND + (n / CIRCUITS) as i64) * 1_000_000);
    let power = numbers.map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as f64);
    let at = TimestampMicrosecondArray::from_iter_values(at).with_timezone("+00:00");
    Ok(RecordBatch::try_new(
        readings(),
        vec![
            Arc::new(Int32Array::from_iter_values(circuits)),
            Arc::new(at),
            Arc::new(Float64Array::from_iter_values(power)),
        ],
    )?)
}

impl Side {
    fn open(dir: &Path, tables: usize, rows: u64, other_rows: u64) -> anyhow::Result<Side> {
        let mut catalogue = Catalogue::default();
        let names: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("circuit", DataType::Int32, false),
            Field::new("name", DataType::Utf8, true),
        ]));
        let circuits = catalogue.table("circuits", names.clone(), &[0], Some(CIRCUITS));
        let (mut relations, mut views) = (vec![circuits.clone()], Vec::new());
        for number in 0..tables {
            let table = format!("readings_{number}");
            relations.push(catalogue.table(&table, readings(), &[0, 1], None));
            for (place, query) in VIEWS.iter().enumerate() {
                views.push(catalogue.view(&format!("view_{number}_{place}"), &query.replace("{}", &table))?);
            }
        }
        let readings = relations[1].id;
        let touched = views[..VIEWS.len()].iter().map(|view| view.relation).collect();
        let mut node = Node::open(dir, &relations, views)?;
        let named = RecordBatch::try_new(
            names,
            vec![
                Arc::new(Int32Array::from_iter_values(0..CIRCUITS as i32)),
                Arc::new(StringArray::from_iter_values((0..CIRCUITS).map(|circuit| format!("room {}", circuit % 40)))),
            ],
        )?;
        node.apply(circuits.id, &named)?;
        for table in &relations[1..] {
            let rows = if table.id == readings { rows } else { other_rows };
            for first in (0..rows).step_by(5_000) {
                let written = node.apply(table.id, &batch(first..(first + 5_000).min(rows))?)?;
                node.store.sync(written)?;
            }
        }
        Ok(Side { node, readings, touched, micros: Vec::new() })
    }

    fn change(&mut self, number: u64) -> anyhow::Result<()> {
        let row = batch(number..number + 1)?;
        let started = Instant::now();
        let written = self.node.apply(self.readings, &row)?;
        self.micros.push(started.elapsed().as_secs_f64() * 1e6);
        self.node.store.sync(written)?;
        Ok(())
    }

    /// Every (key, value) of the views that were touched, view after view.
    fn held(&self) -> anyhow::Result<Vec<(Block, Block)>> {
        let reader = self.node.store.snapshot().scoped(TenantScope::One(DEFAULT_TENANT));
        let mut held = Vec::new();
        for view in &self.touched {
            let (mut keys, mut values) = (Block::default(), Block::default());
            let mut cursor = reader.cursor(*view, KeyRange::all(), Direction::Ascending);
            while cursor.next(&mut keys, &mut values, 10_000)? > 0 {}
            held.push((keys, values));
        }
        Ok(held)
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let dirs = [tempfile::tempdir()?, tempfile::tempdir()?];
    let open = |dir: &tempfile::TempDir, tables| Side::open(dir.path(), tables, arguments.rows, arguments.other_rows);
    let mut sides = [open(&dirs[0], 1)?, open(&dirs[1], arguments.tables)?];
    for turn in (0..arguments.changes).step_by(TURN as usize) {
        for side in &mut sides {
            let first = arguments.rows + turn;
            (first..first + TURN).try_for_each(|number| side.change(number))?;
        }
    }
    for (place, (alone, among)) in sides[0].held()?.iter().zip(&sides[1].held()?).enumerate() {
        let rows = |held: &(Block, Block)| {
            held.0.iter().map(<[u8]>::to_vec).zip(held.1.iter().map(<[u8]>::to_vec)).collect::<Vec<_>>()
        };
        ensure!(!alone.0.is_empty() && rows(alone) == rows(among), "view {place} differs");
    }
    let views = arguments.tables * VIEWS.len();
    let mut report = Report::new("untouched_views", &["epoch of one row", "10 views us", "all views us", "ratio"]);
    let [alone, among] = [&sides[0].micros, &sides[1].micros];
    for (name, [alone, among]) in
        [("p50", [median(alone), median(among)]), ("p99", [percentile(alone, 0.99), percentile(among, 0.99)])]
    {
        report.row(vec![json!(name), json!(alone), json!(among), json!(among / alone)]);
        if name == "p50" {
            let met = if among / alone <= TARGET_RATIO { "met" } else { "MISSED" };
            report
                .note(format!("Target: 10 of {views} views touched cost at most {TARGET_RATIO}x of 10 of 10: {met}."));
        }
    }
    report.finish()?;
    Ok(())
}
