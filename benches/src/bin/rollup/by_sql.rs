//! The job as three views in SQL: planner, engine and store as they run in a node.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use benches::node::Node;
use benches::views::Catalogue;
use dataflow::{Direction, KeyRange, RelationId, State};

use super::readings::{Epoch, schema};
use super::{Rollup, Rollups, Side, Sync};

/// The start of each window, by width.
const STARTS: [&str; 3] =
    ["date_bin(INTERVAL '1 minute', at)", "date_bin(INTERVAL '15 minutes', at)", "date_trunc('day', at)"];

pub struct BySql {
    node: Node,
    readings: RelationId,
    views: Vec<RelationId>,
}

impl Side for BySql {
    const NAME: &'static str = "views by SQL";

    fn open(dir: &Path) -> anyhow::Result<BySql> {
        let mut catalogue = Catalogue::default();
        let readings = catalogue.table("readings", schema(), &[0, 1], None);
        let mut views = Vec::new();
        for (number, start) in STARTS.iter().enumerate() {
            let sql = format!(
                "SELECT circuit, {start} AS start, count(*) AS n, sum(energy_wh) AS total, min(energy_wh) AS low, \
                 max(energy_wh) AS high FROM readings GROUP BY circuit, {start}"
            );
            views.push(catalogue.view(&format!("rollup_{number}"), &sql)?);
        }
        let ids = views.iter().map(|view| view.relation).collect();
        let node = Node::open(dir, std::slice::from_ref(&readings), views)?;
        Ok(BySql { node, readings: readings.id, views: ids })
    }

    fn epoch(&mut self, epoch: &Epoch) -> anyhow::Result<Sync> {
        let written = self.node.apply(self.readings, &epoch.rows)?;
        let store = self.node.store.clone();
        Ok(Box::new(move || {
            store.sync(written)?;
            Ok(())
        }))
    }

    fn rollups(&self) -> anyhow::Result<Rollups> {
        let of = |width: usize| self.rows(self.views[width]);
        Ok([of(0)?, of(1)?, of(2)?])
    }
}

impl BySql {
    fn rows(&self, view: RelationId) -> anyhow::Result<BTreeMap<(i32, i64), Rollup>> {
        let mut entries = Vec::new();
        let mut keep = |key: &[u8], value: &[u8]| {
            entries.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        self.node.store.scan(view, &KeyRange::all(), Direction::Ascending, &mut keep)?;
        let entries = entries.iter().map(|(key, value)| (&key[..], &value[..]));
        Ok(rollups(&self.node.codec(view).decode(entries, None)?.rows))
    }
}

fn rollups(rows: &RecordBatch) -> BTreeMap<(i32, i64), Rollup> {
    let integers = |column: usize| rows.column(column).as_primitive::<Int64Type>().values();
    let circuits = rows.column(0).as_primitive::<Int32Type>().values();
    let starts = rows.column(1).as_primitive::<TimestampMicrosecondType>().values();
    let [count, sum, min, max] = [2, 3, 4, 5].map(integers);
    let row = |at: usize| Rollup { count: count[at], sum: sum[at], min: min[at], max: max[at] };
    (0..rows.num_rows()).map(|at| ((circuits[at], starts[at]), row(at))).collect()
}
