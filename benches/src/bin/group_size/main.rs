//! What one corrected row costs in a group of ten thousand rows and in one of a million: reads must not grow with the group.
//!
//! One circuit has a reading a second. A change makes one reading the greatest of all, the next one takes it back, so that
//! the extreme, the first rows, the middle and the neighbours all change. Each view has a node of its own; what is timed is an
//! epoch of one row: current row, engine, commit written, not synced.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use benches::node::Node;
use benches::report::{Report, median};
use benches::views::Catalogue;
use clap::Parser;
use dataflow::row::KeyEncoder;
use dataflow::{Direction, KeyRange, RelationId, State};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use sql::planner;

/// Views over the readings of a circuit, by what they keep of it.
const VIEWS: [(&str, &str); 24] = [
    ("sum, for comparison", "SELECT circuit, sum(power_w) AS total FROM readings GROUP BY circuit"),
    ("stddev", "SELECT circuit, stddev_samp(power_w) AS spread FROM readings GROUP BY circuit"),
    (
        "FILTER",
        "SELECT circuit, count(*) FILTER (WHERE power_w > 500) AS n, bool_or(power_w > 1000) AS peaks FROM readings \
         GROUP BY circuit",
    ),
    ("max", "SELECT circuit, max(power_w) AS high FROM readings GROUP BY circuit"),
    ("min", "SELECT circuit, min(-power_w) AS low FROM readings GROUP BY circuit"),
    ("median", "SELECT circuit, median(power_w) AS middle FROM readings GROUP BY circuit"),
    (
        "percentile_disc",
        "SELECT circuit, percentile_disc(0.99) WITHIN GROUP (ORDER BY power_w) AS high FROM readings GROUP BY circuit",
    ),
    ("count(DISTINCT)", "SELECT circuit, count(DISTINCT power_w) AS n FROM readings GROUP BY circuit"),
    ("DISTINCT", "SELECT DISTINCT circuit, power_w FROM readings"),
    (
        "DISTINCT ON",
        "SELECT DISTINCT ON (circuit) circuit, at, power_w FROM readings ORDER BY circuit, power_w DESC, at",
    ),
    (
        "EXCEPT",
        "SELECT circuit, power_w FROM readings EXCEPT SELECT circuit, power_w FROM readings WHERE power_w < 500",
    ),
    (
        "INTERSECT",
        "SELECT circuit, power_w FROM readings INTERSECT SELECT circuit, power_w FROM readings WHERE power_w > 500",
    ),
    ("UNION", "SELECT circuit, power_w FROM readings UNION SELECT circuit, -power_w FROM readings"),
    ("first_value", "SELECT circuit, first_value(at ORDER BY power_w DESC) AS peak FROM readings GROUP BY circuit"),
    ("last_value", "SELECT circuit, last_value(at ORDER BY power_w) AS peak FROM readings GROUP BY circuit"),
    (
        "first 10 rows",
        "SELECT circuit, at, power_w, n FROM (SELECT *, row_number() OVER (PARTITION BY circuit ORDER BY power_w DESC) AS n \
         FROM readings) AS numbered WHERE n <= 10",
    ),
    (
        "rank",
        "SELECT circuit, at, power_w, n FROM (SELECT *, rank() OVER (PARTITION BY circuit ORDER BY power_w DESC, at) AS n \
         FROM readings) AS numbered WHERE n <= 3",
    ),
    ("top 10 of all", "SELECT circuit, at, power_w FROM readings ORDER BY power_w DESC, at LIMIT 10"),
    ("lag", "SELECT circuit, at, power_w - lag(power_w) OVER (PARTITION BY circuit ORDER BY at) AS step FROM readings"),
    ("lead", "SELECT circuit, at, lead(power_w, 2) OVER (PARTITION BY circuit ORDER BY at) AS after FROM readings"),
    // What these answer of a group is as long as the group: it is a minute here.
    (
        "string_agg",
        "SELECT circuit, date_bin(INTERVAL '1 minute', at) AS minute, string_agg(power_w::TEXT, ' ' ORDER BY at) AS powers \
         FROM readings GROUP BY circuit, date_bin(INTERVAL '1 minute', at)",
    ),
    (
        "array_agg",
        "SELECT circuit, date_bin(INTERVAL '1 minute', at) AS minute, array_agg(power_w ORDER BY at) AS powers \
         FROM readings GROUP BY circuit, date_bin(INTERVAL '1 minute', at)",
    ),
    ("unnest", "SELECT circuit, at, unnest(ARRAY[power_w, power_w + 10000]) AS side FROM readings"),
    (
        "now()",
        "SELECT circuit, sum(power_w) AS total FROM readings WHERE at > now() - INTERVAL '1 day' GROUP BY circuit",
    ),
];
/// Rows of an epoch while a group is loaded.
const LOAD_ROWS: usize = 10_000;
/// How many bytes more a change may read in the larger group: the current row and its entries, which a smaller group has in the
/// value cache.
const MORE_BYTES_MAX: f64 = 64.0;

#[derive(Parser)]
struct Arguments {
    /// Rows of the smaller and of the larger group.
    #[arg(long, num_args = 2, default_values_t = [10_000, 1_000_000])]
    rows: Vec<usize>,
    /// Views that are measured, by name; all where none is named.
    #[arg(long, value_delimiter = ',')]
    views: Vec<String>,
    /// Changes that are timed.
    #[arg(long, default_value_t = 400)]
    changes: usize,
}

