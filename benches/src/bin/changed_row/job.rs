//! The table, its views, and what they must hold.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use benches::node::Node;
use benches::views::Catalogue;
use dataflow::{Direction, KeyRange, RelationId, State};
use storage::{Stats, Written};

const CIRCUITS: u64 = 1_000;
const PERIOD_US: i64 = 10_000_000;
const START_US: i64 = 1_699_920_000_000_000;

/// A node with a table of readings, one of circuits, and three views.
pub struct Job {
    node: Node,
    readings: RelationId,
    minutes: RelationId,
    priced: RelationId,
    dear: RelationId,
    /// The readings' values, by number.
    values: Vec<i16>,
}

impl Job {
    pub fn open(dir: &Path) -> anyhow::Result<Job> {
        let mut catalogue = Catalogue::default();
        let readings = catalogue.table("readings", readings_schema(), &[0, 1], None);
        let circuits = catalogue.table("circuits", circuits_schema(), &[0], Some(10 * CIRCUITS));
        let minutes = catalogue.view(
            "minutes",
            "SELECT circuit, date_bin(INTERVAL '1 minute', at) AS minute, count(*) AS n, sum(energy_wh) AS total, \
             min(energy_wh) AS low, max(energy_wh) AS high FROM readings \
             GROUP BY circuit, date_bin(INTERVAL '1 minute', at)",
        )?;
        let priced = catalogue.view(
            "priced",
            "SELECT r.circuit, r.at, r.energy_wh * c.price AS cost FROM readings r JOIN circuits c \
             ON c.circuit = r.circuit",
        )?;
        let dear = catalogue.view("dear", "SELECT circuit, minute, total FROM minutes WHERE high >= 900")?;
        let ids = [&minutes, &priced, &dear].map(|view| view.relation);
        let mut node = Node::open(dir, &[readings.clone(), circuits.clone()], vec![minutes, priced, dear])?;
        let written = node.apply(circuits.id, &circuits_rows())?;
        node.store.sync(written)?;
        Ok(Job { node, readings: readings.id, minutes: ids[0], priced: ids[1], dear: ids[2], values: Vec::new() })
    }

    /// Takes `rows` readings in time order.
    pub fn load(&mut self, rows: u64, at_once: u64) -> anyhow::Result<()> {
        for start in (0..rows).step_by(at_once as usize) {
            let numbers: Vec<u64> = (start..rows.min(start + at_once)).collect();
            self.values.extend(numbers.iter().map(|&number| value(number)));
            let batch = self.rows(&numbers);
            let written = self.apply(&batch)?;
            self.sync(written)?;
        }
        Ok(())
    }

    /// Readings so far.
    pub fn kept(&self) -> u64 {
        self.values.len() as u64
    }

    /// The row of a reading with another value; a reading that is not there yet is the next one.
    pub fn changed(&mut self, reading: u64, value: i16) -> RecordBatch {
        if reading == self.kept() {
            self.values.push(value);
        } else {
            self.values[reading as usize] = value;
        }
        self.rows(&[reading])
    }

    pub fn apply(&mut self, rows: &RecordBatch) -> anyhow::Result<Written> {
        self.node.apply(self.readings, rows)
    }

    pub fn sync(&self, written: Written) -> anyhow::Result<()> {
        self.node.store.sync(written)?;
        Ok(())
    }

    pub fn stats(&self) -> Stats {
        self.node.store.stats()
    }

    /// Compares every view with what the readings make by hand.
    pub fn check(&self) -> anyhow::Result<()> {
        let mut minutes: BTreeMap<(u64, u64), Vec<i64>> = BTreeMap::new();
        let mut cost = 0;
        for (number, &value) in (0..).zip(&self.values) {
            let circuit = number % CIRCUITS;
            minutes.entry((circuit, number / CIRCUITS / 6)).or_default().push(value.into());
            cost += i64::from(value) * price(circuit);
        }
        let groups = minutes.values();
        let sums = |groups: &mut dyn Iterator<Item = &Vec<i64>>| groups.flatten().sum::<i64>();
        let (low, high): (Vec<_>, Vec<_>) =
            groups.clone().map(|group| (group.iter().min(), group.iter().max())).unzip();
        let total = |of: Vec<Option<&i64>>| of.into_iter().flatten().sum::<i64>();
        let expected =
            [minutes.len() as i64, self.values.len() as i64, sums(&mut groups.clone()), total(low), total(high)];
        anyhow::ensure!(self.sums(self.minutes, &[2, 3, 4, 5])? == expected, "the rollup differs");
        anyhow::ensure!(self.sums(self.priced, &[2])? == [self.values.len() as i64, cost], "the join differs");
        let mut dear = groups.filter(|group| group.iter().any(|&value| value >= 900)).peekable();
        let dear: Vec<&Vec<i64>> = std::iter::from_fn(|| dear.next()).collect();
        let expected = [dear.len() as i64, sums(&mut dear.into_iter())];
        anyhow::ensure!(self.sums(self.dear, &[2])? == expected, "the view on the rollup differs");
        Ok(())
    }

    /// How many rows a view has, and the sums of these columns.
    fn sums(&self, view: RelationId, columns: &[usize]) -> anyhow::Result<Vec<i64>> {
        let codec = self.node.codec(view);
        let mut sums = vec![0; 1 + columns.len()];
        let mut add = |entries: &mut Vec<(Vec<u8>, Vec<u8>)>| -> anyhow::Result<()> {
            let taken = std::mem::take(entries);
            let rows = codec.decode(taken.iter().map(|(key, value)| (&key[..], &value[..])), None)?.rows;
            sums[0] += rows.num_rows() as i64;
            for (sum, &column) in sums[1..].iter_mut().zip(columns) {
                *sum += rows.column(column).as_primitive::<Int64Type>().values().iter().sum::<i64>();
            }
            Ok(())
        };
        let (mut entries, mut outcome) = (Vec::new(), Ok(()));
        self.node.store.scan(view, &KeyRange::all(), Direction::Ascending, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            if entries.len() == 8_192 {
                outcome = add(&mut entries);
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome?;
        add(&mut entries)?;
        Ok(sums)
    }

    fn rows(&self, numbers: &[u64]) -> RecordBatch {
        let at = |&number: &u64| START_US + (number / CIRCUITS) as i64 * PERIOD_US;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter_values(numbers.iter().map(|number| (number % CIRCUITS) as i32))),
            Arc::new(TimestampMicrosecondArray::from_iter_values(numbers.iter().map(at)).with_timezone("+00:00")),
            Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&number| self.values[number as usize].into()))),
        ];
        RecordBatch::try_new(readings_schema(), columns).expect("the columns of the schema")
    }
}

fn readings_schema() -> SchemaRef {
    let at = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    Arc::new(Schema::new(vec![
        Field::new("circuit", DataType::Int32, false),
        Field::new("at", at, false),
        Field::new("energy_wh", DataType::Int64, false),
    ]))
}

fn circuits_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("circuit", DataType::Int32, false),
        Field::new("price", DataType::Int64, false),
    ]))
}

fn circuits_rows() -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(0..CIRCUITS as i32)),
        Arc::new(Int64Array::from_iter_values((0..CIRCUITS).map(price))),
    ];
    RecordBatch::try_new(circuits_schema(), columns).expect("the columns of the schema")
}

fn price(circuit: u64) -> i64 {
    1 + circuit as i64 % 7
}

/// The value that a reading comes with.
fn value(number: u64) -> i16 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as i16 & 511
}