/// What a change cost: medians, and means of what is read.
struct Cost {
    us: f64,
    keys: f64,
    bytes: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let columns = ["view", "group rows", "us/change", "keys looked up", "bytes read", "more than smaller"];
    let mut report = Report::new("group_size", &columns);
    let mut worst: f64 = 0.0;
    let is_measured = |name: &str| arguments.views.is_empty() || arguments.views.iter().any(|wanted| wanted == name);
    for (name, sql) in VIEWS.into_iter().filter(|(name, _)| is_measured(name)) {
        let mut smaller = None;
        for &rows in &arguments.rows {
            let cost = run(name, sql, rows, arguments.changes)?;
            let more = cost.bytes - *smaller.get_or_insert(cost.bytes);
            worst = worst.max(more);
            report.row(vec![
                json!(name),
                json!(rows),
                json!(cost.us),
                json!(cost.keys),
                json!(cost.bytes),
                json!(more),
            ]);
        }
    }
    let met = if worst <= MORE_BYTES_MAX { "met" } else { "MISSED" };
    report.note(format!(
        "Target bytes that a change reads more in the larger group: at most {MORE_BYTES_MAX}, found {worst:.0}: {met}."
    ));
    report
        .note("Each view was compared with DataFusion's batch answer after its changes, before any of them was timed.");
    report.finish()?;
    Ok(())
}

/// Compares the view after a first half of changes, then times a second.
fn run(name: &str, sql: &str, rows: usize, changes: usize) -> anyhow::Result<Cost> {
    let dir = tempfile::tempdir()?;
    let mut catalogue = Catalogue::default();
    let table = catalogue.table("readings", schema(), &[0, 1], None);
    let rewritten = catalogue.rewritten(sql)?;
    let view = catalogue.view("view", sql)?;
    let (relation, view_schema) = (view.relation, view.schema.columns.clone());
    let mut node = Node::open(dir.path(), std::slice::from_ref(&table), vec![view])?;
    let mut power: Vec<f64> = (0..rows).map(usual).collect();
    for start in (0..rows).step_by(LOAD_ROWS) {
        let at: Vec<usize> = (start..rows.min(start + LOAD_ROWS)).collect();
        node.apply(table.id, &readings(&at, &power))?;
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut change = |power: &mut Vec<f64>, number: usize, row: &mut usize| {
        match number % 2 {
            0 => {
                *row = random.random_range(0..rows);
                power[*row] = 1e6 + number as f64;
            }
            _ => power[*row] = usual(*row),
        }
        readings(&[*row], power)
    };
    let mut row = 0;
    for number in 0..changes + 1 {
        let changed = change(&mut power, number, &mut row);
        node.apply(table.id, &changed)?;
    }
    let all: Vec<usize> = (0..rows).collect();
    let sources = BTreeMap::from([("readings".to_string(), vec![readings(&all, &power)])]);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let expected = runtime.block_on(planner::batch(&rewritten, &sources, 0))?;
    let found = stored(&node, relation)?;
    let named = expected.into_iter().map(|rows| rows.with_schema(view_schema.clone()));
    let expected = concat_batches(&view_schema, &named.collect::<Result<Vec<_>, _>>()?)?;
    anyhow::ensure!(encoded(&found) == encoded(&expected), "the view of {name} is not what the batch answers");

    let before = node.store.stats();
    let mut taken = Vec::with_capacity(changes);
    for number in changes + 1..2 * changes + 1 {
        let changed = change(&mut power, number, &mut row);
        let started = Instant::now();
        node.apply(table.id, &changed)?;
        taken.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let after = node.store.stats();
    let each = |before: u64, after: u64| (after - before) as f64 / changes as f64;
    Ok(Cost {
        us: median(&taken),
        keys: each(before.value_hits + before.value_misses, after.value_hits + after.value_misses),
        bytes: each(before.read_bytes, after.read_bytes),
    })
}

/// A power that follows from the row, spread over 997 values.
fn usual(row: usize) -> f64 {
    (row.wrapping_mul(2_654_435_761) % 997) as f64
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("circuit", DataType::Int32, false),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), false),
        Field::new("power_w", DataType::Float64, true),
    ]))
}

/// The readings of some seconds.
fn readings(at: &[usize], power: &[f64]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(at.iter().map(|_| 1))),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(at.iter().map(|&at| at as i64 * 1_000_000))
                .with_timezone("+00:00"),
        ),
        Arc::new(Float64Array::from_iter_values(at.iter().map(|&at| power[at]))),
    ];
    RecordBatch::try_new(schema(), columns).expect("columns of the schema")
}

fn stored(node: &Node, view: RelationId) -> anyhow::Result<RecordBatch> {
    let mut entries = Vec::new();
    node.store.scan(view, &KeyRange::all(), Direction::Ascending, &mut |key, value| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    let entries = entries.iter().map(|(key, value)| (&key[..], &value[..]));
    Ok(node.codec(view).decode(entries, None)?.rows)
}

/// The rows as sorted keys of all columns.
fn encoded(rows: &RecordBatch) -> Vec<Vec<u8>> {
    let types: Vec<DataType> = rows.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let all: Vec<usize> = (0..types.len()).collect();
    let mut keys: Vec<Vec<u8>> = KeyEncoder::new(&types).encode(rows, &all).iter().map(<[u8]>::to_vec).collect();
    keys.sort_unstable();
    keys
}
